//! Events as rows: written, read, and checked against their own sums.

use std::path::Path;
use std::time::SystemTime;

use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension, Row, params};

use super::{founded, schema};
use crate::event::{Aggregate, Event, Recorded};
use crate::id::{Actor, InstanceId, OrgId, UserId};
use crate::journal::{Batch, JournalError, Position};

/// The columns of an event, as they are written and read.
struct Columns {
    position: i64,
    at: String,
    actor: String,
    type_name: String,
    aggregate: String,
    id: String,
    org: Option<String>,
    sequence: i64,
    payload: Option<String>,
    writer: i64,
    batch: i64,
}

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
            it.sum(),
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

/// What a reading found: rows, and what they must fit.
pub(super) struct Found {
    rows: Vec<(Columns, i64)>,
    head: Position,
    pruned: Position,
    all: bool,
}

pub(super) fn read_after(
    connection: &Connection,
    after: Position,
    limit: usize,
) -> rusqlite::Result<Found> {
    let (head, pruned) = connection
        .prepare_cached("SELECT position, pruned FROM journal")?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?)))?;
    let mut statement = connection.prepare_cached(
        "SELECT position, at, actor, type, aggregate, id, org, sequence, payload, writer, batch, crc
         FROM event WHERE position > ?1 ORDER BY position LIMIT ?2",
    )?;
    let most = i64::try_from(limit).unwrap_or(i64::MAX);
    let rows = statement.query_map([after.cast_signed(), most], Columns::from_row)?;
    let rows = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    let all = rows.len() < limit;
    Ok(Found { rows, head: head.cast_unsigned(), pruned: pruned.cast_unsigned(), all })
}

impl Found {
    /// What there is where there is no file.
    pub(super) fn nothing(after: Position) -> Self {
        Self { rows: Vec::new(), head: after, pruned: 0, all: true }
    }

    /// The events, if they are all that should be there.
    pub(super) fn events(
        self,
        file: &Path,
        after: Position,
    ) -> Result<Vec<Recorded>, JournalError> {
        if after < self.pruned {
            return Err(JournalError::Pruned { oldest: self.pruned.saturating_add(1) });
        }
        let mut events = Vec::with_capacity(self.rows.len());
        let mut expected = after;
        for (columns, sum) in self.rows {
            expected = expected.saturating_add(1);
            let position = columns.position.cast_unsigned();
            if position != expected {
                let cause = format!("the event is missing; the next one there is {position}");
                return Err(schema::corrupt(file, expected, &cause));
            }
            if columns.sum() != sum {
                let cause = "the event is not what was written: its checksum differs";
                return Err(schema::corrupt(file, position, &cause));
            }
            let recorded = columns.recorded();
            events.push(recorded.map_err(|cause| schema::corrupt(file, position, &cause))?);
        }
        if self.all && expected < self.head {
            let cause = format!("the events up to {} are missing", self.head);
            return Err(schema::corrupt(file, expected.saturating_add(1), &cause));
        }
        Ok(events)
    }
}

impl Columns {
    fn of(recorded: &Recorded, batch: &Batch) -> Self {
        let (aggregate, id, org) = match &recorded.aggregate {
            Aggregate::Instance(instance) => ("instance", instance.to_string(), None),
            Aggregate::Org(org) => ("org", org.to_string(), None),
            Aggregate::User { org, user } => ("user", user.to_string(), Some(org.to_string())),
        };
        Self {
            position: recorded.position.cast_signed(),
            at: time_text(recorded.at),
            actor: recorded.actor.to_string(),
            type_name: String::from(recorded.event.type_name()),
            aggregate: String::from(aggregate),
            id,
            org,
            sequence: recorded.sequence.cast_signed(),
            payload: recorded.event.payload(),
            writer: batch.writer.cast_signed(),
            batch: batch.number.cast_signed(),
        }
    }

    fn from_row(row: &Row<'_>) -> rusqlite::Result<(Self, i64)> {
        let columns = Self {
            position: row.get(0)?,
            at: row.get(1)?,
            actor: row.get(2)?,
            type_name: row.get(3)?,
            aggregate: row.get(4)?,
            id: row.get(5)?,
            org: row.get(6)?,
            sequence: row.get(7)?,
            payload: row.get(8)?,
            writer: row.get(9)?,
            batch: row.get(10)?,
        };
        Ok((columns, row.get(11)?))
    }

    /// A checksum of the whole row. An absent text is not an empty one.
    fn sum(&self) -> i64 {
        let mut hasher = crc32fast::Hasher::new();
        for number in [self.position, self.sequence, self.writer, self.batch] {
            hasher.update(&number.to_le_bytes());
        }
        let texts = [&self.at, &self.actor, &self.type_name, &self.aggregate, &self.id];
        for text in texts.into_iter().map(Some).chain([self.org.as_ref(), self.payload.as_ref()]) {
            hasher.update(&[u8::from(text.is_some())]);
            hasher.update(text.map_or("", String::as_str).as_bytes());
            hasher.update(&[0xff]);
        }
        i64::from(hasher.finalize())
    }

    fn recorded(self) -> Result<Recorded, String> {
        let text = |error: crate::InvalidId| error.to_string();
        let aggregate = match (self.aggregate.as_str(), self.org) {
            ("instance", None) => Aggregate::Instance(InstanceId::try_from(self.id).map_err(text)?),
            ("org", None) => Aggregate::Org(OrgId::try_from(self.id).map_err(text)?),
            ("user", Some(org)) => Aggregate::User {
                org: OrgId::try_from(org).map_err(text)?,
                user: UserId::try_from(self.id).map_err(text)?,
            },
            (other, _) => {
                return Err(format!("`{other}` is no aggregate, or lacks its organization"));
            }
        };
        let event = Event::from_stored(&self.type_name, self.payload.as_deref())?;
        let wrong = |error: jiff::Error| format!("at: {error}");
        let at: Timestamp = self.at.parse().map_err(wrong)?;
        Ok(Recorded {
            position: self.position.cast_unsigned(),
            sequence: self.sequence.cast_unsigned(),
            at: SystemTime::try_from(at).map_err(wrong)?,
            actor: Actor::try_from(self.actor).map_err(text)?,
            aggregate,
            event,
        })
    }
}

/// A time as text, in UTC and of one width, so that texts compare as times do. One outside of the
/// years that can be written becomes the nearest that can.
pub(super) fn time_text(at: SystemTime) -> String {
    let time = Timestamp::try_from(at).unwrap_or(if at < SystemTime::UNIX_EPOCH {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    });
    format!("{time:.9}")
}
