//! Given a policy and a history, when a command comes, then this is the answer and these are the
//! events:
//!
//! ```text
//! given(LockoutPolicy::new(2, 2))
//!     .after([fails(ADA, Password)])
//!     .when(fails(ADA, Password))
//!     .then(Locks(2, 2))
//!     .events(&["user.human.password.check.failed", "user.locked"]);
//! ```
//!
//! The clock moves one second before each command: the n-th one, history included, happens at
//! [`at`]`(n)`. Each command is put to the naive model as well, and its whole answer, its events
//! and the state it leaves must be the same there.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::expect_used, reason = "a test may panic")]

use std::time::{Duration, SystemTime};

use portcullis::{
    Details, Engine, EngineBuilder, Factor, LockCause, LockError, LockoutPolicy, OrgId,
    PolicyError, Recorded, Refusal, UserId, Verdict,
};

use super::drive::{Answer, Command, Live};
use super::naive::{Begun, Naive, Status, Token};

/// A user, named with the organization that the caller says the user is of.
pub(crate) type Who = (&'static str, &'static str);

pub(crate) const ADA: Who = ("acme", "ada");
pub(crate) const BOB: Who = ("acme", "bob");
pub(crate) const EVE: Who = ("globex", "eve");
/// The right user and another organization.
pub(crate) const ADA_ELSEWHERE: Who = ("globex", "ada");

pub(crate) fn org(id: &str) -> OrgId {
    id.parse().expect("an id")
}

pub(crate) fn user(id: &str) -> UserId {
    id.parse().expect("an id")
}

/// The time of the n-th command.
pub(crate) fn at(n: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(n)
}

pub(crate) fn begins(token: Token, who: Who, factor: Factor) -> Command {
    Command::Begin(token, org(who.0), user(who.1), factor)
}

/// The check of that attempt succeeds.
pub(crate) fn right(token: Token) -> Command {
    Command::Succeed(token)
}

/// The check of that attempt fails.
pub(crate) fn wrong(token: Token) -> Command {
    Command::Fail(token)
}

/// That attempt is cancelled or dropped.
pub(crate) fn gives_up(token: Token) -> Command {
    Command::Cancel(token)
}

/// A whole attempt with the wrong secret.
pub(crate) fn fails(who: Who, factor: Factor) -> Command {
    Command::Guess(org(who.0), user(who.1), factor, false)
}

/// A whole attempt with the right secret.
pub(crate) fn succeeds(who: Who, factor: Factor) -> Command {
    Command::Guess(org(who.0), user(who.1), factor, true)
}

pub(crate) fn locks(who: Who) -> Command {
    Command::Lock(org(who.0), user(who.1))
}

pub(crate) fn unlocks(who: Who) -> Command {
    Command::Unlock(user(who.1))
}

pub(crate) fn removes(who: Who) -> Command {
    Command::Remove(org(who.0), user(who.1))
}

pub(crate) fn has_new_credential(who: Who, factor: Factor) -> Command {
    Command::CredentialChanged(org(who.0), user(who.1), factor)
}

pub(crate) fn sets_default(policy: LockoutPolicy) -> Command {
    Command::SetDefault(policy)
}

pub(crate) fn adds(id: &str, policy: LockoutPolicy) -> Command {
    Command::Add(org(id), policy)
}

pub(crate) fn changes(id: &str, policy: LockoutPolicy) -> Command {
    Command::Change(org(id), policy)
}

pub(crate) fn puts(id: &str, policy: LockoutPolicy) -> Command {
    Command::Put(org(id), policy)
}

pub(crate) fn resets(id: &str) -> Command {
    Command::Reset(org(id))
}

/// An [`Answer`] in short: without times and numbers of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Admitted,
    Busy,
    Refused(Refusal),
    /// By begin or by settle.
    Locked(LockCause),
    Accepted,
    /// So many failures of so many.
    Rejected(u32, u32),
    /// The same, and this one locked.
    Locks(u32, u32),
    Superseded,
    /// An administrator's call went through and answered with details.
    Done,
    NoPolicy(PolicyError),
    NoLock(LockError),
    Nothing,
}

