//! The naive model's policies: rules P1 to P8.

use std::time::SystemTime;

use portcullis::{
    Actor, Aggregate, Details, Event, LockoutPolicy, OrgId, Origin, PolicyError, PolicyEvent,
    Resolved,
};

use super::Naive;

/// The instance, or an organization that has or had an override.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Level {
    pub(super) policy: Option<LockoutPolicy>,
    pub(super) details: Details,
}

impl Naive {
    pub(crate) fn resolve(&self, org: &str) -> Resolved {
        match self.orgs.get(org).and_then(|level| level.policy) {
            Some(policy) => Resolved { policy, origin: Origin::OrgOverride },
            None => Resolved { policy: self.instance_policy().0, origin: Origin::InstanceDefault },
        }
    }

    pub(crate) fn instance_policy(&self) -> (LockoutPolicy, Details) {
        let policy = self.default.policy.expect("the default always exists");
        (policy, self.default.details.clone())
    }

    pub(crate) fn policy(&self, org: &OrgId) -> (Resolved, Details) {
        let resolved = self.resolve(org);
        let level = if resolved.is_default() { &self.default } else { &self.orgs[org] };
        (resolved, level.details.clone())
    }

    pub(crate) fn overrides(&self) -> Vec<(OrgId, LockoutPolicy)> {
        self.orgs.iter().filter_map(|(org, level)| Some((org.clone(), level.policy?))).collect()
    }

    pub(crate) fn set_instance_policy(
        &mut self,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        if self.default.policy == Some(policy) {
            return Err(PolicyError::NotChanged);
        }
        let event = PolicyEvent::Changed(policy);
        let details = self.default.take(event, self.now);
        let instance = Aggregate::Instance(self.instance.clone());
        let sequence = Some(details.sequence);
        self.record(instance, sequence, Actor::system(), Event::InstancePolicy(event));
        Ok(details)
    }

    pub(crate) fn add_override(
        &mut self,
        org: &OrgId,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        match self.override_of(org) {
            Some(_) => Err(PolicyError::AlreadyExists),
            None => Ok(self.org_takes(org, PolicyEvent::Added(policy))),
        }
    }

    pub(crate) fn change_override(
        &mut self,
        org: &OrgId,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        match self.override_of(org) {
            None => Err(PolicyError::NotFound),
            Some(old) if old == policy => Err(PolicyError::NotChanged),
            Some(_) => Ok(self.org_takes(org, PolicyEvent::Changed(policy))),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "the engine's own type")]
    pub(crate) fn put_override(
        &mut self,
        org: &OrgId,
        policy: LockoutPolicy,
    ) -> Result<Details, PolicyError> {
        match self.override_of(org) {
            None => Ok(self.org_takes(org, PolicyEvent::Added(policy))),
            Some(old) if old == policy => Ok(self.orgs[org].details.clone()),
            Some(_) => Ok(self.org_takes(org, PolicyEvent::Changed(policy))),
        }
    }

    pub(crate) fn reset_to_default(&mut self, org: &OrgId) -> Result<Details, PolicyError> {
        match self.override_of(org) {
            None => Err(PolicyError::NotFound),
            Some(_) => Ok(self.org_takes(org, PolicyEvent::Removed)),
        }
    }

    fn override_of(&self, org: &OrgId) -> Option<LockoutPolicy> {
        self.orgs.get(org)?.policy
    }

    fn org_takes(&mut self, org: &OrgId, event: PolicyEvent) -> Details {
        let now = self.now;
        let level = self.orgs.entry(org.clone()).or_insert_with(|| Level::new(org, now));
        let details = level.take(event, now);
        let aggregate = Aggregate::Org(org.clone());
        self.record(aggregate, Some(details.sequence), Actor::system(), Event::OrgPolicy(event));
        details
    }
}

impl Level {
    pub(super) fn new(owner: &str, now: SystemTime) -> Self {
        let resource_owner = String::from(owner);
        Self {
            policy: None,
            details: Details { sequence: 0, created_at: now, changed_at: now, resource_owner },
        }
    }

    pub(super) fn take(&mut self, event: PolicyEvent, now: SystemTime) -> Details {
        self.details.sequence += 1;
        self.details.changed_at = now;
        self.policy = match event {
            PolicyEvent::Added(policy) => {
                self.details.created_at = now;
                Some(policy)
            }
            PolicyEvent::Changed(policy) => Some(policy),
            PolicyEvent::Removed => None,
        };
        self.details.clone()
    }
}
