//! When memory was last known to be at the journal's head, and how long that is good enough for a clean
//! success (rule D7).

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// INVARIANT: memory reflects all that was in the journal at `start + newest`. So what counts of a look
/// is the moment before it was asked for: when its answer comes, the head may have moved.
pub(super) struct Seen {
    start: Instant,
    /// In nanoseconds after `start`.
    newest: AtomicU64,
    /// How old it may be. Nothing at all: each clean success is to look by itself.
    stale: Duration,
}

impl Seen {
    /// Memory reflects all that was in the journal at `start`.
    pub(super) fn new(start: Instant, stale: Duration) -> Self {
        Self { start, newest: AtomicU64::new(0), stale }
    }

    /// Memory now reflects all that was in the journal at a moment.
    pub(super) fn all_of(&self, moment: Instant) {
        let after = moment.saturating_duration_since(self.start).as_nanos();
        let after = u64::try_from(after).unwrap_or(u64::MAX);
        self.newest.fetch_max(after, Ordering::Release);
    }

    /// Whether that was so lately that a clean success need not look.
    pub(super) fn lately(&self) -> bool {
        if self.stale.is_zero() {
            return false;
        }
        let newest = Duration::from_nanos(self.newest.load(Ordering::Acquire));
        self.start.elapsed().saturating_sub(newest) <= self.stale
    }
}
