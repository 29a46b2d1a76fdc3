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

/// What a cell tells: in the lower bits how many keys, in the top bit whether one of them was ever a
/// text.
#[derive(Clone, Copy)]
pub(crate) struct Cell(u8);

const FULL: u8 = 0x7f;
const TEXT: u8 = 0x80;

impl Cell {
    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "a cell is eight bits")]
    fn of(word: u64, digest: u64) -> Self {
        Self(word.wrapping_shr(place_of(digest)) as u8)
    }

    #[inline]
    pub(crate) fn is_empty(self) -> bool {
        self.0 & FULL == 0
    }

    /// Whether a key that is no number may be among them.
    #[inline]
    pub(crate) fn may_hold_text(self) -> bool {
        self.0 & TEXT != 0
    }
}

impl Presence {
    /// So many cells, a power of two: they are to stay in the nearer caches.
    pub(crate) fn new(cells: usize) -> Self {
        let words = if cfg!(portcullis_loom) { 1 } else { cells / CELLS_OF_A_WORD };
        Self((0..words.next_power_of_two()).map(|_| AtomicU64::new(0)).collect())
    }

    #[inline]
    pub(crate) fn look(&self, digest: u64) -> Cell {
        Cell::of(self.word(digest).load(Ordering::Acquire), digest)
    }

    /// Counts a key, before it can be found.
    pub(crate) fn add(&self, digest: u64, is_text: bool) {
        let text = if is_text { TEXT } else { 0 };
        self.change(digest, |cell| {
            let count = (cell & FULL).saturating_add(1).min(FULL);
            cell & TEXT | text | count
        });
    }

    /// Takes a key off, after it cannot be found any more.
    pub(crate) fn remove(&self, digest: u64) {
        self.change(digest, |cell| match cell & FULL {
            FULL => cell,
            count => cell & TEXT | count.saturating_sub(1),
        });
    }

    fn change(&self, digest: u64, change: impl Fn(u8) -> u8) {
        let change = |word| {
            let Cell(before) = Cell::of(word, digest);
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
        assert!(presence.look(7).is_empty());
        presence.add(7, false);
        presence.add(7, false);
        presence.remove(7);
        assert!(!presence.look(7).is_empty() && presence.look(7 << 20).is_empty());
        presence.remove(7);
        assert!(presence.look(7).is_empty());
        for _ in 0..300 {
            presence.add(7, false);
        }
        for _ in 0..300 {
            presence.remove(7);
        }
        assert!(!presence.look(7).is_empty() && !presence.look(7).may_hold_text());
    }

    #[test]
    fn a_cell_remembers_that_it_held_a_text() {
        let presence = Presence::new(1 << 10);
        presence.add(7, true);
        presence.add(7, false);
        assert!(presence.look(7).may_hold_text());
        presence.remove(7);
        presence.remove(7);
        assert!(presence.look(7).may_hold_text() && presence.look(7).is_empty());
    }
}
