//! Checkpoints in the file, and pruning what they cover.

use std::time::SystemTime;

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::journal::row::{sum_of_part, time_text};
use crate::journal::{Checkpoint, CheckpointId, CheckpointPart, Position};

/// How many events a slice of pruning removes.
const SLICE: i64 = 10_000;

pub(super) fn save_part(
    transaction: &Transaction<'_>,
    checkpoint: CheckpointId,
    part: &CheckpointPart,
) -> rusqlite::Result<()> {
    let (writer, begun) = (checkpoint.writer.cast_signed(), checkpoint.begun.cast_signed());
    transaction
        .prepare_cached("INSERT OR IGNORE INTO checkpoint VALUES (?1, ?2, NULL)")?
        .execute([writer, begun])?;
    transaction
        .prepare_cached("INSERT OR REPLACE INTO checkpoint_part VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![
            writer,
            begun,
            part.number,
            part.position.cast_signed(),
            part.state,
            sum_of_part(part),
        ])
        .map(drop)
}

/// Finishes a checkpoint if all its parts are there and no newer one is finished, and removes all
/// others: finished ones that are older, and those that nobody will finish.
pub(super) fn finish(
    transaction: &Transaction<'_>,
    checkpoint: CheckpointId,
    parts: u32,
) -> rusqlite::Result<()> {
    let (writer, begun) = (checkpoint.writer.cast_signed(), checkpoint.begun.cast_signed());
    let count: u32 = transaction.query_row(
        "SELECT count(*) FROM checkpoint_part WHERE writer = ?1 AND begun = ?2",
        [writer, begun],
        |row| row.get(0),
    )?;
    let newer: bool = transaction.query_row(
        "SELECT EXISTS (SELECT 1 FROM checkpoint WHERE parts IS NOT NULL AND begun > ?1)",
        [begun],
        |row| row.get(0),
    )?;
    if count != parts || newer {
        return Ok(());
    }
    transaction.execute(
        "UPDATE checkpoint SET parts = ?3 WHERE writer = ?1 AND begun = ?2",
        params![writer, begun, parts],
    )?;
    // One that another process is still writing is begun after this one, or not worth its end.
    for table in ["checkpoint_part", "checkpoint"] {
        transaction.execute(
            &format!("DELETE FROM {table} WHERE (writer, begun) <> (?1, ?2) AND begun <= ?2"),
            [writer, begun],
        )?;
    }
    Ok(())
}

/// The newest finished checkpoint; or where it was begun, and what is wrong with it.
type Newest = Option<Result<Checkpoint, (Position, String)>>;

pub(super) fn newest(snapshot: &Connection) -> rusqlite::Result<Newest> {
    let found: Option<(i64, i64, u32)> = snapshot
        .query_row(
            "SELECT writer, begun, parts FROM checkpoint WHERE parts IS NOT NULL
             ORDER BY begun DESC LIMIT 1",
            [],
            |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)),
        )
        .optional()?;
    let Some((writer, begun, count)) = found else { return Ok(None) };
    let mut statement = snapshot.prepare(
        "SELECT number, position, state, crc FROM checkpoint_part
         WHERE writer = ?1 AND begun = ?2 ORDER BY number",
    )?;
    let rows = statement.query_map([writer, begun], |row| {
        let position = row.get::<_, i64>(1)?.cast_unsigned();
        let part = CheckpointPart { number: row.get(0)?, position, state: row.get(2)? };
        Ok((part, row.get::<_, i64>(3)?))
    })?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let position = begun.cast_unsigned();
    let mut parts = Vec::with_capacity(rows.len());
    for (part, written) in rows {
        if sum_of_part(&part) != written {
            let cause = format!("part {} of the checkpoint is not what was written", part.number);
            return Ok(Some(Err((position, cause))));
        }
        parts.push(part);
    }
    if u32::try_from(parts.len()) != Ok(count) {
        return Ok(Some(Err((
            position,
            format!("the checkpoint has {} of {count} parts", parts.len()),
        ))));
    }
    Ok(Some(Ok(Checkpoint { position, parts })))
}

/// Removes a slice of the events before a time that the newest finished checkpoint covers: only
/// from the beginning on, so that what is left has no gap.
pub(super) fn prune_slice(
    transaction: &Transaction<'_>,
    before: SystemTime,
) -> rusqlite::Result<u64> {
    let (pruned, covered): (i64, Option<i64>) = transaction.query_row(
        "SELECT pruned, (SELECT max(begun) FROM checkpoint WHERE parts IS NOT NULL) FROM journal",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let up_to = covered.unwrap_or(0).min(pruned.saturating_add(SLICE));
    let first_kept: Option<i64> = transaction
        .query_row(
            "SELECT position FROM event WHERE position > ?1 AND position <= ?2 AND at >= ?3
             ORDER BY position LIMIT 1",
            params![pruned, up_to, time_text(before)],
            |row| row.get(0),
        )
        .optional()?;
    let last = first_kept.map_or(up_to, |first| first.saturating_sub(1));
    if last <= pruned {
        return Ok(0);
    }
    let removed = transaction.execute("DELETE FROM event WHERE position <= ?1", [last])?;
    transaction.execute("UPDATE journal SET pruned = ?1", [last])?;
    Ok(u64::try_from(removed).unwrap_or(u64::MAX))
}
