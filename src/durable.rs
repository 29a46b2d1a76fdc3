//! The durable engine: the same calls, and every verdict that it discloses is in a journal first.
//!
//! ```text
//!   begin ───────────► memory: claim a slot                    synchronous, no journal
//!   succeed, clean ──► memory, after one look at the head      no write
//!   everything else ─► committer ─► journal ─► memory ─► answer
//! ```
//!
//! Memory is the state of a prefix of the journal and only the committer moves it on.

mod admin;
mod command;
mod committer;
mod draft;
mod feed;
mod gather;
mod memory;
mod open;
mod restore;
mod seen;
mod settle;
mod snapshot;

use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc, oneshot, watch};

use crate::clock::Clock;
use crate::engine::attempt::EngineRef;
use crate::id::{InstanceId, OrgId, UserId};
use crate::journal::{Journal, JournalError, Position};
use crate::lockout::decide::Ticket;
use crate::lockout::state::Claim;
use crate::lockout::{Factor, Lock, Refusal, UserStatus};
use crate::policy::handle::OrgHandle;
use crate::policy::reader::Reader;
use crate::policy::{Details, LockoutPolicy, Resolved};
use command::{Command, Receipt};
use memory::Memory;
use seen::Seen;

pub use admin::WriteError;
pub use open::DurableBuilder;
pub use settle::{Admission, Attempt};

/// An engine whose verdicts, locks and policies survive the process.
///
/// Reads answer from memory and never wait. What writes is a future; it takes effect when it is
/// called, also if the future is dropped, and its answer is disclosed once it is in the journal.
///
/// While the journal cannot write, `begin` answers `Refused(Unavailable)` and every settling is an
/// error, for right and wrong secrets alike (rule D3). It goes on by itself once the journal does.
pub struct DurableEngine {
    shared: Arc<Shared>,
    queue: mpsc::Sender<Command>,
    /// Ends with the committer.
    committer: Mutex<Option<oneshot::Receiver<Infallible>>>,
}

/// What the engine's handle and its committer share.
struct Shared {
    memory: Memory,
    journal: Box<dyn Journal>,
    clock: Arc<dyn Clock>,
    /// Whether the journal's last write succeeded.
    healthy: AtomicBool,
    /// When memory was at the head.
    seen: Seen,
    /// The position that memory reflects, for those who wait for it to move.
    appended: watch::Sender<Position>,
    /// Asks the committer to end once all that waits is answered.
    closing: Notify,
}

/// Whether a durable engine can work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Health {
    /// Whether the journal's last write succeeded and the engine is open. If not, nobody is admitted.
    pub writable: bool,
    /// The position that memory reflects.
    pub position: Position,
    /// How many commands wait for the journal.
    pub waiting: usize,
}

impl Shared {
    fn is_healthy(&self) -> bool {
        self.healthy.load(Ordering::Acquire)
    }

    fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Release);
    }

    /// Puts a command into the committer's queue; if it takes no more, gives the attempt's slot back.
    fn hand(&self, queue: &mpsc::Sender<Command>, command: Command) -> Result<(), JournalError> {
        let fault = if self.is_healthy() {
            match queue.try_send(command) {
                Ok(()) => return Ok(()),
                Err(mpsc::error::TrySendError::Full(command)) => {
                    (command, JournalError::Overloaded { waiting: queue.max_capacity() })
                }
                Err(mpsc::error::TrySendError::Closed(command)) => (command, JournalError::Closed),
            }
        } else {
            (command, JournalError::Unavailable(String::from("its last write failed")))
        };
        if let (Command::Settle(settle), _) = &fault {
            self.memory.register.release(&settle.user, settle.ticket);
        }
        Err(fault.1)
    }
}

