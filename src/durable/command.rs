//! What callers ask of the committer.

use tokio::sync::oneshot;

use crate::error::{LockError, PolicyError};
use crate::event::{Aggregate, Event};
use crate::id::{Actor, OrgId, UserId};
use crate::journal::JournalError;
use crate::lockout::decide::{Outcome, Ticket, UserCommand};
use crate::lockout::{AttemptInfo, Verdict};
use crate::policy::Details;
use crate::policy::decide::PolicyCommand;

/// What a caller waits for.
pub(super) type Receipt<T> = oneshot::Receiver<Result<T, JournalError>>;

/// The place where a caller waits, and what was decided for it so far. A decision may be made anew
/// until its events are in the journal; only then it is told.
pub(super) struct Reply<T> {
    to: oneshot::Sender<Result<T, JournalError>>,
    decided: Option<T>,
}

impl<T> Reply<T> {
    pub(super) fn new() -> (Self, Receipt<T>) {
        let (to, receipt) = oneshot::channel();
        (Self { to, decided: None }, receipt)
    }

    pub(super) fn decide(&mut self, answer: T) {
        self.decided = Some(answer);
    }

    /// Tells the decision, or the fault. A caller that no longer waits has lost nothing.
    fn tell(self, fault: Option<&JournalError>) {
        let answer = match (fault, self.decided) {
            (None, Some(answer)) => Ok(answer),
            (Some(fault), _) => Err(fault.clone()),
            (None, None) => Err(JournalError::Closed),
        };
        let _ = self.to.send(answer);
    }
}

/// Something to decide.
pub(super) enum Command {
    Settle(Settle),
    Policy(ChangePolicy),
    User(Administer),
    Host(RecordHost),
}

pub(super) struct Settle {
    pub(super) user: UserId,
    pub(super) ticket: Ticket,
    pub(super) outcome: Outcome,
    pub(super) info: Option<Box<AttemptInfo>>,
    pub(super) reply: Reply<Verdict>,
}

pub(super) struct ChangePolicy {
    /// `None` for the instance default.
    pub(super) org: Option<OrgId>,
    pub(super) command: PolicyCommand,
    pub(super) actor: Actor,
    pub(super) reply: Reply<Result<Details, PolicyError>>,
}

pub(super) struct Administer {
    pub(super) user: UserId,
    pub(super) command: UserCommand,
    pub(super) actor: Actor,
    pub(super) reply: Reply<Result<Details, LockError>>,
}

pub(super) struct RecordHost {
    pub(super) aggregate: Aggregate,
    pub(super) event: Event,
    pub(super) actor: Actor,
    pub(super) reply: Reply<Details>,
}

impl Command {
    /// Answers the caller: with what was decided, or with the fault that kept it from the journal.
    pub(super) fn tell(self, fault: Option<&JournalError>) {
        match self {
            Self::Settle(settle) => settle.reply.tell(fault),
            Self::Policy(change) => change.reply.tell(fault),
            Self::User(administer) => administer.reply.tell(fault),
            Self::Host(record) => record.reply.tell(fault),
        }
    }
}
