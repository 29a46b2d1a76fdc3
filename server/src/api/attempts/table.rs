//! The attempts between their two calls, and the answers of those that are settled.
//!
//! ```text
//!   begin ──► Open ──settle──► Settling ──► Settled ──5 min──► forgotten
//!              └──deadline: cancelled, forgotten
//! ```
//!
//! What is not in the table answers `superseded` and counts nothing: so it is safe to forget, and what
//! is of another node, or of before a restart, need not be known.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use portcullis::durable::Attempt;
use portcullis::{OrgId, PublicAnswer, Verdict};
use tokio::sync::watch;
use tokio::time::Instant;

use super::id::{AttemptId, Node};

/// How long a settled attempt answers the same again.
pub(crate) const REMEMBERED: Duration = Duration::from_mins(5);
/// How often attempts past their deadline are looked for; one that is settled or begun looks too.
const SWEEP: Duration = Duration::from_millis(250);

/// The table.
pub(super) struct Attempts {
    node: Node,
    /// How long an attempt may take.
    timeout: Duration,
    /// How many attempts are held, open and settled together.
    most: usize,
    table: Mutex<Table>,
}

#[derive(Default)]
struct Table {
    next: u64,
    entries: HashMap<u64, Entry>,
    /// Deadlines of the open ones, oldest first; some are settled since.
    deadlines: VecDeque<(Instant, u64)>,
    /// Since when the settled ones are, oldest first.
    settled: VecDeque<(Instant, u64)>,
}

/// INVARIANT: only the one who turned `Open` into `Settling` settles the attempt.
enum Entry {
    Open(Open),
    Settling(watch::Receiver<Option<Settled>>),
    Settled(Settled),
}

/// An attempt that was admitted.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) attempt: Attempt<'static>,
    pub(super) org: OrgId,
}

/// What an attempt came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Settled {
    pub(super) org: OrgId,
    pub(super) end: End,
    pub(super) public: PublicAnswer,
}

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum End {
    Verdict(Verdict),
    Cancelled,
    /// The user was deactivated meanwhile: as under a lock, the check counts for nothing.
    Inactive,
}

/// What is known of an attempt that is to be settled.
pub(super) enum Found {
    /// It is the caller's to settle, who tells the table by [`Turn::end`].
    Open(Open, Turn),
    /// Somebody else settles it now.
    Settling(watch::Receiver<Option<Settled>>),
    Settled(Settled),
    Unknown,
}

