//! What the strings of a line may stand for.

use std::time::SystemTime;

use portcullis::{Factor, OrgId, UserId};

use super::{Outcome, time};

/// What a JSON string may stand for.
pub(super) trait FromText: Sized {
    /// What the string is, for the error where there is none.
    const WHAT: &str;

    /// The error is the reason why not.
    fn from_text(text: &str) -> Result<Self, String>;
}

/// The keys of an object, as far as they matter.
pub(super) enum Key {
    At,
    Org,
    User,
    Factor,
    Outcome,
    Other,
}

impl Key {
    #[inline]
    pub(super) fn of(text: &str) -> Self {
        match text {
            "at" => Self::At,
            "org" => Self::Org,
            "user" => Self::User,
            "factor" => Self::Factor,
            "outcome" => Self::Outcome,
            _ => Self::Other,
        }
    }
}

impl FromText for Key {
    const WHAT: &str = "a key";

    fn from_text(text: &str) -> Result<Self, String> {
        Ok(Self::of(text))
    }
}

impl FromText for OrgId {
    const WHAT: &str = "an organization id";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::try_from(text).map_err(|error| error.to_string())
    }
}

impl FromText for UserId {
    const WHAT: &str = "a user id";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::try_from(text).map_err(|error| error.to_string())
    }
}

impl FromText for Factor {
    const WHAT: &str = "a factor's name";

    fn from_text(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|factor| factor.name() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::name).join(", ");
            format!("unknown factor {}, expected one of {names}", quoted(text))
        })
    }
}

impl FromText for Outcome {
    const WHAT: &str = "an outcome";

    fn from_text(text: &str) -> Result<Self, String> {
        match text {
            "success" => Ok(Self::Success),
            "failure" => Ok(Self::Failure),
            _ => Err(format!("unknown outcome {}, expected success or failure", quoted(text))),
        }
    }
}

impl FromText for SystemTime {
    const WHAT: &str = "an RFC 3339 time";

    fn from_text(text: &str) -> Result<Self, String> {
        time::parse(text).map_err(|reason| format!("{} {reason}", quoted(text)))
    }
}

/// The beginning of a text, as it may stand in a reason.
fn quoted(text: &str) -> String {
    const MOST: usize = 40;
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}
