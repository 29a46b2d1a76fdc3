//! Building an engine.

use std::fmt;
use std::sync::Arc;

use super::Engine;
use super::observer::Observer;
use crate::clock::{Clock, SystemClock};
use crate::event::{Aggregate, Event};
use crate::id::{Actor, InstanceId};
use crate::lockout::register::Register;
use crate::policy::LockoutPolicy;
use crate::policy::decide::PolicyEvent;
use crate::policy::hierarchy::Hierarchy;
use crate::sync::AtomicU64;

/// Enough that two threads seldom meet on one shard, and few enough that an empty engine is small.
const DEFAULT_SHARDS: usize = 256;

/// What an engine is built of; see [`Engine::builder`].
#[derive(Clone)]
#[must_use = "an engine is built by `build`"]
pub struct EngineBuilder {
    instance: InstanceId,
    default: LockoutPolicy,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    capacity: Option<usize>,
    shards: usize,
}

impl EngineBuilder {
    pub(super) fn new(instance: InstanceId, default: LockoutPolicy) -> Self {
        Self {
            instance,
            default,
            clock: Arc::new(SystemClock),
            observer: None,
            capacity: None,
            shards: DEFAULT_SHARDS,
        }
    }

    /// The clock to stamp with; without this call, the system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The most users to track at a time; without this call there is no cap (rule A13).
    ///
    /// Attempts of further users are `Refused(Capacity)`, those of tracked users stay exact. An
    /// administrator's lock is never refused. The count of tracked users is kept in one place,
    /// which the logins of clean users then share.
    pub fn capacity(mut self, users: usize) -> Self {
        self.capacity = Some(users);
        self
    }

    /// Over how many shards users are spread: the next power of two, 2 to 65,536; without this
    /// call, 256.
    pub fn shards(mut self, shards: usize) -> Self {
        self.shards = shards;
        self
    }

    /// Who watches; without this call, nobody.
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observer = Some(Arc::new(observer));
        self
    }

    /// The engine. Its first event, at position 1, is the instance default.
    #[must_use]
    pub fn build(self) -> Engine {
        let at = self.clock.now();
        let engine = Engine {
            hierarchy: Arc::new(Hierarchy::new(self.instance, self.default, at)),
            register: Register::new(self.shards, self.capacity),
            clock: self.clock,
            observer: self.observer,
            position: AtomicU64::new(0),
        };
        let added = Event::InstancePolicy(PolicyEvent::Added(self.default));
        let aggregate = || Aggregate::Instance(engine.instance().clone());
        engine.record(aggregate, Some(1), at, &Actor::system(), added);
        engine
    }
}

impl fmt::Debug for EngineBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EngineBuilder")
            .field("instance", &self.instance)
            .field("default", &self.default)
            .field("capacity", &self.capacity)
            .field("shards", &self.shards)
            .finish_non_exhaustive()
    }
}
