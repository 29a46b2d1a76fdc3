//! Attempts: begun before the check, settled once after it.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Engine;
use crate::id::UserId;
use crate::lockout::decide::{Outcome, Ticket};
use crate::lockout::public::PublicAnswer;
use crate::lockout::{AttemptInfo, Factor, Lock, Refusal, Verdict};
use crate::policy::hierarchy::Moment;
use crate::policy::{AttemptLimit, LockoutPolicy};

/// The answer to [`Engine::begin`]. Only an admitted attempt may run its check.
#[derive(Debug)]
#[must_use = "only `Admission::Admitted` may run the check"]
pub enum Admission<'e> {
    /// Run the check, then settle the attempt.
    Admitted(Attempt<'e>),
    /// The user is locked. Run no check: it could only tell an attacker something (rule A1).
    Locked(Lock),
    /// As many checks of this factor are running as may still fail: try again when one has settled
    /// (rule A2).
    Busy,
    /// The attempt is refused for another reason.
    Refused(Refusal),
}

impl Admission<'_> {
    /// The answer for the person at the keyboard, under the policy of the user's organization.
    #[must_use]
    pub fn public(&self, policy: &LockoutPolicy) -> PublicAnswer {
        let open = match self {
            Self::Admitted(_) => PublicAnswer::Pending,
            Self::Locked(_) => PublicAnswer::Locked,
            Self::Busy | Self::Refused(_) => PublicAnswer::TryAgain,
        };
        open.under(policy)
    }
}

/// An admitted attempt: the right to run one check, and a slot of the user's limit.
///
/// It is settled once, by [`succeed`](Self::succeed) or [`fail`](Self::fail), and only settling
/// gives a verdict. Dropping it gives the slot back and counts nothing (rule A7): answer your
/// client only after settling, then an abandoned attempt has told nobody anything.
///
/// It holds no lock and may be sent to another thread or kept over an await.
///
/// ```
/// # use portcullis::*;
/// # let engine = Engine::new("main".parse().unwrap(), LockoutPolicy::new(5, 5));
/// # let (org, user) = ("acme".parse().unwrap(), "ada".parse().unwrap());
/// if let Admission::Admitted(attempt) = engine.begin(&org, &user, Factor::Password) {
///     let verdict: Verdict = attempt.fail();
/// }
/// ```
///
/// It cannot be settled twice:
///
/// ```compile_fail,E0382
/// # use portcullis::*;
/// # let engine = Engine::new("main".parse().unwrap(), LockoutPolicy::new(5, 5));
/// # let (org, user) = ("acme".parse().unwrap(), "ada".parse().unwrap());
/// if let Admission::Admitted(attempt) = engine.begin(&org, &user, Factor::Password) {
///     let verdict: Verdict = attempt.fail();
///     let again: Verdict = attempt.succeed();
/// }
/// ```
///
/// And there is no verdict without settling:
///
/// ```compile_fail,E0308
/// # use portcullis::*;
/// # let engine = Engine::new("main".parse().unwrap(), LockoutPolicy::new(5, 5));
/// # let (org, user) = ("acme".parse().unwrap(), "ada".parse().unwrap());
/// if let Admission::Admitted(attempt) = engine.begin(&org, &user, Factor::Password) {
///     let verdict: Verdict = attempt.cancel();
/// }
/// ```
#[must_use = "an attempt that is dropped is cancelled: settle it after the check"]
pub struct Attempt<'e> {
    engine: EngineRef<'e, Engine>,
    user: UserId,
    ticket: Ticket,
    /// The limit when it began.
    limit: (Moment, AttemptLimit),
    info: Option<Box<AttemptInfo>>,
    settled: bool,
}

impl<'e> Attempt<'e> {
    #[inline]
    pub(super) fn new(
        engine: EngineRef<'e, Engine>,
        user: UserId,
        ticket: Ticket,
        limit: (Moment, AttemptLimit),
    ) -> Self {
        Self { engine, user, ticket, limit, info: None, settled: false }
    }

    /// Adds what is known of the client; it goes into the event.
    pub fn with_info(mut self, info: AttemptInfo) -> Self {
        self.info = Some(Box::new(info));
        self
    }

    /// The user whose factor is checked.
    #[must_use]
    pub fn user(&self) -> &UserId {
        &self.user
    }

    /// The factor that is checked.
    #[must_use]
    pub fn factor(&self) -> Factor {
        self.ticket.factor
    }

    /// Settles: the check succeeded (rules A4, A5).
    #[inline]
    pub fn succeed(self) -> Verdict {
        self.settle(Outcome::Success)
    }

    /// Settles: the check failed (rules A3, A5).
    #[inline]
    pub fn fail(self) -> Verdict {
        self.settle(Outcome::Failure)
    }

    /// Gives the slot back; nothing is counted and nothing answered (rule A7).
    pub fn cancel(self) {}

    #[inline]
    fn settle(mut self, outcome: Outcome) -> Verdict {
        self.settled = true;
        self.engine.settle(&self.user, self.ticket, self.limit, outcome, self.info.take())
    }
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.settled {
            self.engine.register.release(&self.user, self.ticket);
        }
    }
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("user", &self.user)
            .field("factor", &self.ticket.factor)
            .finish_non_exhaustive()
    }
}

/// The engine of an attempt, borrowed or shared.
pub(crate) enum EngineRef<'e, E> {
    Borrowed(&'e E),
    Owned(Arc<E>),
}

impl<E> Deref for EngineRef<'_, E> {
    type Target = E;

    #[inline]
    fn deref(&self) -> &E {
        match self {
            Self::Borrowed(engine) => engine,
            Self::Owned(engine) => engine,
        }
    }
}
