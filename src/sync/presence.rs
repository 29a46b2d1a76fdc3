//! Which keys an index certainly does not hold: the common case, answered by one load of a small
//! table in place of a look-up.

use super::{AtomicU64, Ordering};

/// How many keys there are by a part of their digests. With very many, each cell holds some and the
/// look-up is made as if there were no such table. One writer of a key at a time.
///
/// INVARIANT: a cell counts at least the keys that readers can find: one is counted before it can be
/// found, and taken off after it cannot be found any more. A cell that has been full stays full, for
/// it has lost count.
pub(crate) struct Presence(Box<[AtomicU64]>);

/// Cells of a word.
const CELLS_OF_A_WORD: usize = 8;

const FULL: u8 = u8::MAX;

impl Presence {
    /// So many cells, a power of two: they are to stay in the nearer caches.
    pub(crate) fn new(cells: usize) -> Self {
        let words = if cfg!(portcullis_loom) { 1 } else { cells / CELLS_OF_A_WORD };
        Self((0..words.next_power_of_two()).map(|_| AtomicU64::new(0)).collect())
    }

    /// Whether no key with that digest can be found.
    #[inline]
    pub(crate) fn is_absent(&self, digest: u64) -> bool {
        cell_of(self.word(digest).load(Ordering::Acquire), digest) == 0
    }

    /// Counts a key, before it can be found.
    pub(crate) fn add(&self, digest: u64) {
        self.change(digest, |count| count.saturating_add(1));
    }

    /// Takes a key off, after it cannot be found any more.
    pub(crate) fn remove(&self, digest: u64) {
        self.change(digest, |count| if count == FULL { FULL } else { count.saturating_sub(1) });
    }

    fn change(&self, digest: u64, change: impl Fn(u8) -> u8) {
        let change = |word| {
            let before = cell_of(word, digest);
            let difference = u64::from(before ^ change(before));
            Some(word ^ difference.wrapping_shl(place_of(digest)))
        };
        let _ = self.word(digest).fetch_update(Ordering::AcqRel, Ordering::Relaxed, change);
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
    fn word(&self, digest: u64) -> &AtomicU64 {
        &self.0[(digest >> 23) as usize & self.0.len().wrapping_sub(1)]
    }
}

/// A digest's cell of its word.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "a cell is eight bits")]
fn cell_of(word: u64, digest: u64) -> u8 {
    word.wrapping_shr(place_of(digest)) as u8
}

/// The place of a digest's cell in its word: eight bits for each of eight cells.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
fn place_of(digest: u64) -> u32 {
    (digest >> 17) as u32 & 0x38
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_cell_counts_and_stays_full_once_it_was() {
        let presence = Presence::new(1 << 10);
        assert!(presence.is_absent(7));
        presence.add(7);
        presence.add(7);
        presence.remove(7);
        assert!(!presence.is_absent(7) && presence.is_absent(7 << 20));
        presence.remove(7);
        assert!(presence.is_absent(7));
        for _ in 0..300 {
            presence.add(7);
        }
        for _ in 0..300 {
            presence.remove(7);
        }
        assert!(!presence.is_absent(7));
    }
}
