//! A journal in a PostgreSQL database: one log for login services on many machines.
//!
//! The head of a journal is one row. An append is one statement that moves the head, if it is where the
//! batch expects it, and inserts the events: so positions are in the order of commits and a reader never
//! sees a gap. Whoever comes too late goes past what others wrote, where it may ([`Journal::append_past`]), or
//! has the head for itself ([`Journal::hold`]).
//!
//! ```text
//!   calls ──► tasks on the journal's own thread ──► small pools of connections
//!                          │                        (writing, reading, lent), and one that
//!                          └──► tail ◄── NOTIFY ──  listens, and polls behind it
//! ```
//!
//! One database may hold the journals of several instances: every row names its instance.
//!
//! What it cannot do: it believes the server that what is committed is durable. A standby that takes over
//! without the newest transactions has lost them; with `synchronous_standby_names` it has them.

mod append;
mod batches;
mod checkpoints;
mod connection;
mod fault;
mod hold;
mod look;
mod past;
mod read;
mod schema;
mod server;
mod tables;
mod tail;
mod thread;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use tokio::sync::watch;

use super::{
    AppendError, Batch, BoxFuture, Checkpoint, CheckpointId, CheckpointPart, Held, Journal,
    JournalError, Position,
};
use crate::event::Recorded;
use crate::id::{InstanceId, UserId};
use connection::Connections;
use fault::Fault;
use look::Looks;
use server::Server;
pub use tables::{PostgresTables, PostgresTransaction, PostgresValue};
use tail::{Before, News, Tail};
use thread::Thread;

/// A journal in a PostgreSQL database.
///
/// ```no_run
/// use portcullis::journal::{JournalError, PostgresJournal};
/// use portcullis::{DurableEngine, LockoutPolicy};
///
/// # async fn open() -> Result<DurableEngine, JournalError> {
/// let journal = PostgresJournal::connect("postgres://portcullis@db.example/portcullis?sslmode=require").await?;
/// DurableEngine::open("main".parse().unwrap(), LockoutPolicy::new(5, 5), journal).await
/// # }
/// ```
pub struct PostgresJournal {
    node: Arc<Node>,
    tail: Tail,
    /// Last: its end is the end of all connections. Shared with those who were lent tables.
    thread: Arc<Thread>,
}

/// What the tasks on the journal's thread share.
struct Node {
    server: Server,
    connections: Connections,
    /// Whose journal it is; unknown while the database holds none.
    instance: OnceLock<InstanceId>,
    news: watch::Sender<News>,
    looks: Looks,
}

impl PostgresJournal {
    /// Connects to a database with one journal, or with none: then the first append founds it.
    ///
    /// The URL is PostgreSQL's, `postgres://user:password@host:port/database?sslmode=require`. Of the
    /// modes, `disable` speaks no TLS, `prefer` (without a mode) does where the server can, `require` and
    /// `verify-full` always do. Certificates are verified in all of them, against those that the machine
    /// trusts or the file of `sslrootcert`. Several hosts may be named: the one that takes writes is used.
    ///
    /// The tables are in the schema `portcullis`. Where they are missing they are made.
    ///
    /// # Errors
    ///
    /// [`JournalError::Unavailable`] if the server cannot be reached; [`JournalError::Foreign`] for a
    /// URL that is none, a database of a newer version or of several instances, a server that loses what
    /// it has confirmed (`fsync` or `synchronous_commit` is `off`), or one that is not in UTF-8.
    pub async fn connect(url: &str) -> Result<Self, JournalError> {
        Self::start(url, None, true).await
    }

    /// Connects to the journal of an instance in a database that may hold several.
    ///
    /// # Errors
    ///
    /// As [`PostgresJournal::connect`].
    pub async fn connect_to(url: &str, instance: &InstanceId) -> Result<Self, JournalError> {
        Self::start(url, Some(instance), true).await
    }

    /// Connects to a journal that exists, and makes nothing in a database that has none.
    ///
    /// # Errors
    ///
    /// As [`PostgresJournal::connect`]; [`JournalError::Missing`] for a database without the tables. That
    /// no engine has written to it yet is told by the calls that need to know.
    pub async fn connect_existing(
        url: &str,
        instance: Option<&InstanceId>,
    ) -> Result<Self, JournalError> {
        Self::start(url, instance, false).await
    }

    /// Tables of a host's own in the journal's database.
    #[must_use]
    pub fn tables(&self) -> PostgresTables {
        PostgresTables::new(Arc::clone(&self.node), Arc::clone(&self.thread))
    }

    async fn start(
        url: &str,
        instance: Option<&InstanceId>,
        found: bool,
    ) -> Result<Self, JournalError> {
        let server = Server::of(url)?;
        let thread = Arc::new(Thread::start()?);
        let connections = Connections::to(&server)?;
        let instance = instance.cloned().map_or_else(OnceLock::new, OnceLock::from);
        let node = Arc::new(Node {
            server,
            connections,
            instance,
            news: watch::Sender::default(),
            looks: Looks::default(),
        });
        let journal = Self { node: Arc::clone(&node), tail: Tail::default(), thread };
        let opened = async move {
            schema::bring_up(&node.server, found).await?;
            node.known_instance().await.map(drop)
        };
        journal.run(opened).await?;
        Ok(journal)
    }

