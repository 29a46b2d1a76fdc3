//! Which organizations certainly have no override: the common case, answered by one load of a small
//! table in place of a look-up in the index.

use crate::sync::{AtomicU8, Ordering};

/// Few enough to stay in the nearest cache, enough for thousands of overrides; with very many, each
/// cell holds some and the look-up is made as if there were no such table.
#[cfg(not(portcullis_loom))]
const CELLS: usize = 1 << 16;
#[cfg(portcullis_loom)]
const CELLS: usize = 1;

/// How many overrides there are by a part of their organizations' digests. One writer at a time.
///
/// INVARIANT: a cell counts at least the overrides that readers can find: one is counted before it
/// can be found, and taken off after it cannot be found any more. A cell that has been full stays
/// full, for it has lost count.
pub(super) struct Presence(Box<[AtomicU8]>);

impl Presence {
    pub(super) fn new() -> Self {
        Self((0..CELLS).map(|_| AtomicU8::new(0)).collect())
    }

    #[inline]
    pub(super) fn may_hold(&self, digest: u64) -> bool {
        self.cell(digest).load(Ordering::Acquire) != 0
    }

    pub(super) fn add(&self, digest: u64) {
        let cell = self.cell(digest);
        cell.store(cell.load(Ordering::Relaxed).saturating_add(1), Ordering::Release);
    }

    pub(super) fn remove(&self, digest: u64) {
        let cell = self.cell(digest);
        match cell.load(Ordering::Relaxed) {
            u8::MAX => {}
            count => cell.store(count.saturating_sub(1), Ordering::Release),
        }
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
    fn cell(&self, digest: u64) -> &AtomicU8 {
        &self.0[(digest >> 20) as usize & (CELLS - 1)]
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_cell_counts_and_stays_full_once_it_was() {
        let presence = Presence::new();
        assert!(!presence.may_hold(7));
        presence.add(7);
        presence.add(7);
        presence.remove(7);
        assert!(presence.may_hold(7) && !presence.may_hold(7 << 20));
        presence.remove(7);
        assert!(!presence.may_hold(7));
        for _ in 0..300 {
            presence.add(7);
        }
        for _ in 0..300 {
            presence.remove(7);
        }
        assert!(presence.may_hold(7));
    }
}
