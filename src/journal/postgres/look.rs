//! Looks at the head from where the callers are, over a connection that a runtime of theirs drives: the answer
//! finds the caller without a way from thread to thread, which costs more than the look. It is a short cut,
//! taken by one at a time: whoever finds it occupied, closed or slow goes by the journal's own thread.

use std::future::Future;
use std::mem;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Statement};

use super::Node;
use super::connection::{begin_session, check};
use super::fault::{Fault, answered};
use super::read::HEAD;
use crate::journal::Position;

/// So long an answer may take; after twice that at the latest the caller goes the other way.
const LIMIT: Duration = Duration::from_millis(250);
/// How long to leave it after it has failed.
const AGAIN: Duration = Duration::from_secs(1);

#[derive(Default)]
pub(super) struct Looks(Mutex<State>);

#[derive(Default)]
enum State {
    #[default]
    Unused,
    Connecting,
    Open(Arc<Line>),
    Failed(Instant),
}

/// The connection. Whoever drives it ends when this is dropped.
struct Line {
    client: Client,
    statement: Statement,
    /// Ends the wait for an answer, also where nobody drives the connection any more.
    given_up: Notify,
    opened: Instant,
    /// Since when somebody has it, in milliseconds after it was opened; [`FREE`] if nobody does.
    taken: AtomicU64,
}

const FREE: u64 = u64::MAX;

impl Line {
    fn now(&self) -> u64 {
        u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(FREE)
    }

    fn take(self: &Arc<Self>) -> Option<Taken> {
        let taken =
            self.taken.compare_exchange(FREE, self.now(), Ordering::AcqRel, Ordering::Relaxed);
        taken.is_ok().then(|| Taken(Arc::clone(self)))
    }

    fn is_slow(&self) -> bool {
        let taken = self.taken.load(Ordering::Acquire);
        taken != FREE && Duration::from_millis(self.now().saturating_sub(taken)) > LIMIT
    }
}

/// Gives a connection up that gives no answer. Once for all looks: a time limit for each would wake a
/// thread. Runs on the journal's own thread, for the callers' runtimes may stand still.
async fn watch(line: Weak<Line>) {
    loop {
        tokio::time::sleep(LIMIT).await;
        match line.upgrade() {
            Some(line) if line.is_slow() => return line.given_up.notify_one(),
            Some(_) => {}
            None => return,
        }
    }
}

/// The right to use it.
struct Taken(Arc<Line>);

impl Drop for Taken {
    fn drop(&mut self) {
        self.0.taken.store(FREE, Ordering::Release);
    }
}

impl Looks {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn release(&self) {
        drop(mem::take(&mut *self.state()));
    }

    fn fail(&self) {
        *self.state() = State::Failed(Instant::now());
    }

    /// The connection, if nobody else has it. One that is not there is made for the next who asks.
    fn take(&self, node: &Arc<Node>, thread: &Handle) -> Option<Taken> {
        let mut state = self.state();
        match &*state {
            State::Open(line) if !line.client.is_closed() => {
                return line.take();
            }
            State::Connecting => return None,
            State::Failed(at) if at.elapsed() < AGAIN => return None,
            State::Unused | State::Open(_) | State::Failed(_) => {}
        }
        let callers = Handle::try_current().ok()?;
        *state = State::Connecting;
        // A runtime that ends drops what it is given at once.
        drop(state);
        callers.spawn(Connecting(Arc::clone(node)).connect(thread.clone()));
        None
    }
}

/// Somebody's runtime makes the connection; it may end before it is made.
struct Connecting(Arc<Node>);

impl Connecting {
    async fn connect(self, thread: Handle) {
        let Ok(line) = open(&self.0).await else { return };
        thread.spawn(watch(Arc::downgrade(&line)));
        let mut state = self.0.looks.state();
        // Unless it was released meanwhile.
        if matches!(*state, State::Connecting) {
            *state = State::Open(line);
        }
    }
}

impl Drop for Connecting {
    fn drop(&mut self) {
        let mut state = self.0.looks.state();
        if matches!(*state, State::Connecting) {
            *state = State::Failed(Instant::now());
        }
    }
}

async fn open(node: &Node) -> Result<Arc<Line>, Fault> {
    let (client, connection) = answered(node.server.connect()).await?;
    tokio::spawn(connection);
    begin_session(&client).await?;
    check(&client, &node.server).await?;
    let statement = answered(client.prepare(HEAD)).await?;
    let (opened, taken) = (Instant::now(), AtomicU64::new(FREE));
    Ok(Arc::new(Line { client, statement, given_up: Notify::new(), opened, taken }))
}

impl Node {
    /// Looks, if the connection is free.
    pub(super) fn look(
        self: &Arc<Self>,
        thread: &Handle,
    ) -> Option<impl Future<Output = Result<Position, Fault>> + Send + use<>> {
        self.instance.get()?;
        let taken = self.looks.take(self, thread)?;
        let node = Arc::clone(self);
        Some(async move {
            let looked = node.look_over(&taken.0).await;
            if looked.is_err() {
                node.looks.fail();
            }
            looked
        })
    }

    async fn look_over(&self, line: &Line) -> Result<Position, Fault> {
        let before = self.before();
        let Some(instance) = self.instance.get() else { return Ok(0) };
        let of: [&(dyn ToSql + Sync); 1] = [&instance.as_str()];
        let row = tokio::select! {
            biased;
            row = line.client.query_opt(&line.statement, &of) => row?,
            () = line.given_up.notified() => {
                return Err(Fault::Lost(format!("no answer within {LIMIT:?}")));
            }
        };
        let head = row.map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or(0);
        let head = head.cast_unsigned();
        self.saw(before, head)?;
        Ok(head)
    }
}
