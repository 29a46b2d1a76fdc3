//! A host's own tables beside the journal's: on connections that the journal cares for, in transactions
//! that a host may run from where it blocks nobody.
//!
//! In such a transaction names are looked up in the schema `portcullis`, and the setting
//! `portcullis.instance` is the journal's instance: views over the tables of all instances can so show
//! each one its own.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use futures_util::future::{join, join_all};
use tokio_postgres::types::{FromSql, IsNull, ToSql, Type, to_sql_checked};

use super::Node;
use super::connection::Leased;
use super::fault::{ANSWER_LIMIT, Fault, answered, answered_within};
use super::thread::Thread;
use crate::journal::{JournalError, Position};

/// For how long whoever follows the journal may hear nothing of it, see [`PostgresTables::current`].
const SILENCE: Duration = Duration::from_secs(2);

/// How long the work of [`PostgresTransaction::work`] may take, here and at the server.
const WORK_LIMIT: Duration = Duration::from_mins(1);

/// How many statements that answer nothing are sent together.
const TOGETHER: usize = 256;

/// A plan that is kept with its statement may be of when a table was empty, and read all of it when it is
/// large: so each time a new one is made.
const READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;
    SET LOCAL search_path = portcullis; SET LOCAL plan_cache_mode = force_custom_plan";
const WRITING: &str = "BEGIN;
    SET LOCAL search_path = portcullis; SET LOCAL plan_cache_mode = force_custom_plan";
const ROLLBACK: &str = "ROLLBACK";

const SEARCHING: &str = "SET LOCAL statement_timeout = '20s'";
const SEARCH_LIMIT: Duration = Duration::from_secs(22);

const INSTANCE: &str = "SELECT set_config('portcullis.instance', $1, true)";

/// How long to wait for one's turn to write: another node may be making the tables.
const TURN_LIMIT: Duration = Duration::from_secs(12);

const EXTENT: &str = "SELECT position, pruned FROM portcullis.journal WHERE instance = $1";

/// A value of a host's tables. Whole numbers are `bigint`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PostgresValue {
    /// None.
    Null,
    /// A whole number.
    Integer(i64),
    /// A text.
    Text(String),
}

/// A host's own tables in the database of a [journal](super::PostgresJournal). Clones are the same tables;
/// they and the journal share their connections, which go with the last of them.
///
/// All calls block their thread, which must not be one that drives futures.
#[derive(Clone)]
pub struct PostgresTables {
    node: Arc<Node>,
    thread: Arc<Thread>,
}

/// A transaction on a host's tables.
pub struct PostgresTransaction<'t> {
    tables: &'t PostgresTables,
    connection: Leased,
    instance: String,
    /// What is to be sent before anything else is.
    unsent: RefCell<Vec<(String, Vec<PostgresValue>)>>,
}

impl PostgresTables {
    pub(super) fn new(node: Arc<Node>, thread: Arc<Thread>) -> Self {
        Self { node, thread }
    }

