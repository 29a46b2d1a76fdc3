//! Appending past what others have written meanwhile: in one round trip, so that nobody has to wait for this
//! process while it has its turn. What it does stands in `past.sql`.

use std::borrow::Cow;

use futures_util::TryFutureExt;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, ToSql};

use super::Node;
use super::append::{self, Rows};
use super::fault::{Fault, answered};
use super::read::is_sound;
use crate::event::Recorded;
use crate::id::UserId;
use crate::journal::Position;
use crate::journal::row::{Columns, Reading, USER};

/// The most events to be passed: whoever is further behind reads on first.
const MOST: i64 = 1024;

const PAST: &str = "
    CALL portcullis.append_past($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                                NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)";

/// What was passed, in order. `None`: the batch was not appended.
pub(super) type Passed = Option<Vec<Recorded>>;

impl Node {
    pub(super) async fn append_past(
        &self,
        expected: Position,
        rows: &Rows,
        users: &[UserId],
    ) -> Result<Passed, Fault> {
        let Some(instance) = self.known_instance().await.map_err(Fault::unsent)? else {
            return Ok(None);
        };
        let connection = self.connections.to_write().await?;
        let users: Vec<&str> = users.iter().map(UserId::as_str).collect();
        let (turn, after) = (append::turn(instance), expected.cast_signed());
        let place: [&(dyn ToSql + Sync); 5] = [&instance.as_str(), &turn, &after, &MOST, &users];
        let parameters = [&place[..], &rows.columns_of_users()[..]].concat();
        let statement = connection.prepare(PAST).await?;
        let call = connection.client()?.query_one(&statement, &parameters);
        let row = answered(call.map_err(Fault::of_call)).await?;
        connection.done();
        let Some(head) = row.try_get::<_, Option<i64>>(0)? else { return Ok(None) };
        let head = head.cast_unsigned();
        // The batch is written: what cannot be read of the others changes nothing about that.
        let passed = self.passed(&row, expected, head).map_err(Fault::in_doubt)?;
        self.reached(rows.last(head));
        Ok(Some(passed))
    }

    /// The events up to the head, of the lists in the answer.
    fn passed(
        &self,
        row: &Row,
        expected: Position,
        head: Position,
    ) -> Result<Vec<Recorded>, Fault> {
        let (mut at, mut actor) = (list(row, 1)?, list(row, 2)?);
        let (mut type_name, mut id) = (list(row, 3)?, list(row, 4)?);
        let (mut org, mut payload) = (list(row, 5)?, list::<Option<&str>>(row, 6)?);
        let mut crc = list(row, 7)?;
        let (mut writer, mut batch) = (list(row, 8)?, list(row, 9)?);
        let mut next = |position| {
            let columns = Columns {
                position,
                at: Cow::Borrowed(at.next()?),
                actor: actor.next()?,
                type_name: type_name.next()?,
                aggregate: USER,
                id: id.next()?,
                org: org.next()?,
                sequence: position,
                payload: payload.next()?.map(Cow::Borrowed),
                writer: writer.next()?,
                batch: batch.next()?,
            };
            Some((columns, crc.next()?))
        };
        let reading = Reading::begin(&self.server, expected, 0, is_sound);
        let mut reading = reading.map_err(Fault::Told)?;
        // Where the batch was there already there are more, which were written after it.
        let positions = expected.saturating_add(1)..=head;
        for (columns, sum) in positions.map_while(|position| next(position.cast_signed())) {
            reading.take(&columns, sum).map_err(Fault::Told)?;
        }
        reading.end(head, usize::MAX).map_err(Fault::Told)
    }
}

/// A list of the answer; an empty one is none at all.
fn list<'r, T>(row: &'r Row, column: usize) -> Result<std::vec::IntoIter<T>, Fault>
where
    Vec<T>: FromSql<'r>,
{
    Ok(row.try_get::<_, Option<Vec<T>>>(column)?.unwrap_or_default().into_iter())
}
