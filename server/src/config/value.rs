//! The values that settings take, and how each is written.

mod proxies;

use std::ffi::OsString;
use std::fmt::Display;
use std::net::SocketAddr;
use std::num::NonZero;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use jiff::SignedDuration;
use portcullis::{InstanceId, OrgId};
use tracing::level_filters::LevelFilter;

use crate::api::attempts::NodeName;
use crate::oidc::IssuerUrl;
use crate::place::{Place, without_password};
pub use proxies::{ForwardedHeader, Networks};

/// A value of a setting.
pub trait Value: Sized {
    /// Whether a flag without a value says `true`.
    const IS_SWITCH: bool = false;

    /// Reads it. The error goes on after the text: "is no number: …".
    ///
    /// # Errors
    ///
    /// What the text is not.
    fn parse(text: &str) -> Result<Self, String>;

    /// The text as it may be shown.
    #[must_use]
    fn shown(text: &str) -> String {
        String::from(text)
    }

    /// The value if nothing is set; `None` if something must be.
    #[must_use]
    fn unset() -> Option<Self> {
        None
    }
}

impl<T: Value> Value for Option<T> {
    fn parse(text: &str) -> Result<Self, String> {
        T::parse(text).map(Some)
    }

    fn shown(text: &str) -> String {
        T::shown(text)
    }

    fn unset() -> Option<Self> {
        Some(None)
    }
}

fn parse<T: FromStr<Err: Display>>(text: &str, what: &str) -> Result<T, String> {
    text.parse().map_err(|error| format!("is no {what}: {error}"))
}

impl Value for PathBuf {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err(String::from("names no file")),
            path => Ok(path.into()),
        }
    }
}

impl Value for Place {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err(String::from("names no file and no database")),
            place => Ok(OsString::from(place).into()),
        }
    }

    fn shown(text: &str) -> String {
        without_password(text)
    }
}

impl Value for InstanceId {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "instance")
    }
}

impl Value for NodeName {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "name of a node")
    }
}

impl Value for OrgId {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "organization")
    }
}

impl Value for IssuerUrl {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "issuer")
    }
}

impl Value for String {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "" => Err(Self::from("is empty")),
            text => Ok(text.into()),
        }
    }
}

impl Value for u32 {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "limit")
    }
}

impl Value for bool {
    const IS_SWITCH: bool = true;

    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "choice")
    }
}

impl Value for SocketAddr {
    fn parse(text: &str) -> Result<Self, String> {
        let example = "give an IP address and a port, as in 0.0.0.0:8080 or [::1]:8080";
        parse(text, "address to listen on").map_err(|why| format!("{why}; {example}"))
    }
}

/// How many, at least one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count(pub NonZero<usize>);

impl Value for Count {
    fn parse(text: &str) -> Result<Self, String> {
        parse(text, "number above 0").map(Self)
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size(pub u64);

impl Value for Size {
    fn parse(text: &str) -> Result<Self, String> {
        let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)];
        let unit = units.iter().find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
        let (number, bytes) = unit.unwrap_or((text, 1_u64));
        let number: Option<u64> = number.trim_end().parse().ok();
        let size = number.and_then(|number| number.checked_mul(bytes));
        size.map(Self).ok_or_else(|| {
            String::from("is no size: give bytes, as in 65536, or a unit, as in 64KiB or 1MiB")
        })
    }
}

/// The largest head of a request, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderSize(pub u32);

impl Value for HeaderSize {
    fn parse(text: &str) -> Result<Self, String> {
        // Beneath the least one HTTP does not work, and above the most one a client could have the
        // server run out of memory.
        let (least, most) = (8 << 10, 16 << 20);
        let size = u32::try_from(Size::parse(text)?.0).ok();
        let size = size.filter(|size| (least..=most).contains(size));
        size.map(Self).ok_or_else(|| String::from("is not between 8KiB and 16MiB"))
    }
}

impl Value for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || {
            String::from("is no time: give seconds, as in 30, or a unit, as in 500ms, 30s or 2m")
        };
        if let Ok(seconds) = text.parse() {
            return Ok(Self::from_secs(seconds));
        }
        let time: SignedDuration = text.parse().map_err(|_| wrong())?;
        Self::try_from(time).map_err(|_| wrong())
    }
}

/// A time to wait, above 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeout(pub Duration);

impl Value for Timeout {
    fn parse(text: &str) -> Result<Self, String> {
        match Duration::parse(text)? {
            Duration::ZERO => Err(String::from("leaves no time at all")),
            time => Ok(Self(time)),
        }
    }
}

/// The form of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Lines for people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Value for LogFormat {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(String::from("is no form of a log: text or json")),
        }
    }
}

/// What is logged: this and what is worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LogLevel(pub LevelFilter);

impl Value for LogLevel {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "error" => Ok(Self(LevelFilter::ERROR)),
            "warn" => Ok(Self(LevelFilter::WARN)),
            "info" => Ok(Self(LevelFilter::INFO)),
            "debug" => Ok(Self(LevelFilter::DEBUG)),
            "trace" => Ok(Self(LevelFilter::TRACE)),
            _ => Err(String::from("is no level: error, warn, info, debug or trace")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_bytes_or_have_a_unit() {
        for (text, bytes) in [("0", 0), ("65536", 65_536), ("64KiB", 65_536), ("1 MiB", 1 << 20)] {
            assert_eq!(Size::parse(text), Ok(Size(bytes)));
        }
        for wrong in ["", "KiB", "-1", "1.5MiB", "1MB", "99999999999GiB", "1 kib"] {
            assert!(Size::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_head_is_neither_tiny_nor_huge() {
        assert_eq!(HeaderSize::parse("8KiB"), Ok(HeaderSize(8 << 10)));
        for wrong in ["8191", "17MiB", "5GiB", "large"] {
            assert!(HeaderSize::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        for (text, millis) in
            [("30", 30_000), ("500ms", 500), ("2m", 120_000), ("1h 5s", 3_605_000)]
        {
            assert_eq!(Duration::parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "soon", "-1s", "1.5", "5 parsecs"] {
            assert!(Duration::parse(wrong).is_err(), "{wrong}");
        }
        assert!(Timeout::parse("0s").is_err());
        assert_eq!(Duration::parse("0"), Ok(Duration::ZERO));
    }
}
