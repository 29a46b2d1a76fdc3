//! Events as rows of the file: written and read.

use std::borrow::Cow;
use std::fmt::Display;

use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::event::Recorded;
use crate::journal::row::{Columns, Reading, founded};
use crate::journal::{Batch, JournalError, Position};

pub(super) fn head(connection: &Connection) -> rusqlite::Result<Position> {
    let mut statement = connection.prepare_cached("SELECT position FROM journal")?;
    statement.query_row([], |row| row.get::<_, i64>(0)).map(i64::cast_unsigned)
}

pub(super) fn instance(connection: &Connection) -> rusqlite::Result<Option<String>> {
    connection.query_row("SELECT instance FROM journal", [], |row| row.get(0))
}

/// Writes durably and changes nothing.
pub(super) fn touch_head(connection: &rusqlite::Transaction<'_>) -> rusqlite::Result<()> {
    connection.execute("UPDATE journal SET position = position", []).map(drop)
}

/// Inserts a batch and moves the head.
pub(super) fn insert(connection: &Connection, batch: &Batch) -> rusqlite::Result<Position> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO event (position, at, actor, type, aggregate, id, org, sequence, payload, writer, batch, crc)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
    )?;
    let mut last = 0;
    for recorded in &batch.events {
        let it = Columns::of(recorded, batch);
        let sum = it.sum();
        statement.execute(params![
            it.position,
            it.at,
            it.actor,
            it.type_name,
            it.aggregate,
            it.id,
            it.org,
            it.sequence,
            it.payload,
            it.writer,
            it.batch,
            sum,
        ])?;
        last = recorded.position;
    }
    connection.prepare_cached("UPDATE journal SET position = ?1")?.execute([last.cast_signed()])?;
    if batch.events.first().is_some_and(|first| first.position == 1)
        && let Some(instance) = founded(batch)
    {
        connection.execute("UPDATE journal SET instance = ?1", [instance.as_str()])?;
    }
    Ok(last)
}

/// The last position of a batch, if it is what follows the expected head.
pub(super) fn find_batch(
    connection: &Connection,
    expected: Position,
    batch: &Batch,
) -> rusqlite::Result<Option<Position>> {
    let identity: Option<(i64, i64)> = connection
        .query_row(
            "SELECT writer, batch FROM event WHERE position = ?1",
            [expected.saturating_add(1).cast_signed()],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    let same = identity == Some((batch.writer.cast_signed(), batch.number.cast_signed()));
    Ok(if same { batch.events.last().map(|event| event.position) } else { None })
}

/// The events after a position, or why the journal has none such.
pub(super) fn read_after(
    connection: &Connection,
    journal: &impl Display,
    after: Position,
    limit: usize,
) -> rusqlite::Result<Result<Vec<Recorded>, JournalError>> {
    let (head, pruned) = connection
        .prepare_cached("SELECT position, pruned FROM journal")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let sound = |columns: &Columns<'_>, sum| columns.sum() == sum;
    let mut reading = match Reading::begin(journal, after, pruned.cast_unsigned(), sound) {
        Ok(reading) => reading,
        Err(pruned) => return Ok(Err(pruned)),
    };
    let mut statement = connection.prepare_cached(
        "SELECT position, at, actor, type, aggregate, id, org, sequence, payload, writer, batch, crc
         FROM event WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut rows = statement.query([after.cast_signed(), most])?;
    while let Some(row) = rows.next()? {
        if let Err(corrupt) = reading.take(&columns(row)?, row.get(11)?) {
            return Ok(Err(corrupt));
        }
    }
    Ok(reading.end(head.cast_unsigned(), limit))
}

/// The next event after a position and up to another that is no check, and up to which position events
/// were pruned. The condition is that of the index `event_but_checks`, word for word, or it is not used.
pub(super) fn next_change(
    connection: &Connection,
    after: Position,
    up_to: Position,
) -> rusqlite::Result<(Option<Position>, Position)> {
    connection
        .prepare_cached(
            "SELECT (SELECT position FROM event INDEXED BY event_but_checks
                     WHERE position > ?1 AND position <= ?2 AND instr(type, '.check.') = 0
                     ORDER BY position LIMIT 1),
                    pruned FROM journal",
        )?
        .query_row([after.cast_signed(), up_to.cast_signed()], |row| {
            let next: Option<i64> = row.get(0)?;
            Ok((next.map(i64::cast_unsigned), row.get::<_, i64>(1)?.cast_unsigned()))
        })
}

fn columns<'r>(row: &'r Row<'_>) -> rusqlite::Result<Columns<'r>> {
    let text = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str()?);
    let text_or_none = |column| Ok::<_, rusqlite::Error>(row.get_ref(column)?.as_str_or_null()?);
    Ok(Columns {
        position: row.get(0)?,
        at: Cow::Borrowed(text(1)?),
        actor: text(2)?,
        type_name: text(3)?,
        aggregate: text(4)?,
        id: text(5)?,
        org: text_or_none(6)?,
        sequence: row.get(7)?,
        payload: text_or_none(8)?.map(Cow::Borrowed),
        writer: row.get(9)?,
        batch: row.get(10)?,
    })
}
