//! A batch in the making: commands decided in order, against memory plus what the batch has already
//! decided. Nothing here touches memory; a draft that lost its head is dropped and made anew.

use std::collections::HashMap;
use std::time::SystemTime;

use super::command::Command;
use super::memory::Memory;
use crate::engine::event_of;
use crate::error::{LockError, PolicyError};
use crate::event::{Aggregate, Event, Recorded};
use crate::id::{Actor, OrgId, UserId};
use crate::journal::Position;
use crate::lockout::decide::{Outcome, Settlement, Ticket, UserCommand, administer, settle};
use crate::lockout::state::{Epoch, UserState};
use crate::lockout::{AttemptInfo, Factor, Verdict};
use crate::policy::decide::{PolicyCommand, PolicyRecord, decide};
use crate::policy::{AttemptLimit, Details};

/// Epochs begun by a draft: newer than every attempt's, so that attempts begun before are void for
/// the commands that follow in the batch. Memory gives out real ones when it applies the events.
const BEGUN_HERE: Epoch = Epoch::MAX;

pub(super) struct Draft<'m> {
    memory: &'m Memory,
    now: SystemTime,
    position: Position,
    events: Vec<Recorded>,
    users: HashMap<UserId, Option<UserState>>,
    overrides: HashMap<OrgId, PolicyRecord>,
    default: Option<PolicyRecord>,
}

/// What commands come to: events to append, and how many there are up to each command's last.
pub(super) struct Decided {
    pub(super) events: Vec<Recorded>,
    pub(super) ends: Vec<usize>,
}

impl<'m> Draft<'m> {
    pub(super) fn new(memory: &'m Memory, now: SystemTime) -> Self {
        Self {
            memory,
            now,
            position: memory.position(),
            events: Vec::new(),
            users: HashMap::new(),
            overrides: HashMap::new(),
            default: None,
        }
    }

    /// Decides commands in order. Their answers hold once the events are in the journal.
    pub(super) fn decide_all(mut self, commands: &mut [Command]) -> Decided {
        let mut ends = Vec::with_capacity(commands.len());
        for command in commands {
            self.decide(command);
            ends.push(self.events.len());
        }
        Decided { events: self.events, ends }
    }

    fn decide(&mut self, command: &mut Command) {
        match command {
            Command::Settle(it) => {
                let verdict = self.settle(&it.user, it.ticket, it.outcome, it.info.clone());
                it.reply.decide(verdict);
            }
            Command::Policy(it) => {
                let done = match &it.org {
                    Some(org) => self.change_override(org, it.command, &it.actor),
                    None => self.change_default(it.command, &it.actor),
                };
                it.reply.decide(done);
            }
            Command::User(it) => {
                let done = self.administer(&it.user, &it.command, &it.actor);
                it.reply.decide(done);
            }
            Command::Host(it) => {
                let details = self.record_host(&it.aggregate, it.event.clone(), &it.actor);
                it.reply.decide(details);
            }
        }
    }

    fn settle(
        &mut self,
        user: &UserId,
        ticket: Ticket,
        outcome: Outcome,
        mut info: Option<Box<AttemptInfo>>,
    ) -> Verdict {
        let Some(mut state) = self.user(user) else { return Verdict::Superseded };
        let org = state.org().clone();
        let limit = || self.limit(&org, ticket.factor);
        let Settlement { judgement, changes } = settle(&state, ticket, outcome, limit);
        state.release(ticket.factor, ticket.epoch);
        for change in changes.into_iter().flatten() {
            state.apply(change, self.now, BEGUN_HERE);
            self.push_user(&org, user, event_of(change, &mut info), &Actor::from(user));
        }
        self.keep(user, state);
        judgement.verdict(&org)
    }

    fn administer(
        &mut self,
        user: &UserId,
        command: &UserCommand,
        actor: &Actor,
    ) -> Result<Details, LockError> {
        let newcomer = || Some(UserState::new(command.org()?.clone(), BEGUN_HERE));
        // Only who is tracked can be unlocked.
        let Some(mut state) = self.user(user).or_else(newcomer) else {
            return Err(LockError::NotLocked);
        };
        let change = administer(&state, command)?;
        state.apply(change, self.now, BEGUN_HERE);
        let org = state.org().clone();
        self.keep(user, state);
        let position = self.push_user(&org, user, event_of(change, &mut None), actor);
        Ok(Details::of_user(position, self.now, &org))
    }

