//! What administrators do: policies and locks. Each call also exists as `…_by`, which names who
//! does it; the plain one is done by [`Actor::system`].
//!
//! All of them take effect before they return, and an error changes nothing.

use super::{Engine, event_of};
use crate::error::{LockError, PolicyError};
use crate::event::{Aggregate, Event};
use crate::id::{Actor, OrgId, UserId};
use crate::lockout::Factor;
use crate::lockout::decide::UserCommand;
use crate::policy::decide::PolicyCommand;
use crate::policy::{Details, LockoutPolicy, Resolved};

/// Policies.
impl Engine {
    /// The instance default and its details.
    #[must_use]
    pub fn instance_policy(&self) -> (LockoutPolicy, Details) {
        self.hierarchy.default_with_details()
    }

    /// The policy in force for an organization, with the details of the level that answers: the
    /// instance's where it falls back.
    #[must_use]
    pub fn policy(&self, org: &OrgId) -> (Resolved, Details) {
        self.hierarchy.with_details(org)
    }

    /// All overrides as they stand at one moment, in order of the organizations' ids.
    pub fn overrides(&self) -> impl Iterator<Item = (OrgId, LockoutPolicy)> + use<> {
        self.hierarchy.overrides().into_iter()
    }

    /// Changes the instance default.
    ///
    /// # Errors
    ///
    /// [`PolicyError::NotChanged`] if it has these values already.
    pub fn set_instance_policy(&self, policy: LockoutPolicy) -> Result<Details, PolicyError> {
        self.set_instance_policy_by(&Actor::system(), policy)
    }

    /// [`Engine::set_instance_policy`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn set_instance_policy_by(
        &self,
        actor: &Actor,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        let stamp = || self.clock.now();
        self.hierarchy.change_default(
            PolicyCommand::Change(policy),
            stamp,
            |event, sequence, at| {
                let aggregate = || Aggregate::Instance(self.instance().clone());
                self.record(aggregate, Some(sequence), at, actor, Event::InstancePolicy(event));
            },
        )
    }

    /// Gives an organization an override.
    ///
    /// # Errors
    ///
    /// [`PolicyError::AlreadyExists`] if it has one.
    pub fn add_override(&self, org: &OrgId, policy: LockoutPolicy) -> Result<Details, PolicyError> {
        self.add_override_by(&Actor::system(), org, policy)
    }

    /// [`Engine::add_override`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn add_override_by(
        &self,
        actor: &Actor,
        org: &OrgId,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        self.change_override_with(actor, org, PolicyCommand::Add(policy))
    }

    /// Changes an organization's override.
    ///
    /// # Errors
    ///
    /// [`PolicyError::NotFound`] if it has none, [`PolicyError::NotChanged`] if it has these
    /// values already.
    pub fn change_override(
        &self,
        org: &OrgId,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        self.change_override_by(&Actor::system(), org, policy)
    }

    /// [`Engine::change_override`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn change_override_by(
        &self,
        actor: &Actor,
        org: &OrgId,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        self.change_override_with(actor, org, PolicyCommand::Change(policy))
    }

    /// Gives an organization this override, whether or not it has one. With these values there
    /// already, it answers with the details on record and nothing happens.
    ///
    /// # Errors
    ///
    /// None in memory; the type is that of the other policy calls.
    pub fn put_override(&self, org: &OrgId, policy: LockoutPolicy) -> Result<Details, PolicyError> {
        self.put_override_by(&Actor::system(), org, policy)
    }

    /// [`Engine::put_override`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn put_override_by(
        &self,
        actor: &Actor,
        org: &OrgId,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        self.change_override_with(actor, org, PolicyCommand::Put(policy))
    }

    /// Deletes an organization's override: from now on it resolves to the instance default
    /// (rule P5). Nobody is locked or unlocked by it, and no counter moves (rule P8).
    ///
    /// # Errors
    ///
    /// [`PolicyError::NotFound`] if it has none.
    pub fn reset_to_default(&self, org: &OrgId) -> Result<Details, PolicyError> {
        self.reset_to_default_by(&Actor::system(), org)
    }

    /// [`Engine::reset_to_default`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn reset_to_default_by(&self, actor: &Actor, org: &OrgId) -> Result<Details, PolicyError> {
        self.change_override_with(actor, org, PolicyCommand::Reset)
    }

    fn change_override_with(
        &self,
        actor: &Actor,
        org: &OrgId,
        command: PolicyCommand,
    ) -> Result<Details, PolicyError> {
        let stamp = || self.clock.now();
        self.hierarchy.change_override(org, command, stamp, |event, sequence, at| {
            let aggregate = || Aggregate::Org(org.clone());
            self.record(aggregate, Some(sequence), at, actor, Event::OrgPolicy(event));
        })
    }
}

