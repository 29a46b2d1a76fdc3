//! Commands as values, and an engine and the naive model that carry them out alike.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use portcullis::{
    Admission, Attempt, Clock, Details, Engine, EngineBuilder, Factor, LockError, LockoutPolicy,
    ManualClock, Observer, OrgId, PolicyError, Recorded, UserId, Verdict,
};

use super::naive::{Begun, Naive, Token};

/// Everything that can be done to an engine.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Command {
    SetDefault(LockoutPolicy),
    Add(OrgId, LockoutPolicy),
    Change(OrgId, LockoutPolicy),
    Put(OrgId, LockoutPolicy),
    Reset(OrgId),
    /// Begins an attempt that a later command settles.
    Begin(Token, OrgId, UserId, Factor),
    Succeed(Token),
    Fail(Token),
    Cancel(Token),
    /// Begins an attempt and, if it is admitted, settles it at once; `true` is the right secret.
    Guess(OrgId, UserId, Factor, bool),
    Lock(OrgId, UserId),
    Unlock(UserId),
    CredentialChanged(OrgId, UserId, Factor),
    Remove(OrgId, UserId),
}

/// What an engine answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Policy(Result<Details, PolicyError>),
    User(Result<Details, LockError>),
    Begun(Begun),
    Verdict(Verdict),
    /// To a cancellation, and to a settling of an attempt that was not admitted.
    Nothing,
}

/// The token of attempts that are settled at once.
const AT_ONCE: Token = Token::MAX;

impl Naive {
    /// Carries a command out, at the time that [`Naive::now`] tells.
    pub(crate) fn run(&mut self, command: &Command) -> Answer {
        match command {
            Command::SetDefault(policy) => Answer::Policy(self.set_instance_policy(*policy)),
            Command::Add(org, policy) => Answer::Policy(self.add_override(org, *policy)),
            Command::Change(org, policy) => Answer::Policy(self.change_override(org, *policy)),
            Command::Put(org, policy) => Answer::Policy(self.put_override(org, *policy)),
            Command::Reset(org) => Answer::Policy(self.reset_to_default(org)),
            Command::Begin(token, org, user, factor) => {
                Answer::Begun(self.begin(*token, org, user, *factor))
            }
            Command::Succeed(token) => Answer::Verdict(self.succeed(*token)),
            Command::Fail(token) => Answer::Verdict(self.fail(*token)),
            Command::Cancel(token) => {
                self.cancel(*token);
                Answer::Nothing
            }
            Command::Guess(org, user, factor, right) => {
                match (self.begin(AT_ONCE, org, user, *factor), right) {
                    (Begun::Admitted, true) => Answer::Verdict(self.succeed(AT_ONCE)),
                    (Begun::Admitted, false) => Answer::Verdict(self.fail(AT_ONCE)),
                    (refused, _) => Answer::Begun(refused),
                }
            }
            Command::Lock(org, user) => Answer::User(self.lock(org, user)),
            Command::Unlock(user) => Answer::User(self.unlock(user)),
            Command::CredentialChanged(org, user, factor) => {
                Answer::User(self.credential_changed(org, user, *factor))
            }
            Command::Remove(org, user) => Answer::User(self.remove_user(org, user)),
        }
    }
}

/// An engine, its clock and the attempts that are in flight.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) engine: Arc<Engine>,
    pub(crate) clock: ManualClock,
    pub(crate) seen: Seen,
    attempts: BTreeMap<Token, Attempt<'static>>,
}

impl Live {
    /// An engine that is watched, with a clock that stands at the Unix epoch.
    pub(crate) fn watched(
        policy: LockoutPolicy,
        choose: impl FnOnce(EngineBuilder) -> EngineBuilder,
    ) -> Self {
        let seen = Seen::default();
        let watched = seen.clone();
        Self { seen, ..Self::unwatched(policy, |builder| choose(builder.observer(watched))) }
    }

