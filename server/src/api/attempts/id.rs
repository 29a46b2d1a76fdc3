//! Ids of attempts: `<node>.<life>.<number>`, as in `main.9f86d081884c7d65.1f`.
//!
//! The node is there for whoever routes a settling to where the attempt was begun; the life is a random
//! number of the process, so that no id is ever of two attempts.

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::time::SystemTime;

/// The name of a node in ids of attempts: 1 to 32 letters, digits, `-` and `_`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NodeName(String);

impl Default for NodeName {
    /// `main`
    fn default() -> Self {
        Self(String::from("main"))
    }
}

impl FromStr for NodeName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_good = |it: u8| it.is_ascii_alphanumeric() || it == b'-' || it == b'_';
        if (1..=32).contains(&text.len()) && text.bytes().all(is_good) {
            return Ok(Self(String::from(text)));
        }
        Err(String::from("a node's name is 1 to 32 letters, digits, - and _"))
    }
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// A node in one of its lives.
#[derive(Clone, Debug)]
pub(super) struct Node {
    name: NodeName,
    life: u64,
}

impl Node {
    /// The node in a life that begins now.
    pub(super) fn new(name: NodeName) -> Self {
        Self { name, life: RandomState::new().hash_one(SystemTime::now()) }
    }

    pub(super) fn id(&self, number: u64) -> AttemptId {
        AttemptId(format!("{}.{:016x}.{number:x}", self.name, self.life))
    }

    /// The number of an attempt of this node and life.
    pub(super) fn number(&self, id: &AttemptId) -> Option<u64> {
        let rest = id.0.strip_prefix(self.name.0.as_str())?.strip_prefix('.')?;
        let (life, number) = rest.split_once('.')?;
        (u64::from_str_radix(life, 16) == Ok(self.life)).then_some(())?;
        u64::from_str_radix(number, 16).ok()
    }
}

/// The id of an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct AttemptId(String);

impl AttemptId {
    /// Reads an id, of whichever node and life.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let is_hex = |part: &str| {
            (1..=16).contains(&part.len()) && part.bytes().all(|it| it.is_ascii_hexdigit())
        };
        let is_good = parts.next()?.parse::<NodeName>().is_ok()
            && is_hex(parts.next()?)
            && is_hex(parts.next()?)
            && parts.next().is_none();
        is_good.then(|| Self(String::from(text)))
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_by_the_node_and_life_that_gave_it() {
        let name: NodeName = "a-1".parse().unwrap();
        let node = Node { name: name.clone(), life: 7 };
        let id = node.id(255);
        assert_eq!(id.0, "a-1.0000000000000007.ff");
        assert_eq!(AttemptId::parse(&id.0), Some(id.clone()));
        assert_eq!(node.number(&id), Some(255));
        assert_eq!(Node { name, life: 8 }.number(&id), None);
        let other = Node { name: "a".parse().unwrap(), life: 7 };
        assert_eq!(other.number(&id), None);
    }

    #[test]
    fn what_is_no_id_is_none() {
        for text in ["", "a", "a.1", "a.1.", ".1.1", "a.1.1.1", "a.g.1", "a.1.+1", "ä.1.1"] {
            assert_eq!(AttemptId::parse(text), None, "{text:?}");
        }
        assert!(AttemptId::parse("a.1.11111111111111111").is_none());
        assert!("".parse::<NodeName>().is_err() && "a.b".parse::<NodeName>().is_err());
    }
}