    /// Reads the tables as they are at one moment.
    ///
    /// # Errors
    ///
    /// What `work` answers; [`JournalError::Unavailable`] if the server cannot be reached, and
    /// [`JournalError::Missing`] while the journal has no instance.
    pub fn read<T>(
        &self,
        work: impl FnOnce(&PostgresTransaction<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let transaction = self.start(READING)?;
        let done = work(&transaction);
        transaction.end(ROLLBACK)?;
        done
    }

    /// Runs a transaction that writes, beside which no other of the instance's does; an error undoes it.
    /// Whoever waits for 10 s is refused.
    ///
    /// # Errors
    ///
    /// As [`PostgresTables::read`]. If the answer to the commit is lost, the error may hide that it was
    /// made: look again.
    pub fn write<T>(
        &self,
        work: impl FnOnce(&PostgresTransaction<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let transaction = self.start(WRITING)?;
        let turn = turn(&transaction.instance);
        transaction.wait(async {
            let client = transaction.connection.client()?;
            answered_within(TURN_LIMIT, client.batch_execute(&turn)).await
        })?;
        let done = work(&transaction);
        transaction.end(if done.is_ok() { "COMMIT" } else { ROLLBACK })?;
        done
    }

    /// Whether the journal's follower, such as an engine, has taken over all that was in the journal a
    /// moment ago: 2 s, after which it may be cut off from what others write. So a host that has to hear
    /// of changes does nothing on what it knows while this is an error.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] if it has not.
    pub fn current(&self) -> Result<(), JournalError> {
        match self.node.news.borrow().current {
            Some(at) if at.elapsed() > SILENCE => Err(JournalError::Unavailable(format!(
                "{}: nothing was heard of the journal for {SILENCE:?}",
                self.node.server
            ))),
            _ => Ok(()),
        }
    }

    fn start(&self, how: &str) -> Result<PostgresTransaction<'_>, JournalError> {
        let begun = self.wait(async {
            let Some(instance) = self.node.known_instance().await? else {
                return Err(self.node.missing());
            };
            let connection = self.node.connections.to_lend().await?;
            let statement = connection.prepare(INSTANCE).await?;
            let (name, client) = (instance.as_str(), connection.client()?);
            let parameters: [&(dyn ToSql + Sync); 1] = [&name];
            // Sent one after the other without waiting.
            let begun = answered(client.batch_execute(how));
            let named = answered(client.query(&statement, &parameters));
            let (begun, named) = join(begun, named).await;
            begun?;
            named?;
            Ok((connection, instance.to_string()))
        });
        let (connection, instance) = begun?;
        Ok(PostgresTransaction { tables: self, connection, instance, unsent: RefCell::default() })
    }

    fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, JournalError> {
        let done = self.thread.handle.block_on(work);
        done.map_err(|fault| fault.of(&self.node.server))
    }
}

impl PostgresTransaction<'_> {
    /// The rows that a query answers with. The connection keeps the statement, so there should be few.
    ///
    /// # Errors
    ///
    /// The server's.
    pub fn query(
        &self,
        sql: &str,
        values: &[PostgresValue],
    ) -> Result<Vec<Vec<PostgresValue>>, JournalError> {
        self.wait(async {
            let statement = self.connection.prepare(sql).await?;
            let values = bound(values);
            rows(&answered(self.connection.client()?.query(&statement, &values)).await?)
        })
    }

    /// The same for a statement that is not to be kept: somebody's search, which may take 20 s.
    ///
    /// # Errors
    ///
    /// The server's.
    pub fn query_once(
        &self,
        sql: &str,
        values: &[PostgresValue],
    ) -> Result<Vec<Vec<PostgresValue>>, JournalError> {
        self.wait(async {
            let (client, values) = (self.connection.client()?, bound(values));
            // Sent one after the other without waiting.
            let limited = answered(client.batch_execute(SEARCHING));
            let found = answered_within(SEARCH_LIMIT, client.query(sql, &values));
            let (limited, found) = join(limited, found).await;
            limited?;
            rows(&found?)
        })
    }

    /// Runs a statement that answers nothing. It is sent together with those that follow it, at the latest
    /// when the transaction asks or ends, and so may be its error told.
    ///
    /// # Errors
    ///
    /// The server's, to this statement or to one before it.
    pub fn execute(&self, sql: &str, values: Vec<PostgresValue>) -> Result<(), JournalError> {
        let mut unsent = self.unsent.borrow_mut();
        unsent.push((sql.to_owned(), values));
        if unsent.len() < TOGETHER {
            return Ok(());
        }
        drop(unsent);
        self.wait(async { Ok(()) })
    }

    /// Runs statements without values that may take a minute, as making tables may.
    ///
    /// # Errors
    ///
    /// The server's.
    pub fn work(&self, sql: &str) -> Result<(), JournalError> {
        let sql = format!("SET LOCAL statement_timeout = '{}s'; {sql}", WORK_LIMIT.as_secs());
        let limit = WORK_LIMIT.saturating_add(ANSWER_LIMIT);
        self.wait(async {
            answered_within(limit, self.connection.client()?.batch_execute(&sql)).await
        })
    }

