//! The pure core of policies: one record a level, commands decided on it, events applied to it.

use std::time::SystemTime;

use super::{Details, LockoutPolicy};
use crate::error::PolicyError;

/// What an administrator asks of one level's policy.
#[derive(Clone, Copy, Debug)]
pub(crate) enum PolicyCommand {
    Add(LockoutPolicy),
    Change(LockoutPolicy),
    /// Add or change; nothing at all when the values are there already.
    Put(LockoutPolicy),
    Reset,
}

/// What happened to one level's policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PolicyEvent {
    /// The level got a policy.
    Added(LockoutPolicy),
    /// Its policy got other values; these are all of them.
    Changed(LockoutPolicy),
    /// Its policy was deleted.
    Removed,
}

/// One level's policy and its history: the instance's or an organization's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PolicyRecord {
    /// `None` once reset; the sequence stays.
    pub(crate) policy: Option<LockoutPolicy>,
    /// The level's sequence at the last change of its policy.
    pub(crate) sequence: u64,
    /// The level's sequence, which a host's own events move too.
    pub(crate) last_sequence: u64,
    pub(crate) created_at: SystemTime,
    pub(crate) changed_at: SystemTime,
}

impl PolicyRecord {
    /// The record of a level that never had a policy.
    pub(crate) const EMPTY: Self = Self {
        policy: None,
        sequence: 0,
        last_sequence: 0,
        created_at: SystemTime::UNIX_EPOCH,
        changed_at: SystemTime::UNIX_EPOCH,
    };

    pub(crate) fn details(&self, owner: &str) -> Details {
        Details {
            sequence: self.sequence,
            created_at: self.created_at,
            changed_at: self.changed_at,
            resource_owner: String::from(owner),
        }
    }

    /// Takes an event over. The only way in which a record changes, live and in a replay.
    pub(crate) fn apply(&mut self, event: PolicyEvent, at: SystemTime) {
        self.policy = match event {
            PolicyEvent::Added(policy) => {
                self.created_at = at;
                Some(policy)
            }
            PolicyEvent::Changed(policy) => Some(policy),
            PolicyEvent::Removed => None,
        };
        self.changed_at = at;
        self.last_sequence = self.last_sequence.saturating_add(1);
        self.sequence = self.last_sequence;
    }
}

impl PolicyRecord {
    /// The record after an event of the host's at the same level.
    #[cfg(feature = "durable")]
    pub(crate) fn with_one_more(mut self) -> Self {
        self.last_sequence = self.last_sequence.saturating_add(1);
        self
    }

    /// The record that an event leaves behind.
    #[cfg(feature = "durable")]
    pub(crate) fn after(mut self, event: PolicyEvent, at: SystemTime) -> Self {
        self.apply(event, at);
        self
    }
}

/// What a command does to a level with that policy: an event, or nothing for a put of the same.
pub(crate) fn decide(
    current: Option<LockoutPolicy>,
    command: PolicyCommand,
) -> Result<Option<PolicyEvent>, PolicyError> {
    match (command, current) {
        (PolicyCommand::Add(_), Some(_)) => Err(PolicyError::AlreadyExists),
        (PolicyCommand::Change(_) | PolicyCommand::Reset, None) => Err(PolicyError::NotFound),
        (PolicyCommand::Change(new), Some(old)) if new == old => Err(PolicyError::NotChanged),
        (PolicyCommand::Put(new), Some(old)) if new == old => Ok(None),
        (PolicyCommand::Add(new) | PolicyCommand::Put(new), None) => {
            Ok(Some(PolicyEvent::Added(new)))
        }
        (PolicyCommand::Change(new) | PolicyCommand::Put(new), Some(_)) => {
            Ok(Some(PolicyEvent::Changed(new)))
        }
        (PolicyCommand::Reset, Some(_)) => Ok(Some(PolicyEvent::Removed)),
    }
}
