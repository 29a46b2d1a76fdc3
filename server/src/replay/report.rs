//! What a replay found, for people and for programs.

mod table;

use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;
use portcullis::{Factor, OrgId, UserId};
use serde::{Serialize, Serializer};

/// What a replay found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every lock, in order of time.
    pub locks: Vec<LockRow>,
    /// The sums.
    pub totals: Totals,
}

/// One lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LockRow {
    /// The time of the attempt that locked.
    #[serde(serialize_with = "as_time")]
    pub at: SystemTime,
    /// The user's organization.
    #[serde(serialize_with = "as_text")]
    pub org: OrgId,
    /// Who was locked.
    #[serde(serialize_with = "as_text")]
    pub user: UserId,
    /// Whose failures locked.
    #[serde(serialize_with = "as_text")]
    pub factor: Factor,
    /// How many they were.
    pub failures: u32,
    /// How many later attempts the lock refused.
    pub refused: u64,
}

/// Sums over all attempts. `attempts` is the sum of `granted`, `rejected` and `refused`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Totals {
    /// Attempts that were run.
    pub attempts: u64,
    /// Successes that let their user in.
    pub granted: u64,
    /// Failures that were counted.
    pub rejected: u64,
    /// Attempts that came to no check.
    pub refused: u64,
    /// Users locked at the end.
    pub locked: u64,
    /// Users tracked at the end.
    pub tracked: u64,
    /// Attempts that were earlier than one before them.
    pub out_of_order: u64,
    /// Lines that were no attempts.
    pub bad_lines: u64,
}

impl Report {
    /// Writes the report as one JSON object on a line.
    ///
    /// # Errors
    ///
    /// If writing fails.
    pub fn write_json(&self, mut to: impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut to, self)?;
        writeln!(to)
    }

    /// Writes the report as tables.
    ///
    /// # Errors
    ///
    /// If writing fails.
    pub fn write_table(&self, taken: Duration, mut to: impl Write) -> io::Result<()> {
        if self.locks.is_empty() {
            writeln!(to, "No user was locked.")?;
        } else {
            table::write_locks(&self.locks, &mut to)?;
        }
        writeln!(to)?;
        table::write_totals(&self.totals, taken, &mut to)
    }
}

/// A time as RFC 3339 has it, in UTC.
fn rfc3339(at: SystemTime) -> String {
    match Timestamp::try_from(at) {
        Ok(at) => at.to_string(),
        // Never, as every time came out of a timestamp.
        Err(_) => format!("{at:?}"),
    }
}

fn as_time<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&rfc3339(*at))
}

fn as_text<S: Serializer>(value: &impl Display, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
