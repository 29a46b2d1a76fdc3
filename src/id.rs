//! Identifiers: parsed once at the border, compared byte for byte ever after.
//!
//! An id is opaque. `7`, `007` and ` 7` are never taken for each other: the first two are two
//! ids, the third is refused. Resolving user names, aliases or spellings to an id is the caller's
//! task and must happen before the engine is asked (Vault CVE-2025-6004: each spelling had a
//! counter of its own).

mod decimal;

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::fmt;
use std::hash::{BuildHasher, Hash, Hasher};
use std::ops::Deref;
use std::str::FromStr;
use std::sync::LazyLock;

use compact_str::CompactString;

pub(crate) use decimal::{Number, number_of};

/// What ids are hashed with: quickly, or by `SipHash` for ids that an attacker may choose.
#[cfg(not(feature = "siphash"))]
use foldhash::fast::RandomState;
#[cfg(feature = "siphash")]
use std::hash::RandomState;

/// The longest id, in characters (Unicode scalar values).
pub const MAX_ID_CHARACTERS: usize = 200;

/// Why a text is no id: which kind of id was asked for, and the rule it breaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[error("invalid {kind}: {rule}")]
pub struct InvalidId {
    kind: &'static str,
    rule: IdRule,
}

impl InvalidId {
    /// The rule that the text breaks.
    #[must_use]
    pub fn rule(&self) -> IdRule {
        self.rule
    }
}

/// The rules that every id keeps. Each variant is the rule in the form of its breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum IdRule {
    /// An id has at least one character.
    #[error("an id must not be empty")]
    Empty,
    /// An id has at most [`MAX_ID_CHARACTERS`]. It is refused, never cut.
    #[error("an id has at most {MAX_ID_CHARACTERS} characters, this one has {characters}")]
    TooLong {
        /// How many characters the text has.
        characters: usize,
    },
    /// An id has no control character.
    #[error("an id must not contain control characters, this one has one at character {position}")]
    ControlCharacter {
        /// Where the first one stands, counted in characters from 1.
        position: usize,
    },
    /// An id neither starts nor ends with Unicode white space.
    #[error("an id must not start or end with white space")]
    OuterWhiteSpace,
}

/// Something that is looked up by its digest.
pub(crate) trait Keyed {
    fn digest(&self) -> u64;
}

/// Seeds all hashes, anew in each process.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::default);

/// A hash of a text (the feature `siphash` picks another one). An id takes it along, so that to look a user
/// up, or to compare ids, hashes nothing.
impl Keyed for str {
    #[inline]
    fn digest(&self) -> u64 {
        let mut hasher = SEED.build_hasher();
        hasher.write(self.as_bytes());
        hasher.finish()
    }
}

/// A hash of the digits, which takes less than one of their text.
impl Keyed for Number {
    #[inline]
    fn digest(&self) -> u64 {
        let mut hasher = SEED.build_hasher();
        hasher.write_u64(self.low);
        hasher.write_u64(self.high);
        hasher.finish()
    }
}

/// Compares two texts as `==` does, those of 16 to 32 bytes without a call.
#[inline]
pub(crate) fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    if one.len() != other.len() {
        return false;
    }
    let ends = |text: &[u8]| -> Option<(u128, u128)> {
        let (first, last) = (text.first_chunk()?, text.last_chunk()?);
        Some((u128::from_ne_bytes(*first), u128::from_ne_bytes(*last)))
    };
    match (ends(one), ends(other)) {
        (Some((a, b)), Some((c, d))) if one.len() <= 32 => (a ^ c) | (b ^ d) == 0,
        _ => one == other,
    }
}

