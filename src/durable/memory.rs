//! What a durable engine holds in memory: the state of a prefix of the journal.
//!
//! INVARIANT: only the committer changes it (attempts claim and release slots, which are no part of
//! the journal). `position` is raised after the events up to it are applied, so whoever reads it
//! and then the state sees them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use crate::event::{Aggregate, Event, Recorded};
use crate::id::{InstanceId, OrgId, UserId};
use crate::journal::Position;
use crate::lockout::Factor;
use crate::lockout::decide::Ticket;
use crate::lockout::register::Register;
use crate::lockout::state::UserChange;
use crate::policy::decide::{PolicyEvent, PolicyRecord};
use crate::policy::hierarchy::Hierarchy;
use crate::policy::{AttemptLimit, LockoutPolicy};

pub(super) struct Memory {
    pub(super) hierarchy: Arc<Hierarchy>,
    pub(super) register: Register,
    position: AtomicU64,
    /// The position of the newest event that is no check, or a later one.
    changed: AtomicU64,
}

impl Memory {
    /// The state of no event at all; the first one brings the instance default.
    pub(super) fn new(instance: InstanceId, shards: usize, capacity: Option<usize>) -> Self {
        let default = LockoutPolicy::default();
        Self {
            hierarchy: Arc::new(Hierarchy::new(instance, default, SystemTime::UNIX_EPOCH)),
            register: Register::new(shards, capacity),
            position: AtomicU64::new(0),
            changed: AtomicU64::new(0),
        }
    }

    pub(super) fn position(&self) -> Position {
        self.position.load(Ordering::Acquire)
    }

    /// The newest position at which something else than a count of failures may have changed.
    pub(super) fn changed(&self) -> Position {
        self.changed.load(Ordering::Acquire)
    }

    /// Memory reflects the journal up to a position, and nothing is known of the events before it.
    pub(super) fn set_position(&self, position: Position) {
        self.changed.store(position, Ordering::Release);
        self.position.store(position, Ordering::Release);
    }

    /// Memory reflects one more event.
    fn reach(&self, recorded: &Recorded) {
        if !matches!(recorded.event, Event::CheckFailed { .. } | Event::CheckSucceeded { .. }) {
            self.changed.store(recorded.position, Ordering::Release);
        }
        self.position.store(recorded.position, Ordering::Release);
    }

    pub(super) fn limit(&self, org: &OrgId, factor: Factor) -> AttemptLimit {
        self.hierarchy.resolve(org).policy.limit(factor)
    }

    /// Takes over what another memory of the same journal holds. Attempts in flight are void.
    pub(super) fn adopt(&self, other: &Self) {
        self.hierarchy.set_default_record(other.hierarchy.default_record());
        for org in other.hierarchy.known_orgs() {
            self.hierarchy.set_override_record(&org, other.hierarchy.override_record(&org));
        }
        self.register.adopt(&other.register);
        self.set_position(other.position());
    }

    /// Takes events over in order, whoever decided them.
    pub(super) fn apply_all(&self, events: &[Recorded]) {
        for event in events {
            self.apply(event);
        }
    }

    /// Takes an event over, whoever decided it.
    pub(super) fn apply(&self, recorded: &Recorded) {
        let at = recorded.at;
        match (&recorded.aggregate, &recorded.event) {
            (Aggregate::Instance(_), Event::InstancePolicy(event)) => {
                let before = match event {
                    // The first event: what stood there before it was only a place-holder.
                    PolicyEvent::Added(_) => PolicyRecord::EMPTY,
                    _ => self.hierarchy.default_record(),
                };
                self.hierarchy.set_default_record(before.after(*event, at));
            }
            (Aggregate::Org(org), Event::OrgPolicy(event)) => {
                let record = self.hierarchy.override_record(org).after(*event, at);
                self.hierarchy.set_override_record(org, record);
            }
            (Aggregate::User { org, user }, event) => {
                if let Some(change) = change_of(event) {
                    self.register.apply(org, user, change, at);
                }
            }
            // Events of the host are ordered and not interpreted.
            (Aggregate::Instance(_), _) => {
                self.hierarchy.set_default_record(self.hierarchy.default_record().with_one_more());
            }
            (Aggregate::Org(org), _) => {
                let record = self.hierarchy.override_record(org).with_one_more();
                self.hierarchy.set_override_record(org, record);
            }
        }
        self.reach(recorded);
    }

    /// Gives a settled attempt's slot back and takes its events over, in one step.
    pub(super) fn settle(&self, user: &UserId, ticket: Ticket, events: &[Recorded]) {
        self.register.update(user, |state| {
            state.release(ticket.factor, ticket.epoch);
            for recorded in events {
                if let Some(change) = change_of(&recorded.event) {
                    self.register.change(user, state, change, recorded.at);
                }
            }
        });
        for recorded in events {
            self.reach(recorded);
        }
    }
}

/// What an event changes of a user; nothing for the events of other aggregates and of the host.
pub(super) fn change_of(event: &Event) -> Option<UserChange> {
    match event {
        Event::CheckFailed { factor, .. } => Some(UserChange::CheckFailed(*factor)),
        Event::CheckSucceeded { factor, .. } => Some(UserChange::CheckSucceeded(*factor)),
        Event::Locked(cause) => Some(UserChange::Locked(*cause)),
        Event::Unlocked => Some(UserChange::Unlocked),
        Event::CredentialChanged(factor) => Some(UserChange::CredentialChanged(*factor)),
        Event::Removed => Some(UserChange::Removed),
        Event::InstancePolicy(_) | Event::OrgPolicy(_) | Event::Host { .. } => None,
    }
}
