//! The engine in memory: synchronous, `Send + Sync`, exact under any parallelism.
//!
//! Each call takes at most one user's entry or the hierarchy's writer lock, runs the pure core
//! under it (decide, then apply), and is done. No call waits for anything else.

pub(crate) mod admin;
pub(crate) mod attempt;
pub(crate) mod builder;
pub(crate) mod observer;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use crate::clock::Clock;
use crate::event::{Aggregate, Event, Recorded};
use crate::id::{Actor, InstanceId, OrgId, UserId};
use crate::lockout::decide::{Judgement, Outcome, Settlement, Ticket, settle};
use crate::lockout::register::Register;
use crate::lockout::state::{Claim, UserChange};
use crate::lockout::{AttemptInfo, Factor, Lock, UserStatus, Verdict};
use crate::policy::handle::OrgHandle;
use crate::policy::hierarchy::{Hierarchy, Moment};
use crate::policy::reader::Reader;
use crate::policy::{AttemptLimit, LockoutPolicy, Resolved};
use crate::sync::{AtomicU64, Ordering};
use attempt::{Admission, Attempt, EngineRef};
use builder::EngineBuilder;
use observer::Observer;

/// Resolves policies, counts failures and locks users, for one instance, in memory.
///
/// Share it by reference or in an [`Arc`]. What it holds is gone with the process.
///
/// # Consistency
///
/// Every history of one user is linearizable, and so is every history of one organization's
/// policy. A verdict that is being formed while a policy changes is judged by the old or the new
/// one; after the change has returned, by the new one.
pub struct Engine {
    hierarchy: Arc<Hierarchy>,
    register: Register,
    clock: Arc<dyn Clock>,
    observer: Option<Arc<dyn Observer>>,
    position: AtomicU64,
}

impl Engine {
    /// An engine with that instance default, the system's clock and no cap on tracked users.
    #[must_use]
    pub fn new(instance: InstanceId, default: LockoutPolicy) -> Self {
        Self::builder(instance, default).build()
    }

    /// An engine with more to choose.
    pub fn builder(instance: InstanceId, default: LockoutPolicy) -> EngineBuilder {
        EngineBuilder::new(instance, default)
    }

    /// The instance that the engine serves.
    #[must_use]
    pub fn instance(&self) -> &InstanceId {
        self.hierarchy.instance()
    }

    /// The policy in force for an organization: its override, else the instance default (rule P2).
    ///
    /// Costs a look-up without a lock and without a write that other threads could notice. An
    /// organization never heard of, or a text that is no id, has no override. Ids that are numbers
    /// (1 to 19 digits, no leading zero) are looked up fastest; a policy with a limit of 2²⁵ or more takes
    /// a lock.
    ///
    /// A thread that resolves much takes a [`reader`](Self::reader), a service that keeps something
    /// for each of its organizations keeps the [`org`](Self::org) with it.
    #[inline]
    #[must_use]
    pub fn resolve(&self, org: &str) -> Resolved {
        self.hierarchy.resolve(org)
    }

