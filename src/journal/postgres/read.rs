//! Reading: events, the head, and whose journal it is.

use std::borrow::Cow;

use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Node;
use super::connection::Leased;
use super::fault::{Fault, answered};
use super::server::foreign;
use crate::event::Recorded;
use crate::id::InstanceId;
use crate::journal::row::{Columns, Reading};
use crate::journal::{JournalError, Position};

/// How many events to ask for at a time: so few that each answer comes soon.
pub(super) const PAGE: usize = 4096;

/// The head, what was pruned and the events, all of one moment; and whether that is on the disk, and on the
/// standbys, already: what was seen was written before the functions are asked.
pub(super) const AFTER: &str = "
    SELECT (SELECT pg_current_wal_flush_lsn() >= pg_current_wal_insert_lsn()
                   AND current_setting('synchronous_standby_names') = ''),
           it.position, it.pruned, event.position, at, actor, type, aggregate, id, org, sequence,
           payload, writer, batch, crc
    FROM portcullis.journal AS it LEFT JOIN LATERAL (
        SELECT * FROM portcullis.event
        WHERE event.instance = $1 AND event.position > $2 ORDER BY event.position LIMIT $3
    ) AS event ON true
    WHERE it.instance = $1 ORDER BY event.position";

/// The next event that is no check. The condition is that of the index `event_but_checks`.
const NEXT_CHANGE: &str = "
    SELECT (SELECT position FROM portcullis.event
            WHERE instance = $1 AND position > $2 AND position <= $3 AND strpos(type, '.check.') = 0
            ORDER BY position LIMIT 1),
           pruned
    FROM portcullis.journal WHERE instance = $1";

/// Writes something, and waits for the disk and the standbys, which it comes to after all else.
const FLUSH: &str = "SELECT pg_logical_emit_message(true, 'portcullis', '')";

pub(super) const HEAD: &str = "SELECT position FROM portcullis.journal WHERE instance = $1";

const INSTANCES: &str = "SELECT instance FROM portcullis.journal ORDER BY instance LIMIT 4";

/// The head of a moment, and events after a position.
pub(super) struct Page {
    pub(super) head: Position,
    durable: bool,
    pub(super) events: Vec<Recorded>,
}

impl Node {
    pub(super) async fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> Result<Vec<Recorded>, Fault> {
        let mut events = Vec::new();
        let Some(instance) = self.known_instance().await? else { return Ok(events) };
        loop {
            let after = events.last().map_or(after, |event: &Recorded| event.position);
            let page = limit.saturating_sub(events.len()).min(PAGE);
            let connection = self.connections.to_read().await?;
            let read = self.read_page(&connection, instance, after, page).await?;
            connection.done();
            let Some(read) = read else { return Ok(events) };
            self.rely_on(&read).await?;
            let read = read.events;
            let all = read.len() < page || events.len().saturating_add(read.len()) >= limit;
            events.extend(read);
            if all {
                return Ok(events);
            }
        }
    }

    /// `None` if there is no journal yet.
    pub(super) async fn read_page(
        &self,
        connection: &Leased,
        instance: &InstanceId,
        after: Position,
        limit: usize,
    ) -> Result<Option<Page>, Fault> {
        let before = self.before();
        let statement = connection.prepare(AFTER).await?;
        let (from, most) = (after.cast_signed(), i64::try_from(limit).unwrap_or(i64::MAX));
        let parameters: [&(dyn ToSql + Sync); 3] = [&instance.as_str(), &from, &most];
        let rows = answered(connection.client()?.query(&statement, &parameters)).await?;
        let Some(first) = rows.first() else {
            self.saw(before, 0)?;
            return Ok(None);
        };
        let durable = first.try_get::<_, Option<bool>>(0)?.unwrap_or(false);
        let head = first.try_get::<_, i64>(1)?.cast_unsigned();
        let pruned = first.try_get::<_, i64>(2)?.cast_unsigned();
        self.saw(before, head)?;
        let reading = Reading::begin(&self.server, after, pruned, is_sound);
        let mut reading = reading.map_err(Fault::Told)?;
        for row in &rows {
            // Where there are no events there is one row without.
            let Some(position) = row.try_get(3)? else { continue };
            reading.take(&columns(row, position)?, row.try_get(14)?).map_err(Fault::Told)?;
        }
        let events = reading.end(head, limit).map_err(Fault::Told)?;
        Ok(Some(Page { head, durable, events }))
    }