    /// Who is idle is forgotten, as in memory.
    fn keep(&mut self, user: &UserId, state: UserState) {
        self.users.insert(user.clone(), (!state.is_idle()).then_some(state));
    }

    fn push_user(&mut self, org: &OrgId, user: &UserId, event: Event, actor: &Actor) -> Position {
        let aggregate = Aggregate::User { org: org.clone(), user: user.clone() };
        self.push(aggregate, None, event, actor)
    }

    fn change_default(
        &mut self,
        command: PolicyCommand,
        actor: &Actor,
    ) -> Result<Details, PolicyError> {
        let record = self.default_record();
        let instance = self.memory.hierarchy.instance().clone();
        let Some(event) = decide(record.policy, command)? else {
            return Ok(record.details(&instance));
        };
        let record = record.after(event, self.now);
        self.default = Some(record);
        let details = record.details(&instance);
        let (aggregate, event) = (Aggregate::Instance(instance), Event::InstancePolicy(event));
        self.push(aggregate, Some(record.sequence), event, actor);
        Ok(details)
    }

    fn change_override(
        &mut self,
        org: &OrgId,
        command: PolicyCommand,
        actor: &Actor,
    ) -> Result<Details, PolicyError> {
        let record = self.override_record(org);
        let Some(event) = decide(record.policy, command)? else { return Ok(record.details(org)) };
        let record = record.after(event, self.now);
        self.overrides.insert(org.clone(), record);
        let (aggregate, event) = (Aggregate::Org(org.clone()), Event::OrgPolicy(event));
        self.push(aggregate, Some(record.sequence), event, actor);
        Ok(record.details(org))
    }

    fn record_host(&mut self, aggregate: &Aggregate, event: Event, actor: &Actor) -> Details {
        let (sequence, owner) = match aggregate {
            Aggregate::Instance(instance) => {
                let record = self.default_record().with_one_more();
                self.default = Some(record);
                (Some(record.last_sequence), instance.as_str())
            }
            Aggregate::Org(org) => {
                let record = self.override_record(org).with_one_more();
                self.overrides.insert(org.clone(), record);
                (Some(record.last_sequence), org.as_str())
            }
            Aggregate::User { org, .. } => (None, org.as_str()),
        };
        let position = self.push(aggregate.clone(), sequence, event, actor);
        Details {
            sequence: sequence.unwrap_or(position),
            ..Details::of_user(position, self.now, owner)
        }
    }

    fn push(
        &mut self,
        aggregate: Aggregate,
        sequence: Option<u64>,
        event: Event,
        actor: &Actor,
    ) -> Position {
        self.position = self.position.saturating_add(1);
        self.events.push(Recorded {
            position: self.position,
            sequence: sequence.unwrap_or(self.position),
            at: self.now,
            actor: actor.clone(),
            aggregate,
            event,
        });
        self.position
    }

    fn user(&self, user: &UserId) -> Option<UserState> {
        match self.users.get(user) {
            Some(state) => state.clone(),
            None => self.memory.register.copy_of(user),
        }
    }

    fn default_record(&self) -> PolicyRecord {
        self.default.unwrap_or_else(|| self.memory.hierarchy.default_record())
    }

    fn override_record(&self, org: &OrgId) -> PolicyRecord {
        let changed = self.overrides.get(org).copied();
        changed.unwrap_or_else(|| self.memory.hierarchy.override_record(org))
    }

    fn limit(&self, org: &OrgId, factor: Factor) -> AttemptLimit {
        if self.default.is_none() && self.overrides.is_empty() {
            return self.memory.limit(org, factor);
        }
        let policy = self.override_record(org).policy.or_else(|| self.default_record().policy);
        policy.unwrap_or_default().limit(factor)
    }
}
