//! The pure core of locking: what a command comes to, given a user's state and the limit in force.
//! Nothing is changed here; what follows from a decision is in the changes that it names.

use std::time::SystemTime;

use super::state::{Epoch, UserChange, UserState};
use super::{Factor, Lock, LockCause, Verdict};
use crate::error::LockError;
use crate::id::OrgId;
use crate::policy::AttemptLimit;

/// What a check found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Success,
    Failure,
}

/// An attempt's claim: what it checks, and when it began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) factor: Factor,
    pub(crate) epoch: Epoch,
}

/// A judgement and the changes that it rests on, in order.
#[derive(Debug)]
pub(crate) struct Settlement {
    pub(crate) judgement: Judgement,
    pub(crate) changes: [Option<UserChange>; 2],
}

impl Settlement {
    fn unchanged(judgement: Judgement) -> Self {
        Self { judgement, changes: [None, None] }
    }

    /// Why the user is to be locked, if it is.
    pub(crate) fn locks(&self) -> Option<LockCause> {
        match self.changes {
            [_, Some(UserChange::Locked(cause))] => Some(cause),
            _ => None,
        }
    }
}

/// A verdict without the organization of a lock: small enough to be handed about.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Judgement {
    Accepted,
    Rejected { failures: u32, limit: AttemptLimit, locked: bool },
    Locked(SystemTime, LockCause),
    Superseded,
}

impl Judgement {
    /// The verdict on a user of that organization.
    #[inline]
    pub(crate) fn verdict(self, org: &OrgId) -> Verdict {
        match self {
            Self::Accepted => Verdict::Accepted,
            Self::Rejected { failures, limit, locked } => {
                Verdict::Rejected { failures, limit, locked }
            }
            Self::Locked(since, cause) => Verdict::Locked(Lock { since, cause, org: org.clone() }),
            Self::Superseded => Verdict::Superseded,
        }
    }
}

/// Settles an attempt of a tracked user (rules A3 to A5, A8). `limit` is asked only if it matters.
#[inline]
pub(crate) fn settle(
    state: &UserState,
    ticket: Ticket,
    outcome: Outcome,
    limit: impl FnOnce() -> AttemptLimit,
) -> Settlement {
    let Ticket { factor, epoch } = ticket;
    if !state.is_current(factor, epoch) {
        return Settlement::unchanged(Judgement::Superseded);
    }
    if let Some((since, cause)) = state.locked_since() {
        return Settlement::unchanged(Judgement::Locked(since, cause));
    }
    let before = state.failures(factor);
    match outcome {
        Outcome::Success => {
            let reset = (before > 0).then_some(UserChange::CheckSucceeded(factor));
            Settlement { judgement: Judgement::Accepted, changes: [reset, None] }
        }
        Outcome::Failure => {
            let (failures, limit) = (before.saturating_add(1), limit());
            let locked = limit.is_reached_by(failures);
            let lock = locked.then_some(UserChange::Locked(LockCause::Failures(factor)));
            Settlement {
                judgement: Judgement::Rejected { failures, limit, locked },
                changes: [Some(UserChange::CheckFailed(factor)), lock],
            }
        }
    }
}

/// An administrator's command on a user.
#[derive(Clone, Debug)]
pub(crate) enum UserCommand {
    Lock(OrgId),
    Unlock,
    CredentialChanged(OrgId, Factor),
    Remove(OrgId),
}

impl UserCommand {
    /// The organization that the caller names.
    pub(crate) fn org(&self) -> Option<&OrgId> {
        match self {
            Self::Lock(org) | Self::CredentialChanged(org, _) | Self::Remove(org) => Some(org),
            Self::Unlock => None,
        }
    }
}

/// What a command does to a user (rules A8 to A11). One who is not tracked has an empty state.
pub(crate) fn administer(
    state: &UserState,
    command: &UserCommand,
) -> Result<UserChange, LockError> {
    if command.org().is_some_and(|org| state.org() != org) {
        return Err(LockError::OrgMismatch);
    }
    match command {
        UserCommand::Lock(_) if state.is_locked() => Err(LockError::AlreadyLocked),
        UserCommand::Lock(_) => Ok(UserChange::Locked(LockCause::Administrator)),
        UserCommand::Unlock if state.is_locked() => Ok(UserChange::Unlocked),
        UserCommand::Unlock => Err(LockError::NotLocked),
        UserCommand::CredentialChanged(_, factor) => Ok(UserChange::CredentialChanged(*factor)),
        UserCommand::Remove(_) => Ok(UserChange::Removed),
    }
}