impl From<&Answer> for Then {
    fn from(answer: &Answer) -> Self {
        match answer {
            Answer::Policy(Ok(_)) | Answer::User(Ok(_)) => Self::Done,
            Answer::Policy(Err(error)) => Self::NoPolicy(*error),
            Answer::User(Err(error)) => Self::NoLock(*error),
            Answer::Begun(Begun::Admitted) => Self::Admitted,
            Answer::Begun(Begun::Busy) => Self::Busy,
            Answer::Begun(Begun::Refused(refusal)) => Self::Refused(*refusal),
            Answer::Begun(Begun::Locked(lock)) | Answer::Verdict(Verdict::Locked(lock)) => {
                Self::Locked(lock.cause)
            }
            Answer::Verdict(Verdict::Accepted) => Self::Accepted,
            Answer::Verdict(Verdict::Rejected { failures, limit, locked: false }) => {
                Self::Rejected(*failures, limit.get())
            }
            Answer::Verdict(Verdict::Rejected { failures, limit, locked: true }) => {
                Self::Locks(*failures, limit.get())
            }
            Answer::Verdict(Verdict::Superseded) => Self::Superseded,
            Answer::Nothing => Self::Nothing,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Scenario {
    live: Live,
    twin: Naive,
    commands: u64,
    answer: Answer,
    events: Vec<Recorded>,
}

/// An engine with that instance default and an observer.
pub(crate) fn given(policy: LockoutPolicy) -> Scenario {
    Scenario::new(policy, None)
}

/// The same, with a cap on tracked users.
pub(crate) fn given_capacity(users: usize, policy: LockoutPolicy) -> Scenario {
    Scenario::new(policy, Some(users))
}

impl Scenario {
    fn new(policy: LockoutPolicy, cap: Option<usize>) -> Self {
        let choose = |builder: EngineBuilder| match cap {
            Some(users) => builder.capacity(users),
            None => builder,
        };
        let live = Live::watched(policy, choose);
        let twin = cap.into_iter().fold(live.twin(), Naive::capacity).keeping_events();
        let events = live.seen.take_events();
        Self { live, twin, commands: 0, answer: Answer::Nothing, events }
    }

    /// Commands whose answers are of no interest here.
    #[track_caller]
    pub(crate) fn after(self, history: impl IntoIterator<Item = Command>) -> Self {
        history.into_iter().fold(self, Self::when)
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "a command made for this call reads better")]
    pub(crate) fn when(mut self, command: Command) -> Self {
        self.commands += 1;
        self.live.clock.set(at(self.commands));
        self.twin.now = at(self.commands);
        self.answer = self.live.run(&command);
        assert_eq!(self.answer, self.twin.run(&command), "the naive model answers {command:?}");
        self.events = self.live.seen.take_events();
        assert_eq!(self.events, self.twin.take_events(), "the naive model's events: {command:?}");
        assert_eq!(self.engine().tracked_users(), self.twin.tracked_users(), "{command:?}");
        assert!(self.engine().locked_users().eq(self.twin.locked_users()), "{command:?}");
        self
    }

    #[track_caller]
    pub(crate) fn then(self, expected: Then) -> Self {
        assert_eq!(Then::from(&self.answer), expected, "command {}", self.commands);
        self
    }

    /// Rows of when and then.
    #[track_caller]
    pub(crate) fn table<const N: usize>(self, rows: [(Command, Then); N]) -> Self {
        rows.into_iter().fold(self, |scenario, (when, then)| scenario.when(when).then(then))
    }

    /// The type names of the last command's events.
    #[track_caller]
    pub(crate) fn events(self, expected: &[&str]) -> Self {
        let names: Vec<_> = self.events.iter().map(|it| it.event.type_name()).collect();
        assert_eq!(names, expected, "command {}", self.commands);
        self
    }

    /// The last command's events in full.
    pub(crate) fn recorded(&self) -> &[Recorded] {
        &self.events
    }

    /// The details that the last command answered with.
    #[track_caller]
    pub(crate) fn details(&self) -> Details {
        match &self.answer {
            Answer::Policy(Ok(details)) | Answer::User(Ok(details)) => details.clone(),
            other => panic!("no details: {other:?}"),
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.live.engine
    }

    pub(crate) fn status(&self, who: Who) -> Status {
        Status::from(&self.engine().status(&user(who.1)))
    }

    /// A user's failures, in the order of [`Factor::ALL`].
    #[track_caller]
    pub(crate) fn failures(self, who: Who, expected: [u32; 5]) -> Self {
        assert_eq!(self.status(who).failures, expected, "{who:?}");
        self
    }

    #[track_caller]
    pub(crate) fn locked(self, who: Who, expected: bool) -> Self {
        assert_eq!(self.engine().is_locked(who.1), expected, "{who:?}");
        assert_eq!(self.status(who).lock.is_some(), expected, "{who:?}");
        self
    }

    #[track_caller]
    pub(crate) fn tracked(self, expected: usize) -> Self {
        assert_eq!(self.engine().tracked_users(), expected);
        self
    }
}
