//! Appending: one statement, one round trip.

use std::borrow::Cow;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Node;
use super::connection::Leased;
use super::fault::{Fault, answered};
use crate::id::InstanceId;
use crate::journal::row::{Columns, founded};
use crate::journal::{AppendError, Batch, Position};

/// The statement. Where the head was not moved there is no row in `moved`, and all the rest does nothing.
/// Whoever moves the head waits for its turn first and has it until the commit, so positions are in the
/// order of commits. There is a notice only where somebody listens, see `past.sql`. The lists are taken apart
/// in step with each other, row by row; as functions in FROM each would be stored first.
macro_rules! append {
    ($moved:literal) => {
        concat!(
            "WITH moved AS (",
            $moved,
            "), put AS (
                INSERT INTO portcullis.event (instance, position, writer, batch, at, actor, type,
                                              aggregate, id, org, sequence, payload, crc)
                SELECT $1, generate_series($2::bigint + 1, position), $3, $4, unnest($5::text[]),
                       unnest($6::text[]), unnest($7::text[]), unnest($8::text[]),
                       unnest($9::text[]), unnest($10::text[]), unnest($11::bigint[]),
                       unnest($12::text[]), unnest($13::bigint[])
                FROM moved
            )
            SELECT position, CASE WHEN NOT pg_try_advisory_xact_lock(1349481077, 0)
                             THEN pg_notify('portcullis', position || ' ' || $1::text) END
            FROM moved"
        )
    };
}

pub(super) const APPEND: &str = append!(
    "UPDATE portcullis.journal SET position = $2::bigint + cardinality($5::text[])
     WHERE instance = $1::text AND position = $2::bigint
           AND (SELECT pg_advisory_xact_lock(1349481076, $14::integer) IS NOT NULL)
     RETURNING position"
);

/// The first append of an instance makes its head.
const FOUND: &str = append!(
    "INSERT INTO portcullis.journal AS it (instance, position, pruned)
     SELECT $1::text, $2::bigint + cardinality($5::text[]), 0
     WHERE (SELECT pg_advisory_xact_lock(1349481076, $14::integer) IS NOT NULL)
     ON CONFLICT (instance) DO UPDATE SET position = excluded.position
     WHERE it.position = $2::bigint RETURNING position"
);

/// The turn of those who would move an instance's head: a lock of the database's, by "Port" in ASCII and
/// this number, until the end of the transaction. To queue for the head's row instead would be unfair and
/// slow: with each move there is a new version of it, for which all who wait queue anew.
pub(super) fn turn(instance: &InstanceId) -> i32 {
    crc32fast::hash(instance.as_bytes()).cast_signed()
}

/// Whose batch stands at a position.
const AT: &str = "SELECT writer, batch FROM portcullis.event WHERE instance = $1 AND position = $2";

const TOUCH: &str = "UPDATE portcullis.journal SET position = position WHERE instance = $1";

/// Takes as much room as many events do, and gives it back: where the disk is full the head can still be
/// written, for that takes none. No instance has this name, and no event these positions.
const ROOM: &str = "
    BEGIN;
    INSERT INTO portcullis.event
    SELECT '', -number, '', '', '', '', repeat(' ', 1000), '', 0, NULL, 0, 0, 0
    FROM generate_series(1, 32) AS number;
    ROLLBACK";

/// Whether it is known where a batch will stand. If not, the checksums are of all but the place.
#[derive(Clone, Copy)]
pub(super) enum Place {
    Known,
    Open,
}

/// A batch as the statement takes it, a list a column.
#[derive(Default)]
pub(super) struct Rows {
    writer: i64,
    batch: i64,
    founded: Option<InstanceId>,
    at: Vec<String>,
    actor: Vec<String>,
    type_name: Vec<String>,
    aggregate: Vec<String>,
    id: Vec<String>,
    org: Vec<Option<String>>,
    sequence: Vec<i64>,
    payload: Vec<Option<String>>,
    sum: Vec<i64>,
}

impl Rows {
    pub(super) fn of(batch: &Batch, place: Place) -> Self {
        let mut rows = Self {
            writer: batch.writer.cast_signed(),
            batch: batch.number.cast_signed(),
            founded: founded(batch).cloned(),
            ..Self::default()
        };
        for recorded in &batch.events {
            let it = Columns::of(recorded, batch);
            rows.sum.push(match place {
                Place::Known => it.sum(),
                Place::Open => it.unplaced_sum(),
            });
            rows.at.push(it.at.into_owned());
            rows.actor.push(it.actor.to_owned());
            rows.type_name.push(it.type_name.to_owned());
            rows.aggregate.push(it.aggregate.to_owned());
            rows.id.push(it.id.to_owned());
            rows.org.push(it.org.map(str::to_owned));
            rows.sequence.push(it.sequence);
            rows.payload.push(it.payload.map(Cow::into_owned));
        }
        rows
    }