fn check(text: &str) -> Result<(), IdRule> {
    if text.is_empty() {
        return Err(IdRule::Empty);
    }
    // A text of that many bytes or fewer cannot have more characters: no need to count them.
    if text.len() > MAX_ID_CHARACTERS {
        let characters = text.chars().count();
        if characters > MAX_ID_CHARACTERS {
            return Err(IdRule::TooLong { characters });
        }
    }
    // Most ids are ASCII, where one pass over the bytes finds that there is nothing to find.
    let plain = text.bytes().all(|byte| byte.is_ascii() && !byte.is_ascii_control());
    if !plain && let Some(before) = text.chars().position(char::is_control) {
        return Err(IdRule::ControlCharacter { position: before.saturating_add(1) });
    }
    if text.starts_with(char::is_whitespace) || text.ends_with(char::is_whitespace) {
        return Err(IdRule::OuterWhiteSpace);
    }
    Ok(())
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        ///
        /// 1 to 200 characters, no control characters, no white space at either end; see
        /// [`IdRule`]. Up to 24 bytes are held in place, so that a clone allocates nothing.
        #[derive(Clone)]
        pub struct $name {
            text: CompactString,
            digest: u64,
        }

        impl $name {
            fn new(text: CompactString) -> Self {
                Self { digest: text.as_str().digest(), text }
            }

            /// The id as text.
            #[must_use]
            #[inline]
            pub fn as_str(&self) -> &str {
                &self.text
            }
        }

        impl Keyed for $name {
            #[inline]
            fn digest(&self) -> u64 {
                self.digest
            }
        }

        impl PartialEq for $name {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                self.digest == other.digest && is_same(&self.text, &other.text)
            }
        }

        impl Eq for $name {}

        impl PartialOrd for $name {
            fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
                Some(self.cmp(other))
            }
        }

        impl Ord for $name {
            fn cmp(&self, other: &Self) -> Ordering {
                self.text.cmp(&other.text)
            }
        }

        impl Hash for $name {
            fn hash<H: Hasher>(&self, state: &mut H) {
                self.text.hash(state);
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.as_str()).finish()
            }
        }

        impl TryFrom<&str> for $name {
            type Error = InvalidId;

            fn try_from(text: &str) -> Result<Self, InvalidId> {
                match check(text) {
                    Ok(()) => Ok(Self::new(CompactString::new(text))),
                    Err(rule) => Err(InvalidId { kind: $kind, rule }),
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::try_from(text.as_str())
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                Self::try_from(text)
            }
        }

        impl Deref for $name {
            type Target = str;

            #[inline]
            fn deref(&self) -> &str {
                self.as_str()
            }
        }

        impl AsRef<str> for $name {
            #[inline]
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        // `Hash`, `Eq` and `Ord` are those of the text.
        impl Borrow<str> for $name {
            #[inline]
            fn borrow(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self)
            }
        }

        // `details.resource_owner == org` reads as it is said.
        impl PartialEq<$name> for String {
            fn eq(&self, id: &$name) -> bool {
                self.as_str() == id.as_str()
            }
        }
    };
}

id!(
    /// One deployment, the owner of the default policy.
    InstanceId,
    "instance id"
);
id!(
    /// An organization: a tenant of the instance, the owner of users and of at most one override.
    OrgId,
    "organization id"
);
id!(
    /// A user, as the caller's directory knows it: the resolved id, not the name typed at a login.
    UserId,
    "user id"
);
id!(
    /// Who did something: the id of a user, a service or an operator, for the trail alone.
    Actor,
    "actor"
);

impl Actor {
    /// The actor of calls that name none, `SYSTEM`.
    #[must_use]
    pub fn system() -> Self {
        Self::new(CompactString::const_new("SYSTEM"))
    }
}

impl From<&UserId> for Actor {
    fn from(user: &UserId) -> Self {
        Self { text: user.text.clone(), digest: user.digest }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Option<IdRule> {
        UserId::try_from(text).err().map(|error| error.rule())
    }

    #[test]
    fn m39_an_over_long_id_is_an_error_and_a_longest_one_is_compared_whole() {
        let longest = "é".repeat(MAX_ID_CHARACTERS);
        assert_eq!(rule(&longest), None);
        assert_eq!(rule(&format!("{longest}é")), Some(IdRule::TooLong { characters: 201 }));
        let twin = format!("{}e", "é".repeat(MAX_ID_CHARACTERS - 1));
        assert_ne!(UserId::try_from(longest.as_str()).unwrap(), UserId::try_from(twin).unwrap());
    }

    #[test]
    fn m11_blanks_are_refused_and_case_and_zeros_tell_ids_apart() {
        for blank in [" a", "a ", "\u{3000}a", "a\u{a0}"] {
            assert_eq!(rule(blank), Some(IdRule::OuterWhiteSpace), "{blank:?}");
        }
        assert_eq!(rule("a b"), None);
        for (one, other) in [("7", "007"), ("a", "A"), ("é", "e\u{301}")] {
            assert_ne!(one.parse::<OrgId>().unwrap(), other.parse::<OrgId>().unwrap());
        }
    }

    #[test]
    fn two_texts_are_the_same_if_every_byte_is() {
        for length in 0..40 {
            let text = "x".repeat(length);
            assert!(is_same(&text, &text.clone()));
            assert!(!is_same(&text, &"x".repeat(length + 1)));
            for at in 0..length {
                let mut other = text.clone();
                other.replace_range(at..=at, "y");
                assert!(!is_same(&text, &other), "{length} {at}");
            }
        }
    }

    #[test]
    fn an_error_names_kind_and_rule() {
        assert_eq!(rule(""), Some(IdRule::Empty));
        assert_eq!(rule("a\nb"), Some(IdRule::ControlCharacter { position: 2 }));
        assert_eq!(rule("\n"), Some(IdRule::ControlCharacter { position: 1 }));
        assert_eq!(
            OrgId::try_from("").unwrap_err().to_string(),
            "invalid organization id: an id must not be empty"
        );
    }
}