    /// Runs something on the journal's thread. It goes on when nobody waits for it any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Fault>> + Send + 'static,
    ) -> Result<T, JournalError> {
        self.thread.run(work).await.map_err(|fault| fault.of(&self.node.server))
    }
}

impl Node {
    /// The instance: the one that was named, or the only one there is.
    async fn known_instance(&self) -> Result<Option<&InstanceId>, Fault> {
        if self.instance.get().is_none()
            && let Some(found) = self.only_instance().await?
        {
            let _ = self.instance.set(found);
        }
        Ok(self.instance.get())
    }

    /// What is known of the head before something is asked.
    fn before(&self) -> Before {
        self.news.borrow().before()
    }

    /// Takes note of a position that is in the journal for good.
    fn reached(&self, position: Position) {
        self.news.send_if_modified(|news| news.reached(position));
    }

    /// Takes note of a head that was read after what was known `before`.
    fn saw(&self, before: Before, head: Position) -> Result<(), Fault> {
        let mut lost = None;
        self.news.send_if_modified(|news| {
            news.found(before, head).unwrap_or_else(|known| {
                lost = Some(known);
                false
            })
        });
        let Some(known) = lost else { return Ok(()) };
        // Every call fails from here on: what was disclosed is not in this journal.
        Err(Fault::Told(JournalError::Corrupt {
            journal: self.server.to_string(),
            position: head,
            cause: format!(
                "it ended at {known} before: a standby took over that had not everything, or an \
                 old backup was restored; if that is meant, start all engines on it anew"
            ),
        }))
    }
}

impl Journal for PostgresJournal {
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>> {
        let batch = append::Rows::of(batch, append::Place::Known);
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            let appended = self.thread.run(async move { node.append(expected, &batch).await });
            append::answer(&self.node, appended.await)
        })
    }

    fn append_past<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
        users: &'a [UserId],
    ) -> BoxFuture<'a, Result<Vec<Recorded>, AppendError>> {
        let (call, node) = (past::Call::of(batch, users), Arc::clone(&self.node));
        Box::pin(async move {
            let appended = self.thread.run(async move { node.append_past(expected, &call?).await });
            append::answer(&self.node, appended.await)
        })
    }

    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            let held = self.run(async move { node.hold(after).await }).await?;
            Ok(Box::new(hold::HeldHead::new(self, held)) as Box<dyn Held>)
        })
    }

    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(self.run(async move { node.read_after(after, limit).await }))
    }

    fn next_change(
        &self,
        after: Position,
        up_to: Position,
    ) -> BoxFuture<'_, Result<Option<Position>, JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(self.run(async move { node.next_change(after, up_to).await }))
    }

    fn instance(&self) -> BoxFuture<'_, Result<InstanceId, JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(self.run(async move { node.founded_instance().await }))
    }

    fn head(&self) -> BoxFuture<'_, Result<Position, JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(async move {
            // An engine polls once, to see whether the head is told without waiting. It is not, and
            // nothing is asked of the server in vain.
            tokio::task::yield_now().await;
            self.run(async move { node.head().await }).await
        })
    }

    fn look(&self) -> Option<BoxFuture<'static, Result<Position, JournalError>>> {
        let (look, node) = (self.node.look(&self.thread.handle)?, Arc::clone(&self.node));
        Some(Box::pin(async move { look.await.map_err(|fault| fault.of(&node.server)) }))
    }

    fn runtime(&self) -> Option<tokio::runtime::Handle> {
        Some(self.thread.handle.clone())
    }

    fn gathers(&self) -> bool {
        true
    }

    fn changed(&self, known: Position) -> BoxFuture<'_, ()> {
        self.tail.ensure(&self.thread, &self.node);
        self.node.news.send_if_modified(|news| news.follow(known));
        let mut news = self.node.news.subscribe();
        Box::pin(async move {
            let faults = news.borrow_and_update().faults;
            // Also for a fault: whoever reads on will meet it and say so. The sender lives as long as
            // this journal, so waiting cannot fail.
            let _ = news.wait_for(|it| it.head > known || it.faults != faults).await;
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(self.run(async move { node.probe().await }))
    }

    fn save_part<'a>(
        &'a self,
        checkpoint: CheckpointId,
        part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>> {
        let (node, part) = (Arc::clone(&self.node), part.clone());
        Box::pin(self.run(async move { node.save_part(checkpoint, &part).await }))
    }

    fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(self.run(async move { node.finish_checkpoint(checkpoint, parts).await }))
    }

    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(self.run(async move { node.checkpoint().await }))
    }

    fn release(&self) {
        self.tail.release();
        self.node.looks.release();
        self.node.connections.release();
    }

    fn prune(&self, before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>> {
        let node = Arc::clone(&self.node);
        Box::pin(self.run(async move { node.prune(before).await }))
    }
}

impl fmt::Debug for PostgresJournal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresJournal")
            .field("server", &self.node.server.to_string())
            .field("instance", &self.node.instance.get())
            .finish_non_exhaustive()
    }
}
