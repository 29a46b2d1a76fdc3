//! What administrators do, durably: the same calls and rules as on [`Engine`](crate::Engine).

use std::future::Future;

use super::DurableEngine;
use super::command::{Administer, ChangePolicy, Command, Receipt, RecordHost, Reply};
use crate::error::{LockError, PolicyError};
use crate::event::{Aggregate, Event, stored};
use crate::id::{Actor, OrgId, UserId};
use crate::journal::JournalError;
use crate::lockout::Factor;
use crate::lockout::decide::UserCommand;
use crate::policy::decide::PolicyCommand;
use crate::policy::{Details, LockoutPolicy};

/// Why a durable change was not made: by a rule, or for the journal's sake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError<E> {
    /// A rule refuses it. Nothing was changed.
    #[error("{0}")]
    Refused(E),
    /// The journal did not take it.
    #[error(transparent)]
    Journal(#[from] JournalError),
}

type Written<E> = Result<Details, WriteError<E>>;

/// Each call twice, plain and by an actor. Both are handed to the committer when they are called.
macro_rules! writes {
    ($(
        $(#[$doc:meta])*
        $name:ident, $by:ident ($($arg:ident: $type:ty),*) -> $error:ty: $ask:ident($($what:expr),*)
    )*) => {$(
        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// The rule's or the journal's.
        pub fn $name(
            &self,
            $($arg: $type),*
        ) -> impl Future<Output = Written<$error>> + Send + use<> {
            self.$by(&Actor::system(), $($arg),*)
        }

        $(#[$doc])*
        ///
        /// # Errors
        ///
        /// The rule's or the journal's.
        pub fn $by(
            &self,
            actor: &Actor,
            $($arg: $type),*
        ) -> impl Future<Output = Written<$error>> + Send + use<> {
            self.$ask(actor, $($what),*)
        }
    )*};
}

impl DurableEngine {
    writes! {
        /// As [`Engine::set_instance_policy`](crate::Engine::set_instance_policy).
        set_instance_policy, set_instance_policy_by(policy: LockoutPolicy) -> PolicyError:
            change_policy(None, PolicyCommand::Change(policy))
        /// As [`Engine::add_override`](crate::Engine::add_override).
        add_override, add_override_by(org: &OrgId, policy: LockoutPolicy) -> PolicyError:
            change_policy(Some(org), PolicyCommand::Add(policy))
        /// As [`Engine::change_override`](crate::Engine::change_override).
        change_override, change_override_by(org: &OrgId, policy: LockoutPolicy) -> PolicyError:
            change_policy(Some(org), PolicyCommand::Change(policy))
        /// As [`Engine::put_override`](crate::Engine::put_override).
        put_override, put_override_by(org: &OrgId, policy: LockoutPolicy) -> PolicyError:
            change_policy(Some(org), PolicyCommand::Put(policy))
        /// As [`Engine::reset_to_default`](crate::Engine::reset_to_default).
        reset_to_default, reset_to_default_by(org: &OrgId) -> PolicyError:
            change_policy(Some(org), PolicyCommand::Reset)
        /// As [`Engine::lock`](crate::Engine::lock).
        lock, lock_by(org: &OrgId, user: &UserId) -> LockError:
            administer(user, UserCommand::Lock(org.clone()))
        /// As [`Engine::unlock`](crate::Engine::unlock).
        unlock, unlock_by(user: &UserId) -> LockError: administer(user, UserCommand::Unlock)
        /// As [`Engine::credential_changed`](crate::Engine::credential_changed).
        credential_changed, credential_changed_by(org: &OrgId, user: &UserId, factor: Factor)
            -> LockError: administer(user, UserCommand::CredentialChanged(org.clone(), factor))
        /// As [`Engine::remove_user`](crate::Engine::remove_user).
        remove_user, remove_user_by(org: &OrgId, user: &UserId) -> LockError:
            administer(user, UserCommand::Remove(org.clone()))
    }

    /// Records an event of the host's, such as a directory's: the engine gives it its place in the
    /// order of all events and does not interpret it.
    ///
    /// # Errors
    ///
    /// [`JournalError::ReservedType`] for a type that the engine itself writes, else the journal's.
    pub fn record(
        &self,
        aggregate: Aggregate,
        type_name: &str,
        payload: Option<&str>,
    ) -> impl Future<Output = Result<Details, JournalError>> + Send + use<> {
        self.record_by(&Actor::system(), aggregate, type_name, payload)
    }

    /// [`DurableEngine::record`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn record_by(
        &self,
        actor: &Actor,
        aggregate: Aggregate,
        type_name: &str,
        payload: Option<&str>,
    ) -> impl Future<Output = Result<Details, JournalError>> + Send + use<> {
        let asked = if stored::is_reserved(type_name) {
            Err(JournalError::ReservedType(String::from(type_name)))
        } else {
            let (type_name, payload) = (String::from(type_name), payload.map(String::from));
            let event = Event::Host { type_name, payload };
            let (reply, receipt) = Reply::new();
            let record = RecordHost { aggregate, event, actor: actor.clone(), reply };
            self.ask(Command::Host(record), receipt)
        };
        answer(asked)
    }

    fn change_policy(
        &self,
        actor: &Actor,
        org: Option<&OrgId>,
        command: PolicyCommand,
    ) -> impl Future<Output = Written<PolicyError>> + Send + use<> {
        let (reply, receipt) = Reply::new();
        let change = ChangePolicy { org: org.cloned(), command, actor: actor.clone(), reply };
        written(self.ask(Command::Policy(change), receipt))
    }

    fn administer(
        &self,
        actor: &Actor,
        user: &UserId,
        command: UserCommand,
    ) -> impl Future<Output = Written<LockError>> + Send + use<> {
        let (reply, receipt) = Reply::new();
        let administer = Administer { user: user.clone(), command, actor: actor.clone(), reply };
        written(self.ask(Command::User(administer), receipt))
    }
}

/// Waits for the answer to a command that was taken.
pub(super) async fn answer<T>(asked: Result<Receipt<T>, JournalError>) -> Result<T, JournalError> {
    asked?.await.unwrap_or(Err(JournalError::Closed))
}

async fn written<E>(asked: Result<Receipt<Result<Details, E>>, JournalError>) -> Written<E> {
    answer(asked).await?.map_err(WriteError::Refused)
}
