//! Appending past what others have written meanwhile: in one round trip, so that nobody has to wait for this
//! process while it has its turn. What it does stands in `past.sql`.

use futures_util::TryFutureExt;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::Node;
use super::append::{self, Place, Rows};
use super::batches::{mark, pack, unpack};
use super::fault::{Fault, answered};
use crate::event::{Aggregate, Recorded};
use crate::id::UserId;
use crate::journal::{Batch, Position};

/// The most events to be passed: whoever is further behind reads on first.
const MOST: i64 = 1024;

const PAST: &str = "
    CALL portcullis.append_past($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                                NULL, NULL)";

/// What was passed, in order. `None`: the batch was not appended.
pub(super) type Passed = Option<Vec<Recorded>>;

/// A batch of users' events as the call takes it.
pub(super) struct Call {
    rows: Rows,
    /// On whom it was decided, and their marks.
    users: Vec<UserId>,
    user_marks: Vec<i32>,
    /// The batch as a whole, and the marks of the users whose events it has.
    whole: Vec<u8>,
    marks: Vec<i32>,
}

impl Call {
    pub(super) fn of(batch: &Batch, users: &[UserId]) -> Result<Self, Fault> {
        let whose = |event: &Recorded| match &event.aggregate {
            Aggregate::User { user, .. } => Some(mark(user)),
            _ => None,
        };
        Ok(Self {
            rows: Rows::of(batch, Place::Open),
            users: users.to_vec(),
            user_marks: users.iter().map(|user| mark(user)).collect(),
            whole: pack(batch).map_err(Fault::Refused)?,
            marks: batch.events.iter().filter_map(whose).collect(),
        })
    }
}

impl Node {
    pub(super) async fn append_past(
        &self,
        expected: Position,
        call: &Call,
    ) -> Result<Passed, Fault> {
        let Some(instance) = self.known_instance().await.map_err(Fault::unsent)? else {
            return Ok(None);
        };
        let connection = self.connections.to_write().await?;
        let users: Vec<&str> = call.users.iter().map(UserId::as_str).collect();
        let (turn, after) = (append::turn(instance), expected.cast_signed());
        let place: [&(dyn ToSql + Sync); 6] =
            [&instance.as_str(), &turn, &after, &MOST, &users, &call.user_marks];
        let whole: [&(dyn ToSql + Sync); 2] = [&call.marks, &call.whole];
        let parameters = [&place[..], &call.rows.columns_of_users()[..], &whole[..]].concat();
        let statement = connection.prepare(PAST).await?;
        let sent = connection.client()?.query_one(&statement, &parameters);
        let row = answered(sent.map_err(Fault::of_call)).await?;
        connection.done();
        let Some(head) = row.try_get::<_, Option<i64>>(0)? else { return Ok(None) };
        let head = head.cast_unsigned();
        // The batch is written: what cannot be read of the others changes nothing about that.
        let passed = self.passed(&row, expected, head).await.map_err(Fault::in_doubt)?;
        self.reached(call.rows.last(head));
        Ok(Some(passed))
    }

    /// The events up to the head: of the copies in the answer or, where they are not all there, of the trail.
    async fn passed(
        &self,
        row: &Row,
        expected: Position,
        head: Position,
    ) -> Result<Vec<Recorded>, Fault> {
        let count = usize::try_from(head.saturating_sub(expected)).unwrap_or(usize::MAX);
        if count == 0 {
            return Ok(Vec::new());
        }
        let batches = row.try_get::<_, Option<&[u8]>>(1)?;
        match batches.and_then(|batches| unpack(batches, expected, count)) {
            Some(events) => Ok(events),
            None => self.read_after(expected, count).await,
        }
    }
}
