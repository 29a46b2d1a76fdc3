//! The policies of one instance: its default, and the overrides of its organizations.
//!
//! ```text
//!   resolve ──► index: org → word ──► default: word       hot, no lock
//!                 │ wide                │ wide
//!   change  ──► ledger: org → record  record (snapshot)     the truth, one writer
//! ```
//!
//! INVARIANT: the ledger's mutex is held by whoever changes anything here, a change of the default
//! is counted before it shows anywhere, and a word is published after its record. So a word tells
//! the newest policy whose change has returned (rule P4). And a reader who missed the override and
//! then read the default knows whether that default was in force when the override was missed; if it
//! may not have been, as when both levels change at once, the ledger is asked.
//!
//! INVARIANT: the word of an organization's handle is the index's word or [`ASK_INDEX`]: it is that
//! from before the index changes until after. So whoever sees a change by handle sees it by id as
//! well, and the other way round.
//!
//! `changes` is odd from before a change shows until after it does: while it stays at an even number,
//! every limit that was resolved since it came to that number is in force.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::SystemTime;

use super::decide::{PolicyCommand, PolicyEvent, PolicyRecord, decide};
use super::packed::{pack, unpack};
use super::{AttemptLimit, Details, LockoutPolicy, Origin, Resolved};
use crate::error::PolicyError;
use crate::id::{InstanceId, OrgId};
use crate::lockout::Factor;
use crate::sync::{ABSENT, AtomicU64, IndexReader, Mutex, Ordering, ReadIndex, Swap, fence, lock};

pub(crate) struct Hierarchy {
    instance: InstanceId,
    /// How many changes of any policy have begun, and how many have ended.
    changes: AtomicU64,
    /// How many changes of the default have begun.
    default_changes: AtomicU64,
    default_word: AtomicU64,
    default_record: Swap<PolicyRecord>,
    index: ReadIndex<OrgId>,
    ledger: Mutex<Ledger>,
}

#[derive(Default)]
struct Ledger {
    /// Every organization that ever had an override: its sequence outlives a reset.
    records: BTreeMap<OrgId, PolicyRecord>,
    /// The words of the organizations' handles, also for some time of handles that are no more.
    handled: BTreeMap<OrgId, Weak<AtomicU64>>,
}

/// A handle's word that says: look into the index.
const ASK_INDEX: u64 = ABSENT - 1;

/// A moment in the life of the policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(u64);

impl Hierarchy {
    pub(crate) fn new(instance: InstanceId, default: LockoutPolicy, at: SystemTime) -> Self {
        let mut record = PolicyRecord::EMPTY;
        record.apply(PolicyEvent::Added(default), at);
        Self {
            instance,
            changes: AtomicU64::new(0),
            default_changes: AtomicU64::new(0),
            default_word: AtomicU64::new(pack(default)),
            default_record: Swap::new(record),
            index: ReadIndex::new(),
            ledger: Mutex::new(Ledger::default()),
        }
    }

    pub(crate) fn instance(&self) -> &InstanceId {
        &self.instance
    }

    /// The policy in force for an organization.
    #[inline]
    pub(crate) fn resolve(&self, org: &str) -> Resolved {
        self.resolve_by(org, || self.index.get(org))
    }

    /// [`Self::resolve`] through a thread's own reader of the index.
    #[inline]
    pub(super) fn resolve_through(&self, reader: &mut IndexReader, org: &str) -> Resolved {
        self.resolve_by(org, || reader.get(&self.index, org))
    }

    /// [`Self::resolve`] by the word of the organization's handle.
    #[inline]
    pub(super) fn resolve_handled(&self, org: &OrgId, word: &AtomicU64) -> Resolved {
        if let Some(policy) = unpack(word.load(Ordering::Acquire)) {
            return Resolved { policy, origin: Origin::OrgOverride };
        }
        let before = self.default_changes.load(Ordering::Acquire);
        if word.load(Ordering::Acquire) == ABSENT
            && let Some(default) = self.default_since(before)
        {
            return default;
        }
        self.resolve_by_id(org)
    }

    /// [`Self::resolve`] where a handle's word does not tell the policy.
    #[cold]
    fn resolve_by_id(&self, org: &OrgId) -> Resolved {
        self.resolve(org)
    }

    /// A reader of the index for one thread.
    pub(super) fn index_reader(&self) -> IndexReader {
        self.index.reader()
    }