/// Locks.
impl Engine {
    /// Locks a user until an administrator unlocks. The counters stay (rule A9). A user not on
    /// record comes on record under `org`, whatever the cap.
    ///
    /// # Errors
    ///
    /// [`LockError::OrgMismatch`] if the user is on record with another organization,
    /// [`LockError::AlreadyLocked`].
    pub fn lock(&self, org: &OrgId, user: &UserId) -> Result<Details, LockError> {
        self.lock_by(&Actor::system(), org, user)
    }

    /// [`Engine::lock`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn lock_by(&self, actor: &Actor, org: &OrgId, user: &UserId) -> Result<Details, LockError> {
        self.administer(actor, user, &UserCommand::Lock(org.clone()))
    }

    /// Unlocks a user: all five counters are zero, and attempts begun before are void (rule A8).
    ///
    /// # Errors
    ///
    /// [`LockError::NotLocked`].
    pub fn unlock(&self, user: &UserId) -> Result<Details, LockError> {
        self.unlock_by(&Actor::system(), user)
    }

    /// [`Engine::unlock`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn unlock_by(&self, actor: &Actor, user: &UserId) -> Result<Details, LockError> {
        self.administer(actor, user, &UserCommand::Unlock)
    }

    /// Says that a user has a new password, a new TOTP secret and so on: the factor's counter is
    /// zero and its attempts begun before are void. A lock stays (rule A10).
    ///
    /// # Errors
    ///
    /// [`LockError::OrgMismatch`] if the user is on record with another organization.
    pub fn credential_changed(
        &self,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Result<Details, LockError> {
        self.credential_changed_by(&Actor::system(), org, user, factor)
    }

    /// [`Engine::credential_changed`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn credential_changed_by(
        &self,
        actor: &Actor,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Result<Details, LockError> {
        self.administer(actor, user, &UserCommand::CredentialChanged(org.clone(), factor))
    }

    /// Forgets a user: lock, counters, organization. Attempts begun before are void, also if a
    /// user of this id comes back (rule A8).
    ///
    /// # Errors
    ///
    /// [`LockError::OrgMismatch`] if the user is on record with another organization.
    pub fn remove_user(&self, org: &OrgId, user: &UserId) -> Result<Details, LockError> {
        self.remove_user_by(&Actor::system(), org, user)
    }

    /// [`Engine::remove_user`], by `actor`.
    ///
    /// # Errors
    ///
    /// The same.
    pub fn remove_user_by(
        &self,
        actor: &Actor,
        org: &OrgId,
        user: &UserId,
    ) -> Result<Details, LockError> {
        self.administer(actor, user, &UserCommand::Remove(org.clone()))
    }

    fn administer(
        &self,
        actor: &Actor,
        user: &UserId,
        command: &UserCommand,
    ) -> Result<Details, LockError> {
        self.register.administer(user, command, |state, change| {
            let at = self.clock.now();
            self.register.change(user, state, change, at);
            let org = state.org();
            let aggregate = || Aggregate::User { org: org.clone(), user: user.clone() };
            let position = self.record(aggregate, None, at, actor, event_of(change, &mut None));
            Details::of_user(position, at, org)
        })
    }
}