    /// The same, without an observer.
    pub(crate) fn unwatched(
        policy: LockoutPolicy,
        choose: impl FnOnce(EngineBuilder) -> EngineBuilder,
    ) -> Self {
        let clock = ManualClock::default();
        let builder = Engine::builder("instance".parse().expect("an id"), policy);
        let engine = Arc::new(choose(builder.clock(clock.clone())).build());
        Self { engine, clock, seen: Seen::default(), attempts: BTreeMap::new() }
    }

    /// The naive model of such an engine without a cap.
    pub(crate) fn twin(&self) -> Naive {
        let (policy, _) = self.engine.instance_policy();
        Naive::new(self.engine.instance().clone(), policy, self.clock.now())
    }

    /// Carries a command out. Settling an attempt that is not in flight does nothing.
    pub(crate) fn run(&mut self, command: &Command) -> Answer {
        let engine = &self.engine;
        match command {
            Command::SetDefault(policy) => Answer::Policy(engine.set_instance_policy(*policy)),
            Command::Add(org, policy) => Answer::Policy(engine.add_override(org, *policy)),
            Command::Change(org, policy) => Answer::Policy(engine.change_override(org, *policy)),
            Command::Put(org, policy) => Answer::Policy(engine.put_override(org, *policy)),
            Command::Reset(org) => Answer::Policy(engine.reset_to_default(org)),
            Command::Begin(token, org, user, factor) => {
                let admission = engine.begin_owned(org, user, *factor);
                let begun = Begun::from(&admission);
                if let Admission::Admitted(attempt) = admission {
                    self.attempts.insert(*token, attempt);
                }
                Answer::Begun(begun)
            }
            Command::Succeed(token) => self.settle(*token, Attempt::succeed),
            Command::Fail(token) => self.settle(*token, Attempt::fail),
            Command::Cancel(token) => {
                if let Some(attempt) = self.attempts.remove(token) {
                    cancel_or_drop(*token, attempt);
                }
                Answer::Nothing
            }
            Command::Guess(org, user, factor, right) => match engine.begin(org, user, *factor) {
                Admission::Admitted(attempt) if *right => Answer::Verdict(attempt.succeed()),
                Admission::Admitted(attempt) => Answer::Verdict(attempt.fail()),
                refused => Answer::Begun(Begun::from(&refused)),
            },
            Command::Lock(org, user) => Answer::User(engine.lock(org, user)),
            Command::Unlock(user) => Answer::User(engine.unlock(user)),
            Command::CredentialChanged(org, user, factor) => {
                Answer::User(engine.credential_changed(org, user, *factor))
            }
            Command::Remove(org, user) => Answer::User(engine.remove_user(org, user)),
        }
    }

    fn settle(&mut self, token: Token, how: impl FnOnce(Attempt<'static>) -> Verdict) -> Answer {
        self.attempts.remove(&token).map_or(Answer::Nothing, |it| Answer::Verdict(how(it)))
    }
}

/// The two ways to give up an attempt are one: even tokens take the first, odd ones the other.
fn cancel_or_drop(token: Token, attempt: Attempt<'static>) {
    if token.is_multiple_of(2) {
        attempt.cancel();
    } else {
        drop(attempt);
    }
}

/// A verdict as an observer is told it.
pub(crate) type Told = (OrgId, UserId, Factor, Verdict);

/// An observer that keeps all it is told.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    events: Arc<Mutex<Vec<Recorded>>>,
    verdicts: Arc<Mutex<Vec<Told>>>,
}

impl Seen {
    /// The events since the last call.
    pub(crate) fn take_events(&self) -> Vec<Recorded> {
        std::mem::take(&mut *self.events.lock().expect("no observer panics"))
    }

    /// The verdicts since the last call.
    pub(crate) fn take_verdicts(&self) -> Vec<Told> {
        std::mem::take(&mut *self.verdicts.lock().expect("no observer panics"))
    }
}

impl Observer for Seen {
    fn event(&self, recorded: &Recorded) {
        self.events.lock().expect("no observer panics").push(recorded.clone());
    }

    fn verdict(&self, org: &OrgId, user: &UserId, factor: Factor, verdict: &Verdict) {
        let told = (org.clone(), user.clone(), factor, verdict.clone());
        self.verdicts.lock().expect("no observer panics").push(told);
    }
}