/// There is no room for another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl Attempts {
    /// A table, and what keeps its deadlines for as long as it is used. To be called in a runtime.
    pub(super) fn start(node: Node, timeout: Duration, most: usize) -> Arc<Self> {
        let attempts = Arc::new(Self { node, timeout, most, table: Mutex::default() });
        tokio::spawn(sweep(Arc::downgrade(&attempts)));
        attempts
    }

    /// Keeps an attempt that was admitted. If there is no room it is cancelled.
    pub(super) fn open(&self, open: Open) -> Result<(AttemptId, Duration), Full> {
        let now = Instant::now();
        let mut table = self.table();
        table.expire(now);
        if table.entries.len() >= self.most && !table.forget_oldest() {
            return Err(Full);
        }
        table.drop_old_deadlines(self.most);
        let number = table.next;
        table.next = table.next.wrapping_add(1);
        table.entries.insert(number, Entry::Open(open));
        table.deadlines.push_back((later(now, self.timeout), number));
        Ok((self.node.id(number), self.timeout))
    }

    /// Looks an attempt up to settle it, if `may` of its organization; whoever may not changes nothing.
    pub(super) fn settle<E>(
        self: &Arc<Self>,
        id: &AttemptId,
        may: impl FnOnce(&OrgId) -> Result<(), E>,
    ) -> Result<Found, E> {
        let Some(number) = self.node.number(id) else { return Ok(Found::Unknown) };
        let mut table = self.table();
        table.expire(Instant::now());
        let Some(entry) = table.entries.remove(&number) else { return Ok(Found::Unknown) };
        let (sender, receiver) = watch::channel(None);
        let (entry, found) = match entry {
            Entry::Open(open) => {
                if let Err(refusal) = may(&open.org) {
                    (Entry::Open(open), Err(refusal))
                } else {
                    let turn = Turn { of: Arc::clone(self), number, sender };
                    (Entry::Settling(receiver), Ok(Found::Open(open, turn)))
                }
            }
            Entry::Settling(receiver) => {
                (Entry::Settling(receiver.clone()), Ok(Found::Settling(receiver)))
            }
            Entry::Settled(settled) => {
                let found = may(&settled.org).map(|()| Found::Settled(settled.clone()));
                (Entry::Settled(settled), found)
            }
        };
        table.entries.insert(number, entry);
        found
    }

    /// How many attempts are open or being settled.
    pub(super) fn in_flight(&self) -> usize {
        let mut table = self.table();
        table.expire(Instant::now());
        table.entries.len().saturating_sub(table.settled.len())
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Table {
    /// Cancels what is past its deadline, and forgets what was settled long enough ago.
    fn expire(&mut self, now: Instant) {
        while let Some((_, number)) = self.deadlines.pop_front_if(|(at, _)| *at <= now) {
            if let Some(Entry::Open(_)) = self.entries.get(&number) {
                // Dropped, and so cancelled (rule A7).
                self.entries.remove(&number);
            }
        }
        let is_old = |(at, _): &mut (Instant, u64)| later(*at, REMEMBERED) <= now;
        while let Some((_, number)) = self.settled.pop_front_if(is_old) {
            self.entries.remove(&number);
        }
    }

    /// Most attempts are settled long before their deadline: those deadlines may not pile up.
    fn drop_old_deadlines(&mut self, most: usize) {
        if self.deadlines.len() >= most.saturating_mul(2) {
            let is_open = |number: &u64| matches!(self.entries.get(number), Some(Entry::Open(_)));
            self.deadlines.retain(|(_, number)| is_open(number));
        }
    }

    /// Makes room at the cost of an answer that is not likely to be asked for again; whether it could.
    fn forget_oldest(&mut self) -> bool {
        let Some((_, number)) = self.settled.pop_front() else { return false };
        self.entries.remove(&number).is_some()
    }
}

/// The right, and the duty, to settle an attempt. If it is dropped the attempt is forgotten.
pub(super) struct Turn {
    of: Arc<Attempts>,
    number: u64,
    sender: watch::Sender<Option<Settled>>,
}

impl Turn {
    /// Tells what the attempt came to, to all who ask from now on and who wait.
    pub(super) fn end(self, settled: Settled) {
        let mut table = self.of.table();
        table.entries.insert(self.number, Entry::Settled(settled.clone()));
        table.settled.push_back((Instant::now(), self.number));
        drop(table);
        self.sender.send_replace(Some(settled));
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut table = self.of.table();
        if let Some(Entry::Settling(_)) = table.entries.get(&self.number) {
            table.entries.remove(&self.number);
        }
    }
}

async fn sweep(attempts: Weak<Attempts>) {
    let mut clock = tokio::time::interval(SWEEP);
    loop {
        clock.tick().await;
        let Some(attempts) = attempts.upgrade() else { return };
        attempts.table().expire(Instant::now());
    }
}

/// A time that is too far off is one that does not come.
fn later(at: Instant, by: Duration) -> Instant {
    at.checked_add(by).unwrap_or_else(|| {
        const YEAR: Duration = Duration::from_hours(365 * 24);
        at.checked_add(YEAR).unwrap_or(at)
    })
}

impl fmt::Debug for Attempts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempts").field("node", &self.node).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use portcullis::durable::Admission;
    use portcullis::journal::MemoryJournal;
    use portcullis::{DurableEngine, Factor, LockoutPolicy};

    use super::*;

    #[tokio::test]
    async fn deadlines_of_settled_attempts_do_not_pile_up() {
        let main = "main".parse().unwrap();
        let opened = DurableEngine::open(main, LockoutPolicy::new(5, 5), MemoryJournal::new());
        let engine = Arc::new(opened.await.unwrap());
        let node = Node::new("main".parse().unwrap());
        let attempts = Attempts::start(node, Duration::from_hours(1), 4);
        let org: OrgId = "acme".parse().unwrap();
        let open = || {
            let admission = engine.begin_owned(&org, &"ada".parse().unwrap(), Factor::Password);
            let Admission::Admitted(attempt) = admission else { panic!("{admission:?}") };
            attempts.open(Open { attempt, org: org.clone() }).unwrap().0
        };
        let oldest = open();
        for _ in 0..100 {
            let id = open();
            let found = attempts.settle(&id, |_| Ok::<_, ()>(())).unwrap();
            let Found::Open(Open { attempt, org }, turn) = found else { panic!() };
            attempt.cancel();
            turn.end(Settled { org, end: End::Cancelled, public: PublicAnswer::Denied });
            assert!(attempts.table().deadlines.len() <= 2 * 4);
        }
        // That of an open one is kept.
        attempts.table().expire(later(Instant::now(), Duration::from_hours(2)));
        assert!(matches!(attempts.settle(&oldest, |_| Ok::<_, ()>(())), Ok(Found::Unknown)));
        assert_eq!(attempts.in_flight(), 0);
    }
}