    /// The word that an organization's handles share.
    pub(super) fn handled(&self, org: &OrgId) -> Arc<AtomicU64> {
        let ledger = &mut *lock(&self.ledger);
        if let Some(word) = ledger.handled.get(org).and_then(Weak::upgrade) {
            return word;
        }
        // Now and then, so that those who are no more do not add up.
        if ledger.handled.len().is_power_of_two() {
            ledger.handled.retain(|_, word| word.strong_count() > 0);
        }
        let policy = ledger.records.get(org).and_then(|record| record.policy);
        let word = Arc::new(AtomicU64::new(policy.map_or(ABSENT, pack)));
        ledger.handled.insert(org.clone(), Arc::downgrade(&word));
        word
    }

    /// The limit in force for an organization's users.
    #[inline]
    pub(crate) fn limit(&self, org: &OrgId, factor: Factor) -> AttemptLimit {
        self.resolve_by(org, || self.index.get(org)).policy.limit(factor)
    }

    /// A moment, for [`Self::limit_since`].
    #[inline]
    pub(crate) fn moment(&self) -> Moment {
        Moment(self.changes.load(Ordering::Acquire))
    }

    /// [`Self::limit`], given the same organization's and factor's as it was resolved after some
    /// moment: resolved anew only if a policy may have changed since.
    #[inline]
    pub(crate) fn limit_since(
        &self,
        (then, limit): (Moment, AttemptLimit),
        org: &OrgId,
        factor: Factor,
    ) -> AttemptLimit {
        let Moment(changes) = then;
        let at_rest = changes & 1 == 0;
        if at_rest && self.moment() == then { limit } else { self.limit(org, factor) }
    }

    /// Resolves, given how to find the word of the organization's override.
    #[inline]
    fn resolve_by(&self, org: &str, word: impl FnOnce() -> Option<u64>) -> Resolved {
        let before = self.default_changes.load(Ordering::Acquire);
        match word().map(unpack) {
            Some(Some(policy)) => Resolved { policy, origin: Origin::OrgOverride },
            Some(None) => self.resolve_at_rest(org),
            None => match self.default_since(before) {
                Some(default) => default,
                None => self.resolve_wide_default(org, before),
            },
        }
    }

    /// The default, if it fits a word and no change of it has begun since so many had: then it was
    /// this one all the while, so also when the override was missed.
    #[inline]
    fn default_since(&self, changes: u64) -> Option<Resolved> {
        let policy = unpack(self.default_word.load(Ordering::Acquire))?;
        let unchanged = self.default_changes.load(Ordering::Acquire) == changes;
        unchanged.then_some(Resolved { policy, origin: Origin::InstanceDefault })
    }

    /// The same for a default that does not fit a word; while it changes, the ledger is asked.
    #[cold]
    fn resolve_wide_default(&self, org: &str, changes: u64) -> Resolved {
        let policy = policy_of_default(&self.default_record());
        if self.default_changes.load(Ordering::Acquire) == changes {
            return Resolved { policy, origin: Origin::InstanceDefault };
        }
        self.resolve_at_rest(org)
    }

    /// Resolves while nothing changes: for a wide override, and where the default changed between
    /// two looks.
    #[cold]
    fn resolve_at_rest(&self, org: &str) -> Resolved {
        let ledger = lock(&self.ledger);
        if let Some(policy) = ledger.records.get(org).and_then(|record| record.policy) {
            return Resolved { policy, origin: Origin::OrgOverride };
        }
        let policy = policy_of_default(&self.default_record());
        Resolved { policy, origin: Origin::InstanceDefault }
    }

    /// The instance default with its details.
    pub(crate) fn default_with_details(&self) -> (LockoutPolicy, Details) {
        let _no_change_meanwhile = lock(&self.ledger);
        self.read_default()
    }

    /// The policy in force for an organization, with the details of the level that answers.
    pub(crate) fn with_details(&self, org: &OrgId) -> (Resolved, Details) {
        let ledger = lock(&self.ledger);
        if let Some(record) = ledger.records.get(org)
            && let Some(policy) = record.policy
        {
            return (Resolved { policy, origin: Origin::OrgOverride }, record.details(org));
        }
        let (policy, details) = self.read_default();
        (Resolved { policy, origin: Origin::InstanceDefault }, details)
    }

    fn read_default(&self) -> (LockoutPolicy, Details) {
        let record = self.default_record();
        (policy_of_default(&record), record.details(&self.instance))
    }

    /// All overrides of one moment, in order of the organizations' ids.
    pub(crate) fn overrides(&self) -> Vec<(OrgId, LockoutPolicy)> {
        let ledger = lock(&self.ledger);
        let overrides = ledger.records.iter();
        overrides.filter_map(|(org, record)| Some((org.clone(), record.policy?))).collect()
    }