    /// The journal's head, and up to which position events were pruned.
    ///
    /// # Errors
    ///
    /// The server's.
    pub fn extent(&self) -> Result<(Position, Position), JournalError> {
        self.wait(async {
            let statement = self.connection.prepare(EXTENT).await?;
            let instance: [&(dyn ToSql + Sync); 1] = [&self.instance];
            let found = self.connection.client()?.query_opt(&statement, &instance);
            let Some(row) = answered(found).await? else { return Ok((0, 0)) };
            let of = |column| row.try_get::<_, i64>(column).map(i64::cast_unsigned);
            Ok((of(0)?, of(1)?))
        })
    }

    fn end(self, how: &str) -> Result<(), JournalError> {
        if how == ROLLBACK {
            self.unsent.borrow_mut().clear();
        }
        self.wait(async { answered(self.connection.client()?.batch_execute(how)).await })?;
        self.connection.done();
        Ok(())
    }

    /// Waits for something, which is asked for after all that was to be sent before it.
    fn wait<T>(&self, work: impl Future<Output = Result<T, Fault>>) -> Result<T, JournalError> {
        let unsent = std::mem::take(&mut *self.unsent.borrow_mut());
        self.tables.wait(async {
            self.send(&unsent).await?;
            work.await
        })
    }

    /// Sends statements one after the other without waiting for the answers in between.
    async fn send(&self, unsent: &[(String, Vec<PostgresValue>)]) -> Result<(), Fault> {
        let mut prepared = Vec::with_capacity(unsent.len());
        for (sql, values) in unsent {
            prepared.push((self.connection.prepare(sql).await?, bound(values)));
        }
        let client = self.connection.client()?;
        let sent = prepared.iter().map(|(sql, values)| answered(client.execute(sql, values)));
        // The first error is the cause of those after it.
        join_all(sent).await.into_iter().try_for_each(|sent| sent.map(drop))
    }
}

/// One who writes at a time, of all nodes of an instance: "Host" in ASCII, and the instance. It ends with
/// the transaction.
fn turn(instance: &str) -> String {
    let number = crc32fast::hash(instance.as_bytes()).cast_signed();
    format!(
        "SET LOCAL statement_timeout = '10s';
         SELECT pg_advisory_xact_lock(1215263604, {number});
         SET LOCAL statement_timeout = '2s'"
    )
}

fn bound(values: &[PostgresValue]) -> Vec<&(dyn ToSql + Sync)> {
    values.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
}

fn rows(found: &[tokio_postgres::Row]) -> Result<Vec<Vec<PostgresValue>>, Fault> {
    let row = |row: &tokio_postgres::Row| {
        (0..row.len()).map(|column| row.try_get(column)).collect::<Result<Vec<_>, _>>()
    };
    Ok(found.iter().map(row).collect::<Result<_, _>>()?)
}

type Anything = Box<dyn std::error::Error + Sync + Send>;

impl ToSql for PostgresValue {
    fn to_sql(&self, to: &Type, out: &mut BytesMut) -> Result<IsNull, Anything> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Integer(number) => number.to_sql_checked(to, out),
            Self::Text(text) => text.to_sql_checked(to, out),
        }
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

impl<'r> FromSql<'r> for PostgresValue {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Result<Self, Anything> {
        match *of {
            Type::INT8 => i64::from_sql(of, raw).map(Self::Integer),
            _ => String::from_sql(of, raw).map(Self::Text),
        }
    }

    fn from_sql_null(_: &Type) -> Result<Self, Anything> {
        Ok(Self::Null)
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::INT8 || <String as FromSql<'_>>::accepts(of)
    }
}

impl From<i64> for PostgresValue {
    fn from(number: i64) -> Self {
        Self::Integer(number)
    }
}

impl From<Option<i64>> for PostgresValue {
    fn from(number: Option<i64>) -> Self {
        number.map_or(Self::Null, Self::Integer)
    }
}

impl From<&str> for PostgresValue {
    fn from(text: &str) -> Self {
        Self::Text(String::from(text))
    }
}

/// The server and the database, and nothing that is secret.
impl fmt::Display for PostgresTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.node.server.fmt(f)
    }
}

impl fmt::Debug for PostgresTables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTables")
            .field("server", &self.node.server.to_string())
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PostgresTransaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresTransaction")
            .field("instance", &self.instance)
            .finish_non_exhaustive()
    }
}
