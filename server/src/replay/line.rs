//! One line of the input: a JSON object that becomes an attempt, or the reason why it does not.
//!
//! `line/json.rs` reads any object, `line/plain.rs` most of them faster; what a value may be is
//! said once, in `line/text.rs`.

mod json;
mod plain;
mod text;
mod time;

use std::fmt;
use std::str;
use std::time::SystemTime;

use portcullis::{Factor, OrgId, UserId};

/// An attempt as a line tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When it was made.
    pub at: SystemTime,
    /// The organization that it names.
    pub org: OrgId,
    /// Whose factor was checked.
    pub user: UserId,
    /// What was checked.
    pub factor: Factor,
    /// What came of the check.
    pub outcome: Outcome,
}

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The secret was right.
    Success,
    /// The secret was wrong.
    Failure,
}

/// Why a line is no attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// Where reading stopped: the last byte of what is wrong, counted from 1.
    pub column: usize,
    /// What is wrong. It holds no control characters, whatever the line holds.
    pub reason: String,
}

/// More of a reason than this is noise: a part of it may come from the line.
const MAX_REASON_CHARACTERS: usize = 300;

impl BadLine {
    pub(crate) fn new(column: usize, reason: &str) -> Self {
        let mut shown = String::with_capacity(reason.len().min(MAX_REASON_CHARACTERS));
        for (index, character) in reason.chars().enumerate() {
            if index == MAX_REASON_CHARACTERS {
                shown.push('…');
                break;
            }
            match character {
                '"' | '\'' | '\\' => shown.push(character),
                // A terminal must not obey what a line says.
                _ => shown.extend(character.escape_debug()),
            }
        }
        Self { column: column.max(1), reason: shown }
    }
}

impl fmt::Display for BadLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.reason)
    }
}

impl std::error::Error for BadLine {}

impl From<serde_json::Error> for BadLine {
    fn from(error: serde_json::Error) -> Self {
        let (line, column) = (error.line(), error.column());
        let text = error.to_string();
        let place = format!(" at line {line} column {column}");
        Self::new(column, text.strip_suffix(&place).unwrap_or(&text))
    }
}

/// Reads one line, given without its end.
///
/// # Errors
///
/// If it is no such object as a trace consists of.
pub fn parse(line: &[u8]) -> Result<Attempt, BadLine> {
    // Here, once: the JSON reader would pass over bad bytes in fields that are ignored.
    let text = str::from_utf8(line).map_err(|error| {
        BadLine::new(error.valid_up_to().saturating_add(1), "the text is not UTF-8")
    })?;
    match plain::parse(text) {
        Some(attempt) => Ok(attempt),
        None => Ok(serde_json::from_str(text)?),
    }
}

/// The fields that have been read.
#[derive(Default)]
struct Fields {
    at: Option<SystemTime>,
    org: Option<OrgId>,
    user: Option<UserId>,
    factor: Option<Factor>,
    outcome: Option<Outcome>,
}

impl Fields {
    /// The attempt, or the name of a field that it lacks.
    fn attempt(self) -> Result<Attempt, &'static str> {
        Ok(Attempt {
            at: self.at.ok_or("at")?,
            org: self.org.ok_or("org")?,
            user: self.user.ok_or("user")?,
            factor: self.factor.ok_or("factor")?,
            outcome: self.outcome.ok_or("outcome")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bad(line: &str) -> String {
        parse(line.as_bytes()).unwrap_err().to_string()
    }

    #[test]
    fn a_line_becomes_an_attempt_whatever_its_order_blanks_and_escapes() {
        let plain = r#"{"at":"1970-01-01T00:00:01Z","org":"acme","user":"ada","factor":"totp","outcome":"failure"}"#;
        let attempt = parse(plain.as_bytes()).unwrap();
        assert_eq!(attempt.at, SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1));
        assert_eq!((attempt.org.as_str(), attempt.user.as_str()), ("acme", "ada"));
        assert_eq!((attempt.factor, attempt.outcome), (Factor::Totp, Outcome::Failure));
        for same in [
            r#" { "n" : [1, {"at": null}], "outcome":"failure" , "factor":"totp", "user":"ada", "org":"acme","at":"1970-01-01T00:00:01Z" } "#,
            r#"{"\u0061t":"1970-01-01T00:00:01Z","org":"a\u0063me","user":"ada","factor":"totp","outcome":"failure"}"#,
            "{\"source\":\"\",\t\"at\":\"1970-01-01T01:00:01+01:00\",\"org\":\"acme\",\"user\":\"ada\",\"factor\":\"totp\",\"outcome\":\"failure\"}\r",
        ] {
            assert_eq!(parse(same.as_bytes()).as_ref(), Ok(&attempt), "{same}");
        }
    }

    #[test]
    fn a_bad_line_tells_column_and_reason() {
        for (line, answer) in [
            (r"{", "column 1: EOF while parsing an object"),
            (r"5", "column 1: invalid type: integer `5`, expected an object that tells an attempt"),
            (
                r#"["a"]"#,
                "column 1: invalid type: sequence, expected an object that tells an attempt",
            ),
            (r#"{"org":"acme"}"#, "column 14: missing field `at`"),
            (r#"{"org":""}"#, "column 9: invalid organization id: an id must not be empty"),
            (
                r#"{"user":" a"}"#,
                "column 12: invalid user id: an id must not start or end with white space",
            ),
            (r#"{"user":7}"#, "column 9: invalid type: integer `7`, expected a user id"),
            (
                r#"{"outcome":"maybe"}"#,
                r#"column 18: unknown outcome "maybe", expected success or failure"#,
            ),
            (
                r#"{"factor":"fax"}"#,
                r#"column 15: unknown factor "fax", expected one of password, totp, otp_sms, otp_email, recovery_code"#,
            ),
            (r#"{"at":"today"}"#, r#"column 13: "today" is no RFC 3339 time"#),
            (r#"{"x":1,}"#, "column 8: trailing comma"),
        ] {
            assert_eq!(bad(line), answer, "{line}");
        }
        let twice = r#"{"org":"a","org":"a"}"#;
        assert!(bad(twice).ends_with("duplicate field `org`"), "{}", bad(twice));
        let after = parse(br#"{"at":"1970-01-01T00:00:01Z","org":"a","user":"a","factor":"totp","outcome":"failure"}{}"#);
        assert!(after.unwrap_err().reason.contains("trailing characters"));
    }

    #[test]
    fn bad_bytes_are_found_in_ignored_fields_too() {
        let answer = parse(b"{\"source\":\"\xff\"}").unwrap_err();
        assert_eq!(answer.to_string(), "column 12: the text is not UTF-8");
    }

    #[test]
    fn a_reason_is_short_and_safe_to_show() {
        let long = format!(r#"{{"outcome":"\u001b[2J{}"}}"#, "x".repeat(10_000));
        let reason = parse(long.as_bytes()).unwrap_err().reason;
        assert!(reason.chars().count() <= MAX_REASON_CHARACTERS + 1, "{reason}");
        assert!(!reason.contains(char::is_control), "{reason}");
        let shown = BadLine::new(0, "\u{1b}[2J \"a\" \u{202e}");
        assert_eq!(shown.to_string(), r#"column 1: \u{1b}[2J "a" \u{202e}"#);
    }
}
