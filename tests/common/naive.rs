//! The engine as anybody would write it who had the rules, one thread and no hurry: plain maps,
//! each rule where it is read. Written from the rules and not from the engine, so that a mistake
//! would have to be made twice to go unseen.
//!
//! There are no epochs here: what voids an attempt takes it off the list, and an attempt that is
//! not on the list is `Superseded`. There are no slots either: they are counted when asked for.
//!
//! The caller names each attempt by a [`Token`] of its choice and moves the clock by hand.
//! Details tell what an engine *with an observer* tells: every event takes a position. An engine
//! that nobody watches gives positions only to what answers with details, so that those of users
//! are lower there, and still rising.
#![allow(dead_code, reason = "each test uses a part")]
#![allow(clippy::expect_used, reason = "a test may panic")]

// Paths in full, so that a crate may include this file by its own `#[path]`.
#[path = "naive/policies.rs"]
mod policies;
#[path = "naive/users.rs"]
mod users;

use std::collections::BTreeMap;
use std::time::SystemTime;

use portcullis::{
    Actor, Admission, Aggregate, Event, Factor, InstanceId, Lock, LockoutPolicy, OrgId,
    PolicyEvent, Recorded, Refusal, UserId, UserStatus,
};

use policies::Level;

/// The caller's name for an attempt.
pub(crate) type Token = u32;

/// An [`Admission`] without its attempt, so that it can be compared.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Begun {
    Admitted,
    Locked(Lock),
    Busy,
    Refused(Refusal),
}

impl From<&Admission<'_>> for Begun {
    fn from(admission: &Admission<'_>) -> Self {
        match admission {
            Admission::Admitted(_) => Self::Admitted,
            Admission::Locked(lock) => Self::Locked(lock.clone()),
            Admission::Busy => Self::Busy,
            Admission::Refused(refusal) => Self::Refused(*refusal),
        }
    }
}

/// A [`UserStatus`] that a test can write down. Failures come in the order of [`Factor::ALL`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Status {
    pub(crate) org: Option<OrgId>,
    pub(crate) lock: Option<Lock>,
    pub(crate) failures: [u32; 5],
}

impl From<&UserStatus> for Status {
    fn from(status: &UserStatus) -> Self {
        Self {
            org: status.org.clone(),
            lock: status.lock.clone(),
            failures: Factor::ALL.map(|factor| status.failures(factor)),
        }
    }
}

/// The whole engine. Equal models answer every question alike, now and later.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Naive {
    /// The time that locks and details are stamped with. Move it as you like.
    pub(crate) now: SystemTime,
    instance: InstanceId,
    default: Level,
    orgs: BTreeMap<OrgId, Level>,
    users: BTreeMap<UserId, User>,
    /// The attempts that may still come to a verdict.
    attempts: BTreeMap<Token, (UserId, Factor)>,
    capacity: Option<usize>,
    position: u64,
    trail: Option<Vec<Recorded>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct User {
    org: OrgId,
    lock: Option<Lock>,
    /// Absent means none.
    failures: BTreeMap<Factor, u32>,
}

impl Naive {
    pub(crate) fn new(instance: InstanceId, default: LockoutPolicy, now: SystemTime) -> Self {
        let mut level = Level::new(&instance, now);
        level.take(PolicyEvent::Added(default), now);
        Self {
            now,
            instance,
            default: level,
            orgs: BTreeMap::new(),
            users: BTreeMap::new(),
            attempts: BTreeMap::new(),
            capacity: None,
            position: 1,
            trail: None,
        }
    }

    /// Caps the number of tracked users (rule A13).
    pub(crate) fn capacity(mut self, users: usize) -> Self {
        self.capacity = Some(users);
        self
    }

    /// Keeps the events from now on, for [`Naive::take_events`]. Without it the state stays small.
    pub(crate) fn keeping_events(mut self) -> Self {
        self.trail = Some(Vec::new());
        self
    }

    /// The events since the last call.
    pub(crate) fn take_events(&mut self) -> Vec<Recorded> {
        self.trail.as_mut().map(std::mem::take).unwrap_or_default()
    }

    fn record(&mut self, aggregate: Aggregate, sequence: Option<u64>, actor: Actor, event: Event) {
        self.position += 1;
        if let Some(trail) = &mut self.trail {
            trail.push(Recorded {
                position: self.position,
                sequence: sequence.unwrap_or(self.position),
                at: self.now,
                actor,
                aggregate,
                event,
            });
        }
    }
}