    /// A reader for one thread: it resolves as [`Engine::resolve`] does, and saves the mark that
    /// tells writers where somebody reads.
    ///
    /// ```
    /// # use portcullis::*;
    /// # let engine = Engine::new("main".parse().unwrap(), LockoutPolicy::new(5, 5));
    /// # let acme: OrgId = "70001".parse().unwrap();
    /// let mut reader = engine.reader();
    /// assert!(reader.resolve("70001").is_default());
    /// engine.add_override(&acme, LockoutPolicy::new(3, 3)).unwrap();
    /// assert_eq!(reader.resolve("70001"), engine.resolve("70001"));
    /// ```
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(&self.hierarchy)
    }

    /// The handle of one organization, known or not: to be kept where the organization is, for
    /// whoever asks for its policy again and again.
    ///
    /// ```
    /// # use portcullis::*;
    /// # let engine = Engine::new("main".parse().unwrap(), LockoutPolicy::new(5, 5));
    /// # let acme: OrgId = "acme".parse().unwrap();
    /// let handle = engine.org(&acme);
    /// assert!(handle.resolve().is_default());
    /// engine.add_override(&acme, LockoutPolicy::new(3, 3)).unwrap();
    /// assert_eq!(handle.resolve(), engine.resolve("acme"));
    /// ```
    #[must_use]
    pub fn org(&self, org: &OrgId) -> OrgHandle {
        OrgHandle::new(&self.hierarchy, org)
    }

    /// Whether a user is locked. Costs a look-up without a lock and without a write that other threads
    /// could notice.
    #[inline]
    #[must_use]
    pub fn is_locked(&self, user: &str) -> bool {
        self.register.is_locked(user)
    }

    /// Asks for one check of one factor of one user (rules A1, A2). Call it before the check is
    /// run, run the check only if [`Admission::Admitted`], and answer nobody before the attempt is
    /// settled: the slot that it holds until then is what keeps parallel guesses within the limit.
    ///
    /// A user who is not on record comes on record here, under `org`. Costs two look-ups; a locked
    /// user is answered by one, without a lock and without a change of anything.
    #[inline]
    pub fn begin(&self, org: &OrgId, user: &UserId, factor: Factor) -> Admission<'_> {
        self.begin_for(EngineRef::Borrowed(self), org, user, factor)
    }

    /// [`Engine::begin`] for an attempt that is kept while its engine is not, as between two
    /// requests.
    pub fn begin_owned(
        self: &Arc<Self>,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Admission<'static> {
        self.begin_for(EngineRef::Owned(Arc::clone(self)), org, user, factor)
    }

    #[inline]
    fn begin_for<'e>(
        &self,
        engine: EngineRef<'e, Self>,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Admission<'e> {
        match self.register.if_locked(org, user) {
            Some(Ok(lock)) => return Admission::Locked(lock),
            Some(Err(refusal)) => return Admission::Refused(refusal),
            None => {}
        }
        let now = self.hierarchy.moment();
        match self.register.claim(org, user, factor, || self.hierarchy.limit(org, factor)) {
            Claim::Admitted(epoch, limit) => {
                let ticket = Ticket { factor, epoch };
                Admission::Admitted(Attempt::new(engine, user.clone(), ticket, (now, limit)))
            }
            Claim::Locked(since, cause) => {
                // Claimed under this organization, so it is the user's.
                Admission::Locked(Lock { since, cause, org: org.clone() })
            }
            Claim::Busy => Admission::Busy,
            Claim::Refused(refusal) => Admission::Refused(refusal),
        }
    }

    #[inline]
    fn settle(
        &self,
        user: &UserId,
        ticket: Ticket,
        limit_then: (Moment, AttemptLimit),
        outcome: Outcome,
        mut info: Option<Box<AttemptInfo>>,
    ) -> Verdict {
        let mut place = self.register.place(user);
        let Some(state) = place.get() else { return Verdict::Superseded };
        let limit = || self.hierarchy.limit_since(limit_then, state.org(), ticket.factor);
        let mut settlement = settle(state, ticket, outcome, limit);
        let at = self.time_of(settlement.changes);
        let locks = settlement.locks();
        if let Some(cause) = locks {
            // Decided again, with nobody told before that the user is not locked.
            let lock = Lock { since: at, cause, org: state.org().clone() };
            self.register.announce(user, lock);
            settlement = settle(state, ticket, outcome, limit);
        }
        let Settlement { judgement, changes } = settlement;
        state.release(ticket.factor, ticket.epoch);
        if let [Some(change), after] = changes {
            self.register.change(user, state, change, at);
            if let Some(change) = after {
                self.register.change(user, state, change, at);
            }
        }
        if locks.is_some() {
            self.register.show(user, state);
        }
        // All is done before anybody is told.
        if self.observer.is_some() {
            for change in changes.into_iter().flatten() {
                let event = event_of(change, &mut info);
                let aggregate = || Aggregate::User { org: state.org().clone(), user: user.clone() };
                self.record(aggregate, None, at, &Actor::from(user), event);
            }
            let verdict = judgement.verdict(state.org());
            self.tell(|observer| observer.verdict(state.org(), user, ticket.factor, &verdict));
        }
        // The verdict is made here and nowhere else: a processor waits when what it has just written
        // in small pieces is copied in large ones.
        match judgement {
            Judgement::Rejected { failures, limit, locked } => {
                Verdict::Rejected { failures, limit, locked }
            }
            Judgement::Accepted => {
                if state.is_idle() {
                    self.register.forget(place);
                }
                Verdict::Accepted
            }
            Judgement::Locked(..) | Judgement::Superseded => judgement.verdict(state.org()),
        }
    }

    /// What is on record of a user.
    #[must_use]
    pub fn status(&self, user: &UserId) -> UserStatus {
        self.register.status(user)
    }

    /// The users who are locked, oldest lock first. Looks at every tracked user; one who is locked
    /// or unlocked meanwhile may or may not be among them.
    pub fn locked_users(&self) -> impl Iterator<Item = (UserId, Lock)> + use<> {
        self.register.locked_users().into_iter()
    }

    /// How many users take up memory: those with a failure, an attempt in flight or a lock.
    #[must_use]
    pub fn tracked_users(&self) -> usize {
        self.register.tracked()
    }

    /// The time of an attempt's changes: read only where somebody sees it.
    #[inline]
    fn time_of(&self, changes: [Option<UserChange>; 2]) -> SystemTime {
        let locks = matches!(changes, [_, Some(UserChange::Locked(_))]);
        if self.observer.is_some() || locks { self.clock.now() } else { SystemTime::UNIX_EPOCH }
    }

    /// Gives an event its position and tells the observer, if there is one.
    fn record(
        &self,
        aggregate: impl FnOnce() -> Aggregate,
        sequence: Option<u64>,
        at: SystemTime,
        actor: &Actor,
        event: Event,
    ) -> u64 {
        let position = self.position.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        self.tell(|observer| {
            observer.event(&Recorded {
                position,
                sequence: sequence.unwrap_or(position),
                at,
                actor: actor.clone(),
                aggregate: aggregate(),
                event,
            });
        });
        position
    }

    /// Tells the observer, if there is one. It can neither vote nor break anything: a panic of its
    /// own ends with it, for it is told while a user's state or the hierarchy is held.
    #[inline]
    fn tell(&self, what: impl FnOnce(&dyn Observer)) {
        if let Some(observer) = &self.observer {
            let _ = catch_unwind(AssertUnwindSafe(|| what(&**observer)));
        }
    }
}

/// The event for the trail. A failure that locks is two events; `info` goes into the first.
pub(crate) fn event_of(change: UserChange, info: &mut Option<Box<AttemptInfo>>) -> Event {
    match change {
        UserChange::CheckFailed(factor) => Event::CheckFailed { factor, info: info.take() },
        UserChange::CheckSucceeded(factor) => Event::CheckSucceeded { factor, info: info.take() },
        UserChange::Locked(cause) => Event::Locked(cause),
        UserChange::Unlocked => Event::Unlocked,
        UserChange::CredentialChanged(factor) => Event::CredentialChanged(factor),
        UserChange::Removed => Event::Removed,
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine")
            .field("instance", self.instance())
            .field("tracked_users", &self.tracked_users())
            .finish_non_exhaustive()
    }
}
