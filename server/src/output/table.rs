//! Tables: columns two blanks apart, a line under the header, and nothing else.

use std::io::{self, Write};

use comfy_table::{CellAlignment, ColumnConstraint, LineStyle, Table, TableStyle, Width};

const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('-').junction('-'));

/// So many rows are one table in memory. All rows of a long report in one would take many times the
/// memory of the report itself.
pub(crate) const BLOCK: usize = 1_000;

/// The columns of a table that is written in blocks of rows.
#[derive(Debug)]
pub(crate) struct Columns<const N: usize> {
    header: [&'static str; N],
    /// Those whose cells are numbers.
    right: &'static [usize],
    widths: [u16; N],
    is_headed: bool,
}

impl<const N: usize> Columns<N> {
    pub(crate) fn new(header: [&'static str; N], right: &'static [usize]) -> Self {
        let mut columns = Self { header, right, widths: [0; N], is_headed: false };
        columns.measure([]);
        columns
    }

    /// Makes room for rows that are yet to come.
    pub(crate) fn measure(&mut self, rows: impl IntoIterator<Item = [String; N]>) {
        let mut table = table();
        table.set_header(self.header).add_rows(rows);
        self.make_room(&table);
    }

    /// Writes a block of rows under the one before.
    pub(crate) fn write(
        &mut self,
        rows: impl IntoIterator<Item = [String; N]>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let mut table = table();
        if !self.is_headed {
            self.is_headed = true;
            table.set_header(self.header);
        }
        table.add_rows(rows);
        self.make_room(&table);
        for (column, width) in table.column_iter_mut().zip(self.widths) {
            // What a table calls width includes the blank on either side.
            let width = Width::Fixed(width.saturating_add(2));
            column.set_constraint(ColumnConstraint::Absolute(width));
        }
        align_right(&mut table, self.right);
        write_trimmed(&table, to)
    }

    /// Writes rows in blocks that all have the same widths.
    pub(crate) fn write_all<T>(
        mut self,
        items: &[T],
        row: impl Fn(&T) -> [String; N],
        to: &mut dyn Write,
    ) -> io::Result<()> {
        for block in items.chunks(BLOCK) {
            self.measure(block.iter().map(&row));
        }
        for block in items.chunks(BLOCK) {
            self.write(block.iter().map(&row), to)?;
        }
        Ok(())
    }

    fn make_room(&mut self, table: &Table) {
        for (width, needed) in self.widths.iter_mut().zip(table.column_max_content_widths()) {
            *width = needed.max(*width);
        }
    }
}

/// Writes names and values under each other.
pub(crate) fn write_fields(
    fields: impl IntoIterator<Item = (impl Into<String>, String)>,
    to: &mut dyn Write,
) -> io::Result<()> {
    write_trimmed(&field_table(fields), to)
}

/// The same, where the values are numbers.
pub(crate) fn write_numbers(
    fields: impl IntoIterator<Item = (impl Into<String>, String)>,
    to: &mut dyn Write,
) -> io::Result<()> {
    let mut table = field_table(fields);
    align_right(&mut table, &[1]);
    write_trimmed(&table, to)
}

fn field_table(fields: impl IntoIterator<Item = (impl Into<String>, String)>) -> Table {
    let mut table = table();
    table.add_rows(fields.into_iter().map(|(name, value)| [name.into(), value]));
    table
}

fn table() -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table
}

fn write_trimmed(table: &Table, to: &mut dyn Write) -> io::Result<()> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_blocks_look_like_one_table() {
        const HEADER: [&str; 2] = ["user", "failures"];
        let numbers: Vec<usize> = (0..=2 * BLOCK).collect();
        let row = |number: &usize| [format!("user{}", number * number), number.to_string()];
        let mut text = Vec::new();
        Columns::new(HEADER, &[1]).write_all(&numbers, row, &mut text).unwrap();
        let text = String::from_utf8(text).unwrap();

        let mut whole = table();
        whole.set_header(HEADER).add_rows(numbers.iter().map(row));
        align_right(&mut whole, &[1]);
        let whole: Vec<_> = whole.lines().map(|line| line.trim_end().to_owned()).collect();
        assert!(text.lines().eq(whole), "{text}");
    }
}
