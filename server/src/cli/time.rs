//! Times as people type them.

use std::str::FromStr;
use std::time::SystemTime;

use jiff::civil::Date;
use jiff::{Span, SpanRelativeTo, Timestamp, Unit};

const FORMS: &str = "2026-03-01T09:00:00Z, 2026-03-01, or so long ago: 90m, 2h, 7d";
const DEADLINES: &str = "2027-03-01T09:00:00Z, 2027-03-01, or so long from now: 12h, 90d";

/// A moment: a time, the start of a day in UTC, or so long before now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(pub SystemTime);

impl Moment {
    fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Self::of(at);
        }
        if text.parse::<Date>().is_ok()
            && let Ok(start) = format!("{text}T00:00:00Z").parse()
        {
            return Self::of(start);
        }
        let ago = text.parse::<Span>().ok().and_then(seconds);
        let then =
            ago.and_then(|seconds| now.checked_sub(Span::new().try_seconds(seconds).ok()?).ok());
        match then {
            Some(then) => Self::of(then),
            None => Err(format!("give {FORMS}")),
        }
    }

    fn of(at: Timestamp) -> Result<Self, String> {
        SystemTime::try_from(at).map(Self).map_err(|error| error.to_string())
    }
}

/// The seconds of a span that looks back. Months and years are of no certain length.
fn seconds(span: Span) -> Option<i64> {
    if span.get_months() != 0 || span.get_years() != 0 || span.is_negative() {
        return None;
    }
    let seconds = span.total((Unit::Second, SpanRelativeTo::days_are_24_hours())).ok()?;
    #[expect(clippy::cast_possible_truncation, reason = "a span is shorter than that")]
    Some(seconds as i64)
}

/// A time that something lasts until: a time, the start of a day in UTC, or so long from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline(pub SystemTime);

impl Deadline {
    fn parse(text: &str, now: Timestamp) -> Result<Self, String> {
        let in_future = text.parse::<Span>().ok().and_then(seconds);
        let then = in_future
            .and_then(|seconds| now.checked_add(Span::new().try_seconds(seconds).ok()?).ok());
        let end = match then {
            Some(then) => Moment::of(then),
            None => Moment::parse(text, now),
        };
        match end {
            Ok(end) if Ok(end) > Moment::of(now) => Ok(Self(end.0)),
            Ok(_) => Err(String::from("this time is past")),
            Err(_) => Err(format!("give {DEADLINES}")),
        }
    }
}

impl FromStr for Deadline {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, Timestamp::now())
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::parse(text, Timestamp::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_days_and_spans_are_moments() {
        let now: Timestamp = "2026-03-08T12:00:00Z".parse().unwrap();
        for (text, moment) in [
            ("2026-03-01T09:00:00Z", "2026-03-01T09:00:00Z"),
            ("2026-03-01T10:30:00.5+01:30", "2026-03-01T09:00:00.5Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z"),
            ("90m", "2026-03-08T10:30:00Z"),
            ("2h", "2026-03-08T10:00:00Z"),
            ("1h 30m", "2026-03-08T10:30:00Z"),
            ("7d", "2026-03-01T12:00:00Z"),
            ("2w", "2026-02-22T12:00:00Z"),
            ("0s", "2026-03-08T12:00:00Z"),
        ] {
            let expected: Timestamp = moment.parse().unwrap();
            assert_eq!(Moment::parse(text, now), Moment::of(expected), "{text}");
        }
        for wrong in
            ["", "7", "yesterday", "-2h", "2 months", "1y", "2026-02-30", "09:00", "999999999w"]
        {
            assert!(Moment::parse(wrong, now).is_err(), "{wrong}");
        }
    }

    #[test]
    fn deadlines_lie_ahead() {
        let now: Timestamp = "2026-03-08T12:00:00Z".parse().unwrap();
        for (text, end) in [
            ("2027-03-01T09:00:00Z", "2027-03-01T09:00:00Z"),
            ("2026-03-09", "2026-03-09T00:00:00Z"),
            ("12h", "2026-03-09T00:00:00Z"),
            ("90d", "2026-06-06T12:00:00Z"),
        ] {
            let expected = Moment::of(end.parse::<Timestamp>().unwrap()).unwrap().0;
            assert_eq!(Deadline::parse(text, now), Ok(Deadline(expected)), "{text}");
        }
        for wrong in ["", "2026-03-08T12:00:00Z", "2026-03-08", "0s", "-2h", "soon", "999999999w"] {
            assert!(Deadline::parse(wrong, now).is_err(), "{wrong}");
        }
    }
}
