//! A report as tables: columns two blanks apart, a line under the header, and nothing else.

use std::io::{self, Write};
use std::time::Duration;

use comfy_table::{CellAlignment, ColumnConstraint, LineStyle, Table, TableStyle, Width};

use super::{LockRow, Totals, rfc3339};

const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-'));

const HEADER: [&str; 6] = ["locked at", "organization", "user", "factor", "failures", "refused"];

/// So many locks are one table in memory. All of them in one would take many times the memory of
/// the whole replay.
const BLOCK: usize = 1_000;

pub(super) fn write_locks(locks: &[LockRow], mut to: impl Write) -> io::Result<()> {
    let mut widths = [0; HEADER.len()];
    for block in blocks(locks) {
        for (width, needed) in widths.iter_mut().zip(block.column_max_content_widths()) {
            *width = needed.max(*width);
        }
    }
    for mut block in blocks(locks) {
        for (column, width) in block.column_iter_mut().zip(widths) {
            // What a table calls width includes the blank on either side.
            let width = Width::Fixed(width.saturating_add(2));
            column.set_constraint(ColumnConstraint::Absolute(width));
        }
        write_trimmed(&block, &mut to)?;
    }
    Ok(())
}

/// The locks as tables that belong under each other: only the first has a header.
fn blocks(locks: &[LockRow]) -> impl Iterator<Item = Table> {
    locks.chunks(BLOCK).enumerate().map(|(number, locks)| {
        let mut table = table();
        if number == 0 {
            table.set_header(HEADER);
        }
        for lock in locks {
            table.add_row([
                rfc3339(lock.at),
                lock.org.to_string(),
                lock.user.to_string(),
                lock.factor.to_string(),
                lock.failures.to_string(),
                lock.refused.to_string(),
            ]);
        }
        align_right(&mut table, &[4, 5]);
        table
    })
}

pub(super) fn write_totals(totals: &Totals, taken: Duration, to: impl Write) -> io::Result<()> {
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
    write_trimmed(&table, to)
}

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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use portcullis::Factor;

    use super::*;

    #[test]
    fn many_blocks_look_like_one_table() {
        let lock = |number: usize| LockRow {
            at: SystemTime::UNIX_EPOCH,
            org: "acme".parse().unwrap(),
            user: format!("user{}", number * number).parse().unwrap(),
            factor: Factor::Password,
            failures: 5,
            refused: 7,
        };
        let locks: Vec<_> = (0..=2 * BLOCK).map(lock).collect();
        let mut text = Vec::new();
        write_locks(&locks, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();

        let mut whole = table();
        whole.set_header(HEADER);
        for table in blocks(&locks) {
            whole.add_rows(table.row_iter().cloned());
        }
        align_right(&mut whole, &[4, 5]);
        let whole: Vec<_> = whole.lines().map(|line| line.trim_end().to_owned()).collect();
        assert!(text.lines().eq(whole), "{text}");
    }
}
