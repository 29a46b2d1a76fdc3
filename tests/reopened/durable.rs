//! A durable engine that carries the commands out, and ends and begins again.

use std::collections::BTreeMap;
use std::sync::Arc;

use portcullis::durable::{Admission, Attempt};
use portcullis::journal::{Journal, JournalError};
use portcullis::{
    Details, DurableBuilder, DurableEngine, Factor, LockoutPolicy, Refusal, WriteError,
};

use crate::common::drive::{Answer, Command};
use crate::common::naive::{Begun, Token};

/// Where a journal stays while engines come and go.
pub(crate) trait Place {
    type Journal: Journal;

    /// Opens it, as another process would.
    async fn journal(&self) -> Result<Self::Journal, JournalError>;
}

/// How an engine ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// What was asked is answered and a checkpoint written; what comes later is refused.
    Closed,
    /// Nobody waits for its end: it may still be writing a checkpoint when the next one opens.
    Dropped,
}

pub(crate) struct Durable<P: Place> {
    place: P,
    builder: DurableBuilder,
    /// Absent between an end and the next beginning.
    engine: Option<Arc<DurableEngine>>,
    attempts: BTreeMap<Token, Attempt<'static>>,
    /// An operator's hand on the journal.
    pub(crate) journal: P::Journal,
}

impl<P: Place> Durable<P> {
    pub(crate) async fn open(
        place: P,
        builder: DurableBuilder,
        default: LockoutPolicy,
    ) -> Result<Self, JournalError> {
        let (one, journal) = (place.journal().await?, place.journal().await?);
        let instance = "instance".parse().unwrap();
        let engine = builder.clone().open(instance, default, one).await?;
        let attempts = BTreeMap::new();
        Ok(Self { place, builder, engine: Some(Arc::new(engine)), attempts, journal })
    }

    pub(crate) fn engine(&self) -> &Arc<DurableEngine> {
        self.engine.as_ref().unwrap()
    }

    /// Ends the engine and all its attempts in flight, and sees that none of them is answered.
    pub(crate) async fn end(&mut self, ending: Ending) {
        let engine = self.engine.take().unwrap();
        let attempts = std::mem::take(&mut self.attempts);
        if ending == Ending::Dropped {
            return;
        }
        engine.close().await;
        for (token, attempt) in attempts {
            let settled = match token % 3 {
                0 => attempt.succeed().await,
                1 => attempt.fail().await,
                _ => continue,
            };
            assert_eq!(settled, Err(JournalError::Closed), "right or wrong");
        }
        let (org, user) = ("acme".parse().unwrap(), "newcomer".parse().unwrap());
        let late = engine.begin(&org, &user, Factor::Password);
        assert!(matches!(late, Admission::Refused(Refusal::Unavailable)), "{late:?}");
    }

    pub(crate) async fn reopen(&mut self) -> Result<(), JournalError> {
        let journal = self.place.journal().await?;
        // A journal that exists has its own default; this one must not show anywhere.
        let (instance, other) = ("instance".parse().unwrap(), LockoutPolicy::new(77, 77));
        let engine = self.builder.clone().open(instance, other, journal).await?;
        self.engine = Some(Arc::new(engine));
        Ok(())
    }

    /// Carries a command out. Settling an attempt that is not in flight does nothing.
    pub(crate) async fn run(&mut self, command: &Command) -> Result<Answer, JournalError> {
        let engine = Arc::clone(self.engine());
        Ok(match command {
            Command::SetDefault(policy) => {
                Answer::Policy(ruled(engine.set_instance_policy(*policy).await)?)
            }
            Command::Add(org, policy) => {
                Answer::Policy(ruled(engine.add_override(org, *policy).await)?)
            }
            Command::Change(org, policy) => {
                Answer::Policy(ruled(engine.change_override(org, *policy).await)?)
            }
            Command::Put(org, policy) => {
                Answer::Policy(ruled(engine.put_override(org, *policy).await)?)
            }
            Command::Reset(org) => Answer::Policy(ruled(engine.reset_to_default(org).await)?),
            Command::Begin(token, org, user, factor) => {
                let admission = engine.begin_owned(org, user, *factor);
                let begun = begun(&admission);
                if let Admission::Admitted(attempt) = admission {
                    self.attempts.insert(*token, attempt);
                }
                Answer::Begun(begun)
            }
            Command::Succeed(token) => match self.attempts.remove(token) {
                Some(attempt) => Answer::Verdict(attempt.succeed().await?),
                None => Answer::Nothing,
            },
            Command::Fail(token) => match self.attempts.remove(token) {
                Some(attempt) => Answer::Verdict(attempt.fail().await?),
                None => Answer::Nothing,
            },
            Command::Cancel(token) => {
                if let Some(attempt) = self.attempts.remove(token) {
                    attempt.cancel();
                }
                Answer::Nothing
            }
            Command::Guess(org, user, factor, right) => match engine.begin(org, user, *factor) {
                Admission::Admitted(attempt) if *right => Answer::Verdict(attempt.succeed().await?),
                Admission::Admitted(attempt) => Answer::Verdict(attempt.fail().await?),
                refused => Answer::Begun(begun(&refused)),
            },
            Command::Lock(org, user) => Answer::User(ruled(engine.lock(org, user).await)?),
            Command::Unlock(user) => Answer::User(ruled(engine.unlock(user).await)?),
            Command::CredentialChanged(org, user, factor) => {
                Answer::User(ruled(engine.credential_changed(org, user, *factor).await)?)
            }
            Command::Remove(org, user) => Answer::User(ruled(engine.remove_user(org, user).await)?),
        })
    }
}

/// What the rules say to a command that the journal took.
fn ruled<E>(written: Result<Details, WriteError<E>>) -> Result<Result<Details, E>, JournalError> {
    match written {
        Ok(details) => Ok(Ok(details)),
        Err(WriteError::Refused(rule)) => Ok(Err(rule)),
        Err(WriteError::Journal(fault)) => Err(fault),
    }
}

fn begun(admission: &Admission<'_>) -> Begun {
    match admission {
        Admission::Admitted(_) => Begun::Admitted,
        Admission::Locked(lock) => Begun::Locked(lock.clone()),
        Admission::Busy => Begun::Busy,
        Admission::Refused(refusal) => Begun::Refused(*refusal),
    }
}
