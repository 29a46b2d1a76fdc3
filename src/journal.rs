//! The journal: the ordered, durable record of events, and the contract that each one keeps.
//!
//! # The contract
//!
//! 1. *Order.* Positions start at 1 and have no gap. The order of positions is the order in which
//!    appends became durable.
//! 2. *All or nothing.* Of a batch, either every event is in the journal or none, whatever happens
//!    meanwhile: a crash, a full disk, a lost connection.
//! 3. *Durable.* `Ok` from an append means that the batch survives the death of the process and of
//!    the machine, at the journal's default settings.
//! 4. *Expected head.* A batch is appended only if the head is the position before its first event;
//!    else the answer is [`AppendError::Behind`] and nothing is written.
//!    With [`Journal::append_past`] it may come to stand after others that it was not decided on.
//! 5. *Once.* A batch has an identity, its writer and number. Appending one that stands at its place
//!    already answers `Ok` and writes nothing: so a batch whose answer was lost
//!    ([`AppendError::InDoubt`]) may be sent again until the answer comes.
//! 6. *Sure refusals.* `Behind` and [`AppendError::Unavailable`] mean that the batch is not in the
//!    journal and never will be by that call. Whatever is less than sure is `InDoubt`.
//! 7. *Hold.* While a [`Held`] lives nothing moves the head but it, and its events are all there are
//!    after the position that was asked for. A hold ends by itself after [`HOLD_LIMIT`] at the
//!    latest; an append by it then answers `Unavailable`.
//! 8. *Fair.* Writers that wait for a hold all get it: none waits for as long as another is busy.
//! 9. *Reading.* `read_after` answers with events in the order of their positions and without a gap,
//!    and never with one that is not durable. A position that was pruned is
//!    [`JournalError::Pruned`]; a record that cannot be read, or is not what was written, is
//!    [`JournalError::Corrupt`] with its position: nothing is skipped.
//! 10. *Head.* `head` tells at least the newest position whose append has returned before it was
//!     called, in whichever process.
//! 11. *Recovery.* After an error the same journal serves again once its cause is gone, without
//!     being opened anew by the caller. [`Journal::probe`] writes durably and changes nothing.
//! 12. *Pruning* removes only what a finished checkpoint covers, and never the checkpoint.
//!
//! A call may block its thread while it writes: an engine gives the committer a thread of its own, unless
//! the journal names a place ([`Journal::runtime`]).
//! [`Journal::head`] is called from any thread and is quick.

mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod row;
mod shared;
#[cfg(feature = "sqlite")]
mod sqlite;

use std::future::Future;
use std::pin::Pin;
use std::time::{Duration, SystemTime};

use crate::event::Recorded;
use crate::id::{InstanceId, UserId};

pub use memory::MemoryJournal;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresJournal, PostgresTables, PostgresTransaction, PostgresValue};
#[cfg(feature = "sqlite")]
pub use sqlite::SqliteJournal;

/// A place in the journal, from 1; 0 is before the first event.
pub type Position = u64;

/// The longest that a writer may keep the head to itself.
pub const HOLD_LIMIT: Duration = Duration::from_secs(1);

/// A future in a box, so that an engine need not be generic over its journal.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Events that are appended together, with positions that follow each other.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Which writer made it: a number that no two engines share.
    pub writer: u64,
    /// The writer's number for it, rising.
    pub number: u64,
    /// The events.
    pub events: Vec<Recorded>,
}

/// Which checkpoint a part belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CheckpointId {
    /// The writer that makes it.
    pub writer: u64,
    /// The position at which it was begun. No part of it is older.
    pub begun: Position,
}

/// A part of a checkpoint: an opaque piece of state, as it was at a position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckpointPart {
    /// The piece's number in the checkpoint, from 0.
    pub number: u32,
    /// The position that its state includes.
    pub position: Position,
    /// The state.
    pub state: Vec<u8>,
}

/// A finished checkpoint: with the events after `position` it gives the state of the head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The position at which it was begun. No part is older.
    pub position: Position,
    /// The parts, in order of their numbers.
    pub parts: Vec<CheckpointPart>,
}

/// Why a batch was not appended, or may not have been.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The head is not where the batch expects it: read on and decide anew.
    #[error("the journal has moved on")]
    Behind,
    /// The batch may or may not have been written: send the same again.
    #[error("it is not known whether the journal took the batch: {0}")]
    InDoubt(String),
    /// The batch was not written.
    #[error("the journal cannot write: {0}")]
    Unavailable(String),
}

/// Why a journal did not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JournalError {
    /// It cannot write or read now. The engine admits nobody until it can.
    #[error(
        "the journal is unavailable: {0}; nothing was changed, try again once the cause is gone"
    )]
    Unavailable(String),
    /// As many commands are waiting as may. Nothing was changed.
    #[error("the journal is too slow: {waiting} commands are waiting already; try again later")]
    Overloaded {
        /// How many wait.
        waiting: usize,
    },
    /// The engine is closed. Nothing was changed.
    #[error("the engine is closed")]
    Closed,
    /// What the journal holds is not what was written. Restore it from a backup.
    #[error("the journal {journal} is damaged at position {position}: {cause}")]
    Corrupt {
        /// Which journal.
        journal: String,
        /// The event's position, or the last good one.
        position: Position,
        /// What is wrong.
        cause: String,
    },
    /// It is no journal of this program, or of a newer version of it.
    #[error("{journal} cannot be used as a journal: {cause}")]
    Foreign {
        /// Which journal.
        journal: String,
        /// What was found.
        cause: String,
    },
    /// There is no journal where one was to be opened.
    #[error("there is no journal at {journal}: {cause}")]
    Missing {
        /// Which journal.
        journal: String,
        /// What was found.
        cause: String,
    },
    /// The journal belongs to another instance.
    #[error("the journal belongs to the instance {found}, not to {asked}")]
    OtherInstance {
        /// Whose it is.
        found: InstanceId,
        /// Whose it was taken for.
        asked: InstanceId,
    },
    /// Events after this position were pruned.
    #[error("events up to position {oldest} were pruned", oldest = oldest.saturating_sub(1))]
    Pruned {
        /// The oldest position that is left.
        oldest: Position,
    },
    /// The event's type is one of the engine's own.
    #[error("events of the type {0} are written by the engine alone")]
    ReservedType(String),
}