impl DurableEngine {
    /// The instance that the engine serves.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        self.shared.memory.hierarchy.instance()
    }

    /// As [`Engine::resolve`](crate::Engine::resolve).
    #[inline]
    #[must_use]
    pub fn resolve(&self, org: &str) -> Resolved {
        self.shared.memory.hierarchy.resolve(org)
    }

    /// As [`Engine::reader`](crate::Engine::reader).
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(&self.shared.memory.hierarchy)
    }

    /// As [`Engine::org`](crate::Engine::org).
    #[must_use]
    pub fn org(&self, org: &OrgId) -> OrgHandle {
        OrgHandle::new(&self.shared.memory.hierarchy, org)
    }

    /// As [`Engine::is_locked`](crate::Engine::is_locked).
    #[inline]
    #[must_use]
    pub fn is_locked(&self, user: &str) -> bool {
        self.shared.memory.register.is_locked(user)
    }

    /// As [`Engine::begin`](crate::Engine::begin); `Refused(Unavailable)` while the journal cannot
    /// write. Reads memory only.
    pub fn begin(&self, org: &OrgId, user: &UserId, factor: Factor) -> Admission<'_> {
        self.begin_for(EngineRef::Borrowed(self), org, user, factor)
    }

    /// As [`Engine::begin_owned`](crate::Engine::begin_owned).
    pub fn begin_owned(
        self: &Arc<Self>,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Admission<'static> {
        self.begin_for(EngineRef::Owned(Arc::clone(self)), org, user, factor)
    }

    fn begin_for<'e>(
        &self,
        engine: EngineRef<'e, Self>,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Admission<'e> {
        if !self.gives_verdicts() {
            return Admission::Refused(Refusal::Unavailable);
        }
        let memory = &self.shared.memory;
        match memory.register.if_locked(org, user) {
            Some(Ok(lock)) => return Admission::Locked(lock),
            Some(Err(refusal)) => return Admission::Refused(refusal),
            None => {}
        }
        match memory.register.claim(org, user, factor, || memory.limit(org, factor)) {
            Claim::Admitted(epoch, _) => {
                Admission::Admitted(Attempt::new(engine, user.clone(), Ticket { factor, epoch }))
            }
            Claim::Locked(since, cause) => {
                Admission::Locked(Lock { since, cause, org: org.clone() })
            }
            Claim::Busy => Admission::Busy,
            Claim::Refused(refusal) => Admission::Refused(refusal),
        }
    }

    /// As [`Engine::instance_policy`](crate::Engine::instance_policy).
    #[must_use]
    pub fn instance_policy(&self) -> (LockoutPolicy, Details) {
        self.shared.memory.hierarchy.default_with_details()
    }

    /// As [`Engine::policy`](crate::Engine::policy).
    #[must_use]
    pub fn policy(&self, org: &OrgId) -> (Resolved, Details) {
        self.shared.memory.hierarchy.with_details(org)
    }

    /// As [`Engine::overrides`](crate::Engine::overrides).
    pub fn overrides(&self) -> impl Iterator<Item = (OrgId, LockoutPolicy)> + use<> {
        self.shared.memory.hierarchy.overrides().into_iter()
    }

    /// As [`Engine::status`](crate::Engine::status).
    #[must_use]
    pub fn status(&self, user: &UserId) -> UserStatus {
        self.shared.memory.register.status(user)
    }

    /// As [`Engine::locked_users`](crate::Engine::locked_users).
    pub fn locked_users(&self) -> impl Iterator<Item = (UserId, Lock)> + use<> {
        self.shared.memory.register.locked_users().into_iter()
    }

    /// As [`Engine::tracked_users`](crate::Engine::tracked_users).
    #[must_use]
    pub fn tracked_users(&self) -> usize {
        self.shared.memory.register.tracked()
    }

    /// Whether the engine can work, and how much waits.
    #[must_use]
    pub fn health(&self) -> Health {
        Health {
            writable: self.gives_verdicts(),
            position: self.shared.memory.position(),
            waiting: self.queue.max_capacity().saturating_sub(self.queue.capacity()),
        }
    }

    /// The position of the newest event that is no check of a factor, or a later one: a host that
    /// follows its own events (see [`DurableEngine::record`]) has nothing to read while this does not
    /// move, however many logins fail. What a call has changed is behind it once the call has
    /// returned. A load from memory.
    #[must_use]
    pub fn last_change(&self) -> Position {
        self.shared.memory.changed()
    }

    /// Ends the engine: what was asked before is answered, what is asked from now on is
    /// [`JournalError::Closed`]. Dropping the engine does the same without waiting for it.
    pub async fn close(&self) {
        self.shared.closing.notify_one();
        let committer = self.committer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(committer) = committer {
            // Nothing comes: it ends once everybody is answered and the journal's files are closed.
            let _ = committer.await;
        }
    }

    /// Whether a settling could be answered, right or wrong: the journal's last write succeeded, and
    /// there is a committer.
    fn gives_verdicts(&self) -> bool {
        self.shared.is_healthy() && !self.queue.is_closed()
    }

    /// Hands a command to the committer; if it takes no more, gives the attempt's slot back.
    fn ask<T>(&self, command: Command, receipt: Receipt<T>) -> Result<Receipt<T>, JournalError> {
        self.shared.hand(&self.queue, command).map(|()| receipt)
    }
}

impl fmt::Debug for DurableEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DurableEngine")
            .field("instance", self.instance())
            .field("health", &self.health())
            .finish_non_exhaustive()
    }
}