    /// The instance default's record.
    pub(crate) fn default_record(&self) -> PolicyRecord {
        self.default_record.read(|record| record.copied().unwrap_or(PolicyRecord::EMPTY))
    }

    /// Every organization that ever had an override.
    #[cfg(feature = "durable")]
    pub(crate) fn known_orgs(&self) -> Vec<OrgId> {
        lock(&self.ledger).records.keys().cloned().collect()
    }

    /// An organization's record, empty if it never had an override.
    #[cfg(feature = "durable")]
    pub(crate) fn override_record(&self, org: &OrgId) -> PolicyRecord {
        lock(&self.ledger).records.get(org).copied().unwrap_or(PolicyRecord::EMPTY)
    }

    /// Carries a command on the instance default out. `stamp` tells the time of the event, `seen`
    /// is told of it while no other change can come between.
    pub(crate) fn change_default(
        &self,
        command: PolicyCommand,
        stamp: impl FnOnce() -> SystemTime,
        seen: impl FnOnce(PolicyEvent, u64, SystemTime),
    ) -> Result<Details, PolicyError> {
        let ledger = lock(&self.ledger);
        let mut record = self.default_record();
        if let Some((event, at)) = step(&mut record, command, stamp)? {
            self.publish_default(&ledger, record);
            seen(event, record.sequence, at);
        }
        Ok(record.details(&self.instance))
    }

    /// Carries a command on an organization's override out, likewise.
    pub(crate) fn change_override(
        &self,
        org: &OrgId,
        command: PolicyCommand,
        stamp: impl FnOnce() -> SystemTime,
        seen: impl FnOnce(PolicyEvent, u64, SystemTime),
    ) -> Result<Details, PolicyError> {
        let mut ledger = lock(&self.ledger);
        let mut record = ledger.records.get(org).copied().unwrap_or(PolicyRecord::EMPTY);
        if let Some((event, at)) = step(&mut record, command, stamp)? {
            self.publish_override(&mut ledger, org, record);
            seen(event, record.sequence, at);
        }
        Ok(record.details(org))
    }

    /// Puts a record in the place of the instance default's.
    #[cfg(feature = "durable")]
    pub(crate) fn set_default_record(&self, record: PolicyRecord) {
        self.publish_default(&lock(&self.ledger), record);
    }

    /// Puts a record in the place of an organization's.
    #[cfg(feature = "durable")]
    pub(crate) fn set_override_record(&self, org: &OrgId, record: PolicyRecord) {
        self.publish_override(&mut lock(&self.ledger), org, record);
    }

    fn publish_default(&self, _held: &Ledger, record: PolicyRecord) {
        self.changes.fetch_add(1, Ordering::Release);
        self.default_changes.fetch_add(1, Ordering::Release);
        self.default_record.replace(record);
        self.default_word.store(pack(policy_of_default(&record)), Ordering::Release);
        self.has_changed();
    }

    /// A change shows. Whoever looks from now on whether somebody is locked sees the announcement of a
    /// lock under the limit before it: of the two who each write and then look at what the other has
    /// written, one sees it.
    fn has_changed(&self) {
        self.changes.fetch_add(1, Ordering::Release);
        fence(Ordering::SeqCst);
    }

    fn publish_override(&self, ledger: &mut Ledger, org: &OrgId, record: PolicyRecord) {
        self.changes.fetch_add(1, Ordering::Release);
        let before = ledger.records.insert(org.clone(), record).and_then(|before| before.policy);
        let handled = ledger.handled.get(org).and_then(Weak::upgrade);
        if let Some(word) = &handled {
            word.store(ASK_INDEX, Ordering::Release);
        }
        match (before, record.policy) {
            (_, Some(policy)) => self.index.set(org, pack(policy)),
            (Some(_), None) => self.index.remove(org),
            (None, None) => {}
        }
        if let Some(word) = &handled {
            word.store(record.policy.map_or(ABSENT, pack), Ordering::Release);
        }
        self.has_changed();
    }
}

/// Decides and applies; the event and its time, if there is one.
fn step(
    record: &mut PolicyRecord,
    command: PolicyCommand,
    stamp: impl FnOnce() -> SystemTime,
) -> Result<Option<(PolicyEvent, SystemTime)>, PolicyError> {
    let Some(event) = decide(record.policy, command)? else { return Ok(None) };
    let at = stamp();
    record.apply(event, at);
    Ok(Some((event, at)))
}

/// The default exists from the first event on and no command removes it (rule P1).
fn policy_of_default(record: &PolicyRecord) -> LockoutPolicy {
    record.policy.unwrap_or_default()
}