    /// Waits until what was read is as durable as what is appended: for some of it may not be yet, see
    /// `past.sql`. Not in a transaction, which would be durable at its end.
    pub(super) async fn rely_on(&self, page: &Page) -> Result<(), Fault> {
        let Some(last) = page.events.last() else { return Ok(()) };
        if page.durable {
            self.reached(last.position);
            return Ok(());
        }
        let connection = self.connections.to_read().await?;
        let statement = connection.prepare(FLUSH).await?;
        answered(connection.client()?.execute(&statement, &[])).await?;
        connection.done();
        self.reached(last.position);
        Ok(())
    }

    pub(super) async fn next_change(
        &self,
        after: Position,
        up_to: Position,
    ) -> Result<Option<Position>, Fault> {
        let Some(instance) = self.known_instance().await? else { return Ok(None) };
        let connection = self.connections.to_read().await?;
        let statement = connection.prepare(NEXT_CHANGE).await?;
        let (from, to) = (after.cast_signed(), up_to.cast_signed());
        let parameters: [&(dyn ToSql + Sync); 3] = [&instance.as_str(), &from, &to];
        let row = answered(connection.client()?.query_opt(&statement, &parameters)).await?;
        connection.done();
        let Some(row) = row else { return Ok(None) };
        let pruned = row.try_get::<_, i64>(1)?.cast_unsigned();
        if pruned > after {
            return Err(Fault::Told(JournalError::Pruned { oldest: pruned.saturating_add(1) }));
        }
        Ok(row.try_get::<_, Option<i64>>(0)?.map(i64::cast_unsigned))
    }

    pub(super) async fn head(&self) -> Result<Position, Fault> {
        let before = self.before();
        let Some(instance) = self.known_instance().await? else { return Ok(0) };
        let connection = self.connections.to_write().await?;
        let head = head(&connection, instance).await?.unwrap_or(0);
        connection.done();
        self.saw(before, head)?;
        Ok(head)
    }

    /// The instance, if an engine has written.
    pub(super) async fn founded_instance(&self) -> Result<InstanceId, Fault> {
        let known = self.known_instance().await?.cloned();
        match known {
            Some(instance) if self.head().await? > 0 => Ok(instance),
            _ => Err(self.missing()),
        }
    }

    pub(super) fn missing(&self) -> Fault {
        Fault::Told(JournalError::Missing {
            journal: self.server.to_string(),
            cause: String::from("no engine has written to it yet"),
        })
    }

    /// The only instance that the database has a journal of, if it has one.
    pub(super) async fn only_instance(&self) -> Result<Option<InstanceId>, Fault> {
        let connection = self.connections.to_read().await?;
        let rows = answered(connection.client()?.query(INSTANCES, &[])).await?;
        connection.done();
        let names = rows.iter().map(|row| row.try_get(0)).collect::<Result<Vec<String>, _>>()?;
        match &names[..] {
            [] => Ok(None),
            [name] => match InstanceId::try_from(name.as_str()) {
                Ok(instance) => Ok(Some(instance)),
                Err(error) => Err(Fault::Told(foreign(&self.server, error.to_string()))),
            },
            several => {
                let cause = format!(
                    "it has the journals of several instances ({}): connect to one of them by name",
                    several.join(", ")
                );
                Err(Fault::Told(foreign(&self.server, cause)))
            }
        }
    }
}

pub(super) async fn head(
    connection: &Leased,
    instance: &InstanceId,
) -> Result<Option<Position>, Fault> {
    let statement = connection.prepare(HEAD).await?;
    let row = answered(connection.client()?.query_opt(&statement, &[&instance.as_str()])).await?;
    Ok(row.map(|row| row.try_get::<_, i64>(0)).transpose()?.map(i64::cast_unsigned))
}

/// A row of [`AFTER`] that has an event.
fn columns(row: &Row, position: i64) -> Result<Columns<'_>, Fault> {
    Ok(Columns {
        position,
        at: Cow::Borrowed(row.try_get(4)?),
        actor: row.try_get(5)?,
        type_name: row.try_get(6)?,
        aggregate: row.try_get(7)?,
        id: row.try_get(8)?,
        org: row.try_get(9)?,
        sequence: row.try_get(10)?,
        payload: row.try_get::<_, Option<_>>(11)?.map(Cow::Borrowed),
        writer: row.try_get(12)?,
        batch: row.try_get(13)?,
    })
}

/// The checksum is of the whole row, or it has its place laid over, which was not known yet.
pub(super) fn is_sound(columns: &Columns<'_>, sum: i64) -> bool {
    columns.placed_sum() == sum || columns.sum() == sum
}
