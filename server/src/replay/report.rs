//! What a replay found, for people and for programs.

use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use portcullis::{Factor, OrgId, UserId};
use serde::Serialize;

use crate::output::json::{self, as_text, as_time};
use crate::output::rfc3339;
use crate::output::table::{Columns, write_numbers};

/// What a replay found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Every lock, in order of time.
    pub locks: Vec<LockRow>,
    /// The sums.
    pub totals: Totals,
    /// Whether attempts may be missing, as they are in a journal's trail.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub lower_bound: bool,
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
    pub fn write_json(&self, to: &mut dyn Write) -> io::Result<()> {
        json::write(self, to)
    }

    /// Writes the report as tables.
    ///
    /// # Errors
    ///
    /// If writing fails.
    pub fn write_table(&self, taken: Duration, to: &mut dyn Write) -> io::Result<()> {
        if self.locks.is_empty() {
            writeln!(to, "No user was locked.")?;
        } else {
            Columns::new(HEADER, &[4, 5]).write_all(&self.locks, LockRow::cells, to)?;
        }
        writeln!(to)?;
        self.totals.write_table(taken, to)?;
        if self.lower_bound {
            write!(to, "\n{LOWER_BOUND}")?;
        }
        Ok(())
    }
}

const LOWER_BOUND: &str = "\
A trail has neither clean successes nor refused attempts: under a policy that is milder than the one
that was in force, this is a lower bound.
";

const HEADER: [&str; 6] = ["locked at", "organization", "user", "factor", "failures", "refused"];

impl LockRow {
    fn cells(&self) -> [String; 6] {
        [
            rfc3339(self.at),
            self.org.to_string(),
            self.user.to_string(),
            self.factor.to_string(),
            self.failures.to_string(),
            self.refused.to_string(),
        ]
    }
}

impl Totals {
    fn write_table(&self, taken: Duration, to: &mut dyn Write) -> io::Result<()> {
        let fields = [
            ("attempts", self.attempts),
            ("granted", self.granted),
            ("rejected", self.rejected),
            ("refused", self.refused),
            ("users locked", self.locked),
            ("users tracked", self.tracked),
            ("out of order", self.out_of_order),
            ("bad lines", self.bad_lines),
        ];
        let fields = fields.into_iter().map(|(name, number)| (name, number.to_string()));
        let timing = [
            ("time taken", format!("{:.3} s", taken.as_secs_f64())),
            ("attempts per second", per_second(self.attempts, taken)),
        ];
        write_numbers(fields.chain(timing), to)
    }
}

fn per_second(attempts: u64, taken: Duration) -> String {
    let nanoseconds = taken.as_nanos().max(1);
    let rate = u128::from(attempts).saturating_mul(1_000_000_000).checked_div(nanoseconds);
    rate.unwrap_or_default().to_string()
}
