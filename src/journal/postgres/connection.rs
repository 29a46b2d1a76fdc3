//! Connections: small pools, how each session is set up, and what of the server is refused.

use deadpool_postgres::{
    Client, Hook, HookError, Manager, ManagerConfig, Object, Pool, RecyclingMethod, Runtime,
};
use tokio_postgres::Statement;

use super::fault::{ANSWER_LIMIT, Fault, answered};
use super::server::{Server, foreign};
use crate::journal::JournalError;

/// How many connections a journal may have: those that write, those that read, and those that are lent
/// for a host's tables. One more listens.
const WRITING: usize = 2;
const READING: usize = 4;
const LENT: usize = 4;

/// How a session is set up. The limits are the server's own, for this process may be frozen or cut off:
/// a statement that takes longer is given up, and so is whoever holds the head and does nothing
/// (`HOLD_LIMIT`). Newer servers also end a transaction of which only a part has come. A statement that has
/// waited must see what was committed meanwhile, whatever the database's own default.
const SESSION: &str = "
    SET statement_timeout = '2s';
    SET idle_in_transaction_session_timeout = '1s';
    SET default_transaction_isolation = 'read committed';
    SELECT set_config('transaction_timeout', '5s', false)
    WHERE current_setting('transaction_timeout', true) IS NOT NULL;
";

/// For the journal's own statements, which all go by a table's key. A plan is made once and kept, and by the
/// key whatever the tables' size was then: to make it anew takes longer than to run it, and that with the
/// head held.
const KEPT_PLANS: &str = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off;
    SET max_parallel_workers_per_gather = 0";

/// Settings that lose what the server has confirmed, or what an id says.
const SETTINGS: &str = "
    SELECT current_setting('fsync'), current_setting('synchronous_commit'),
           current_setting('server_encoding')
";

/// The pools. Readers are apart, so that no append waits for them, and so are hosts.
pub(super) struct Connections {
    writing: Pool,
    reading: Pool,
    lent: Pool,
}

/// A connection in use. Whoever is done well gives it back; else it is closed, and the idle ones of its
/// pool with it, for they may be as dead.
pub(super) struct Leased(Option<Client>);

impl Connections {
    pub(super) fn to(server: &Server) -> Result<Self, JournalError> {
        Ok(Self {
            writing: pool(server, WRITING, KEPT_PLANS)?,
            reading: pool(server, READING, KEPT_PLANS)?,
            lent: pool(server, LENT, "")?,
        })
    }

    pub(super) async fn to_write(&self) -> Result<Leased, Fault> {
        lease(&self.writing).await
    }

    pub(super) async fn to_read(&self) -> Result<Leased, Fault> {
        lease(&self.reading).await
    }

    pub(super) async fn to_lend(&self) -> Result<Leased, Fault> {
        lease(&self.lent).await
    }

    /// Closes all that are idle.
    pub(super) fn release(&self) {
        for pool in [&self.writing, &self.reading, &self.lent] {
            pool.retain(|_, _| false);
        }
    }
}

fn pool(server: &Server, size: usize, plans: &'static str) -> Result<Pool, JournalError> {
    let config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
    let manager = Manager::from_config(server.config.clone(), server.tls.clone(), config);
    let set_up = Hook::async_fn(move |client, _| Box::pin(set_up(client, plans)));
    Pool::builder(manager)
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .wait_timeout(Some(ANSWER_LIMIT))
        .create_timeout(Some(ANSWER_LIMIT))
        .post_create(set_up)
        .build()
        .map_err(|error| foreign(server, error.to_string()))
}

async fn lease(pool: &Pool) -> Result<Leased, Fault> {
    Ok(Leased(Some(pool.get().await?)))
}

/// Sets up each session and looks at its server, which may be another one than at the opening.
async fn set_up(client: &tokio_postgres::Client, plans: &str) -> Result<(), HookError> {
    let refused = |fault| match fault {
        Fault::Refused(cause) | Fault::Lost(cause) => HookError::message(cause),
        Fault::Told(fault) => HookError::message(fault.to_string()),
    };
    begin_session(client).await.map_err(refused)?;
    answered(client.batch_execute(plans)).await.map_err(refused)?;
    check(client, &"the server").await.map_err(refused)
}

pub(super) async fn begin_session(client: &tokio_postgres::Client) -> Result<(), Fault> {
    answered(client.batch_execute(SESSION)).await
}

/// Refuses a server that does not keep what it has confirmed, and names the setting.
pub(super) async fn check(
    client: &tokio_postgres::Client,
    server: &impl std::fmt::Display,
) -> Result<(), Fault> {
    let settings = answered(client.query_one(SETTINGS, &[])).await?;
    for (column, name) in ["fsync", "synchronous_commit"].into_iter().enumerate() {
        if settings.try_get::<_, &str>(column)? == "off" {
            let cause = format!(
                "its setting {name} is off, so a crash loses what it has confirmed; turn it on"
            );
            return Err(Fault::Told(foreign(server, cause)));
        }
    }
    let encoding: &str = settings.try_get(2)?;
    if encoding != "UTF8" {
        let cause = format!("the database's encoding is {encoding}, and must be UTF8");
        return Err(Fault::Told(foreign(server, cause)));
    }
    Ok(())
}

impl Leased {
    /// The statement, which this connection keeps. Nothing is written by preparing it.
    pub(super) async fn prepare(&self, sql: &str) -> Result<Statement, Fault> {
        let client = self.client()?;
        answered(client.prepare_cached(sql)).await.map_err(Fault::unsent)
    }

    pub(super) fn client(&self) -> Result<&Client, Fault> {
        self.0.as_ref().ok_or_else(|| Fault::Refused(String::from("the connection is closed")))
    }

    /// Gives it back.
    pub(super) fn done(mut self) {
        drop(self.0.take());
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if let Some(client) = self.0.take() {
            if let Some(pool) = Object::pool(&client) {
                pool.retain(|_, _| false);
            }
            drop(Object::take(client));
        }
    }
}