    /// The statement's parameters after the instance and the expected head, but for the turn.
    fn columns(&self) -> [&(dyn ToSql + Sync); 11] {
        [
            &self.writer,
            &self.batch,
            &self.at,
            &self.actor,
            &self.type_name,
            &self.aggregate,
            &self.id,
            &self.org,
            &self.sequence,
            &self.payload,
            &self.sum,
        ]
    }

    /// Those of events of users, of which the aggregate and the sequence are known.
    pub(super) fn columns_of_users(&self) -> [&(dyn ToSql + Sync); 9] {
        [
            &self.writer,
            &self.batch,
            &self.at,
            &self.actor,
            &self.type_name,
            &self.id,
            &self.org,
            &self.payload,
            &self.sum,
        ]
    }

    /// Sends the statement.
    pub(super) async fn send(
        &self,
        sql: &str,
        connection: &Leased,
        instance: &InstanceId,
        expected: Position,
    ) -> Result<Option<Row>, Fault> {
        let statement = connection.prepare(sql).await?;
        let (turn, expects) = (turn(instance), expected.cast_signed());
        let place: [&(dyn ToSql + Sync); 2] = [&instance.as_str(), &expects];
        let parameters = [&place[..], &self.columns()[..], &[&turn]].concat();
        answered(connection.client()?.query_opt(&statement, &parameters)).await
    }

    /// The position of the last event after a head.
    pub(super) fn last(&self, expected: Position) -> Position {
        expected.saturating_add(u64::try_from(self.at.len()).unwrap_or(u64::MAX))
    }
}

/// The head after an append. `None`: the head was another than was expected.
pub(super) type Appended = Option<Position>;

impl Node {
    pub(super) async fn append(&self, expected: Position, rows: &Rows) -> Result<Appended, Fault> {
        let known = self.known_instance().await.map_err(Fault::unsent)?;
        let founding = if expected == 0 { rows.founded.as_ref() } else { None };
        let (instance, sql) = match (known, founding) {
            (None, None) => return Ok(None), // there is no journal yet, so the head is 0
            (Some(known), None) => (known, APPEND),
            (None, Some(founding)) => (founding, FOUND),
            (Some(known), Some(founding)) if known == founding => (founding, FOUND),
            (Some(known), Some(founding)) => {
                let cause = format!("it is the journal of {known}, the batch is of {founding}");
                return Err(Fault::Refused(cause));
            }
        };
        let connection = self.connections.to_write().await?;
        let moved = rows.send(sql, &connection, instance, expected).await?;
        if moved.is_none() && !self.is_there(&connection, instance, expected, rows).await? {
            connection.done();
            return Ok(None);
        }
        connection.done();
        let last = rows.last(expected);
        let _ = self.instance.set(instance.clone());
        self.reached(last);
        Ok(Some(last))
    }

    /// Whether the batch stands at its place, from an append whose answer was lost. If so, something is
    /// written after it, so that it is as durable as what is written now: also on a standby that the
    /// lost append had not reached yet.
    async fn is_there(
        &self,
        connection: &Leased,
        instance: &InstanceId,
        expected: Position,
        rows: &Rows,
    ) -> Result<bool, Fault> {
        let statement = connection.prepare(AT).await.map_err(Fault::in_doubt)?;
        let first = expected.saturating_add(1).cast_signed();
        let parameters: [&(dyn ToSql + Sync); 2] = [&instance.as_str(), &first];
        let found = connection.client()?.query_opt(&statement, &parameters);
        let found: Option<Row> = answered(found).await.map_err(Fault::in_doubt)?;
        let Some(found) = found else { return Ok(false) };
        if (found.try_get::<_, i64>(0)?, found.try_get::<_, i64>(1)?) != (rows.writer, rows.batch) {
            return Ok(false);
        }
        touch(connection, instance).await.map_err(Fault::in_doubt)?;
        Ok(true)
    }

    /// Writes durably and changes nothing. Where there is no journal yet it only asks.
    pub(super) async fn probe(&self) -> Result<(), Fault> {
        let Some(instance) = self.known_instance().await? else { return Ok(()) };
        let connection = self.connections.to_write().await?;
        answered(connection.client()?.batch_execute(ROOM)).await?;
        touch(&connection, instance).await?;
        connection.done();
        Ok(())
    }
}

async fn touch(connection: &Leased, instance: &InstanceId) -> Result<(), Fault> {
    let statement = connection.prepare(TOUCH).await?;
    answered(connection.client()?.execute(&statement, &[&instance.as_str()])).await.map(drop)
}

/// An append's outcome as the committer takes it.
pub(super) fn answer<T>(node: &Node, outcome: Result<Option<T>, Fault>) -> Result<T, AppendError> {
    let named = |cause: String| format!("{}: {cause}", node.server);
    match outcome {
        Ok(Some(done)) => Ok(done),
        Ok(None) => Err(AppendError::Behind),
        Err(Fault::Refused(cause)) => Err(AppendError::Unavailable(named(cause))),
        Err(Fault::Lost(cause)) => Err(AppendError::InDoubt(named(cause))),
        Err(Fault::Told(fault)) => Err(AppendError::Unavailable(fault.to_string())),
    }
}