/// How many events to read at a time in search of one.
const PAGE: usize = 4096;

/// Whether events of a type are about a check of a factor, as most of a journal are.
fn is_check(type_name: &str) -> bool {
    type_name.contains(".check.")
}

/// A journal. See the [module's documentation](self) for the contract.
pub trait Journal: Send + Sync + 'static {
    /// Appends a batch after `expected` and answers with the new head.
    fn append<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>>;

    /// Appends a batch of users' events at the head, past what others have written after `expected`, and
    /// answers with that. The batch comes to stand after it: each event in a position that is later by as
    /// many, which is its sequence as well.
    ///
    /// [`AppendError::Behind`] if any of that is of the `users` that the batch was decided on, or of no
    /// user at all, such as a policy. A journal may give that answer to whatever it likes, and one that can
    /// do nothing of the kind gives it always: then there is [`Journal::hold`].
    fn append_past<'a>(
        &'a self,
        expected: Position,
        batch: &'a Batch,
        users: &'a [UserId],
    ) -> BoxFuture<'a, Result<Vec<Recorded>, AppendError>> {
        let _ = (expected, batch, users);
        Box::pin(async { Err(AppendError::Behind) })
    }

    /// Queues for the head; when it comes, nothing else can move it.
    fn hold(&self, after: Position) -> BoxFuture<'_, Result<Box<dyn Held + '_>, JournalError>>;

    /// Up to `limit` events after a position.
    fn read_after(
        &self,
        after: Position,
        limit: usize,
    ) -> BoxFuture<'_, Result<Vec<Recorded>, JournalError>>;

    /// The next event after a position and up to another whose type does not have `.check.` in it.
    /// Most events are checks of a factor: who follows the others need not read them all, and a
    /// journal that can look them up does not.
    ///
    /// [`JournalError::Pruned`] if events after `after` were pruned.
    fn next_change(
        &self,
        after: Position,
        up_to: Position,
    ) -> BoxFuture<'_, Result<Option<Position>, JournalError>> {
        Box::pin(async move {
            let mut after = after;
            loop {
                let page = self.read_after(after, PAGE).await?;
                let mut up_to_it = page.iter().take_while(|it| it.position <= up_to);
                if let Some(found) = up_to_it.find(|it| !is_check(it.event.type_name())) {
                    return Ok(Some(found.position));
                }
                match page.last() {
                    Some(last) if last.position < up_to => after = last.position,
                    _ => return Ok(None),
                }
            }
        })
    }

    /// The instance of a journal that is not empty: whose policy its first event is.
    fn instance(&self) -> BoxFuture<'_, Result<InstanceId, JournalError>>;

    /// The position of the newest event.
    fn head(&self) -> BoxFuture<'_, Result<Position, JournalError>>;

    /// [`Journal::head`] for a caller in a runtime of its own, without a way through the journal's thread, if
    /// the journal can do that now; a fault says nothing but that it could not.
    fn look(&self) -> Option<BoxFuture<'static, Result<Position, JournalError>>> {
        None
    }

    /// The runtime that drives the journal's connections, if it has one: the committer of an engine
    /// then runs there too, so that an answer finds it without a way from thread to thread. Such a
    /// journal never blocks.
    fn runtime(&self) -> Option<tokio::runtime::Handle> {
        None
    }

    /// Whether an append takes so long, whatever is in it, that an engine had better wait a moment for
    /// more.
    fn gathers(&self) -> bool {
        false
    }

    /// Resolves when the head may be another than `known`.
    fn changed(&self, known: Position) -> BoxFuture<'_, ()>;

    /// Writes durably and changes nothing.
    fn probe(&self) -> BoxFuture<'_, Result<(), JournalError>>;

    /// Stores a part of a checkpoint, replacing one of its number.
    fn save_part<'a>(
        &'a self,
        checkpoint: CheckpointId,
        part: &'a CheckpointPart,
    ) -> BoxFuture<'a, Result<(), JournalError>>;

    /// Declares a checkpoint finished, if it has that many parts. Older ones go.
    fn finish_checkpoint(
        &self,
        checkpoint: CheckpointId,
        parts: u32,
    ) -> BoxFuture<'_, Result<(), JournalError>>;

    /// The newest finished checkpoint.
    fn checkpoint(&self) -> BoxFuture<'_, Result<Option<Checkpoint>, JournalError>>;

    /// Lets go of files and connections. A later call takes them up again.
    fn release(&self) {}

    /// Removes the events older than `before` that the newest finished checkpoint covers, and
    /// answers how many they were.
    fn prune(&self, before: SystemTime) -> BoxFuture<'_, Result<u64, JournalError>>;
}

/// The head of a journal, held.
pub trait Held: Send {
    /// All events after the position that the hold was asked for.
    fn events(&self) -> &[Recorded];

    /// Appends a batch after the last of them, and lets the head go.
    fn append<'a>(
        self: Box<Self>,
        batch: &'a Batch,
    ) -> BoxFuture<'a, Result<Position, AppendError>>
    where
        Self: 'a;
}
