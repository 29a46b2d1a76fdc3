//! What a replay found, for people and for programs.

use std::fmt::Display;
use std::io::{self, Write};
use std::time::{Duration, SystemTime};

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
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
    /// Which attempt that was, counted from 1: it orders locks of the same time.
    #[serde(skip)]
    pub attempt: u64,
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
            write_trimmed(&self.lock_table(), &mut to)?;
        }
        writeln!(to)?;
        write_trimmed(&self.total_table(taken), &mut to)
    }

    fn lock_table(&self) -> Table {
        let mut table = table();
        table.set_header(["locked at", "organization", "user", "factor", "failures", "refused"]);
        for row in &self.locks {
            table.add_row([
                rfc3339(row.at),
                row.org.to_string(),
                row.user.to_string(),
                row.factor.to_string(),
                row.failures.to_string(),
                row.refused.to_string(),
            ]);
        }
        align_right(&mut table, &[4, 5]);
        table
    }

    fn total_table(&self, taken: Duration) -> Table {
        let totals = &self.totals;
        let mut table = table();
        for (name, number) in [
            ("attempts", totals.attempts),
            ("granted", totals.granted),
            ("rejected", totals.rejected),
            ("refused", totals.refused),
            ("users locked", totals.locked),
            ("users tracked", totals.tracked),
            ("out of order", totals.out_of_order),
            ("bad lines", totals.bad_lines),
        ] {
            table.add_row([name, &number.to_string()]);
        }
        table.add_row(["time taken", &format!("{:.3} s", taken.as_secs_f64())]);
        table.add_row(["attempts per second", &per_second(totals.attempts, taken)]);
        align_right(&mut table, &[1]);
        table
    }
}

/// Columns two blanks apart, a line under the header, and nothing else.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-'));

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table
}

fn write_trimmed(table: &Table, mut to: impl Write) -> io::Result<()> {
    table.lines().try_for_each(|line| writeln!(to, "{}", line.trim_end()))
}

/// Columns are known to a table only once it has rows.
fn align_right(table: &mut Table, columns: &[usize]) {
    for column in columns {
        if let Some(column) = table.column_mut(*column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}

fn per_second(attempts: u64, taken: Duration) -> String {
    let nanoseconds = taken.as_nanos().max(1);
    let rate = u128::from(attempts).saturating_mul(1_000_000_000).checked_div(nanoseconds);
    rate.unwrap_or_default().to_string()
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
