//! A connection: what it is doing, and whether it may go on.
//!
//! ```text
//!             body has come         head of the answer        end of the answer
//!   receiving ───────────► working ─────────────────► unread ─────────────────► done
//!    (the client's turn)    (ours)                      ▲ │ (the client's turn)
//!                              there is more to send    │ ▼ nothing to send yet
//!                                                      quiet
//!                                                      (ours)
//! ```
//!
//! Each of its requests is in one of these stages. Who takes long is told by whose turn it is.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection(Mutex<State>);

#[derive(Debug)]
struct State {
    /// How many of its requests are not done.
    requests: usize,
    /// How many of them are ours to answer.
    working: usize,
    /// How many have an answer that is a stream with nothing to tell at the moment.
    quiet: usize,
    /// How many have an answer that its client does not take.
    unread: usize,
    /// Whether a request has been answered.
    is_served: bool,
    /// When it was opened, or a request last began or an answer went on.
    moved: Instant,
    /// Since when the system takes no more bytes, for its client does not.
    blocked: Option<Instant>,
    /// Has the connection end, once.
    end: Option<oneshot::Sender<()>>,
}

impl State {
    /// How many requests are in a stage, if that is counted.
    fn count(&mut self, stage: Stage) -> Option<&mut usize> {
        match stage {
            Stage::Working => Some(&mut self.working),
            Stage::Quiet => Some(&mut self.quiet),
            Stage::Unread => Some(&mut self.unread),
            Stage::Receiving | Stage::Done => None,
        }
    }
}

/// The first one to go is the smallest: one that never had a request answered before all others, then
/// the one where nothing has happened for longest.
pub(super) type Rank = (bool, Instant);

/// How long a connection may do nothing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// Without a request.
    pub(super) idle: Duration,
    /// With answers that its client does not read.
    pub(super) unread: Duration,
}

impl Connection {
    /// A new one, and what tells it to end.
    pub(super) fn open(now: Instant) -> (Self, oneshot::Receiver<()>) {
        let (end, ended) = oneshot::channel();
        let state = State {
            requests: 0,
            working: 0,
            quiet: 0,
            unread: 0,
            is_served: false,
            moved: now,
            blocked: None,
            end: Some(end),
        };
        (Self(Mutex::new(state)), ended)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a request of it has been answered.
    pub(super) fn is_served(&self) -> bool {
        self.state().is_served
    }

    /// The system takes no more bytes, or takes them again.
    pub(super) fn set_blocked(&self, blocked: Option<Instant>) {
        self.state().blocked = blocked;
    }

    /// When it has to go for others; `None` while it is our turn.
    pub(super) fn rank(&self) -> Option<Rank> {
        let state = self.state();
        (state.working == 0 && state.quiet == 0).then_some((state.is_served, state.moved))
    }

    /// What its client has taken too long for.
    pub(super) fn overdue(&self, now: Instant, patience: &Patience) -> Option<&'static str> {
        let state = self.state();
        let is_older = |since: Instant, than| now.saturating_duration_since(since) >= than;
        let is_blocked = state.blocked.is_some_and(|since| is_older(since, patience.unread));
        // While requests wait for us, it may be us who is slow.
        let is_unread = state.unread > 0 && state.working == 0;
        if is_blocked || is_unread && is_older(state.moved, patience.unread) {
            return Some("unread");
        }
        (state.requests == 0 && is_older(state.moved, patience.idle)).then_some("idle")
    }

    /// Has it end; `false` if it was told before.
    pub(super) fn end(&self) -> bool {
        let end = self.state().end.take();
        // It may be ending by itself at this moment.
        end.is_some_and(|end| end.send(()).is_ok())
    }
}

/// What a request waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    Receiving,
    Working,
    Unread,
    Quiet,
    Done,
}

/// A request of a connection; done when it is dropped.
#[derive(Debug)]
pub(super) struct Request {
    connection: Arc<Connection>,
    stage: Mutex<Stage>,
}

impl Request {
    pub(super) fn begin(connection: Arc<Connection>) -> Self {
        {
            let mut state = connection.state();
            state.requests = state.requests.saturating_add(1);
            state.moved = Instant::now();
        }
        Self { connection, stage: Mutex::new(Stage::Receiving) }
    }

    /// All of it has come.
    pub(super) fn received(&self) {
        self.go(|stage| if stage == Stage::Receiving { Stage::Working } else { stage });
    }

    /// It goes on to another stage.
    pub(super) fn go(&self, next: impl FnOnce(Stage) -> Stage) {
        let mut stage = self.stage.lock().unwrap_or_else(PoisonError::into_inner);
        let (old, new) = (*stage, next(*stage));
        // An answer that goes on is news, though it stays unread.
        if old == new && new != Stage::Unread {
            return;
        }
        *stage = new;
        let mut connection = self.connection.state();
        if let Some(count) = connection.count(old) {
            *count = count.saturating_sub(1);
        }
        if let Some(count) = connection.count(new) {
            *count = count.saturating_add(1);
        }
        if new == Stage::Done {
            connection.requests = connection.requests.saturating_sub(1);
        }
        // A client that went away before its answer was not served.
        connection.is_served |= old == Stage::Unread;
        if matches!(new, Stage::Unread | Stage::Done) {
            connection.moved = Instant::now();
        }
    }
}

impl Drop for Request {
    fn drop(&mut self) {
        self.go(|_| Stage::Done);
    }
}
