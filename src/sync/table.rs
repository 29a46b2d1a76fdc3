//! A table of keys → words, of one size, made of atomic words and of cells that are written once.
//!
//! ```text
//!   tags   │ t t t t t · · · · · · · · · · · │ t t t …     a byte a slot, 16 slots a group
//!   slots  │ key+word, key+word, … │ │ │     │ …           4 slots a line: of numbers, a line of the caches
//! ```
//!
//! A digest picks the group where a look-up begins and the tag that it looks for (`lanes.rs`); a group with a
//! free slot ends it. It also picks the line of the group that is filled first with such keys.
//!
//! INVARIANT: a slot is given to one key and never to another. Its key and first word are written
//! before its tag, and the tag is released after them: who has acquired a tag sees both. A key that
//! is removed keeps its slot, with the word [`ABSENT`]; the room comes back when a new table takes
//! over. One writer at a time; readers never wait and write nothing.

use super::lanes::{GROUP, Lanes, has_free, tag_of};
use super::{AtomicU64, AtomicUsize, Ordering};

/// The word that says: this key has none. It is the highest one: words have 52 bits.
pub(crate) const ABSENT: u64 = (1 << 52) - 1;

/// How many slots of a group may be used on average: with more, look-ups would seldom end in the
/// group where they began.
const MOST_USED: usize = if cfg!(portcullis_loom) { 2 } else { 12 };

/// How many are used on average of a table that has just taken over.
const USED_AT_FIRST: usize = if cfg!(portcullis_loom) { 1 } else { 9 };

pub(crate) struct Table<S> {
    tags: Box<[[AtomicU64; 2]]>,
    slots: Box<[[Line<S>; LINES]]>,
    /// How many slots have a key. The writer's alone.
    used: AtomicUsize,
    /// Whether it is one of so many that they are not in the nearer caches when they are looked at.
    is_far: bool,
}

/// A quarter of a group. The slots of numbers are one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Line<S>([S; SLOTS]);

const SLOTS: usize = 4;
const LINES: usize = GROUP / SLOTS;

/// Where a key is written, once, and its word.
pub(crate) trait Slot: Default {
    type Key;
    fn fill(&self, key: Self::Key, word: u64);
    /// What it was filled with, and the newest word; anything if it was not.
    fn entry(&self) -> Option<(Self::Key, u64)>;
}

impl<S: Slot> Table<S> {
    /// A table of keys with their digests and words, with room for a third as many more.
    pub(crate) fn of(entries: Vec<(u64, S::Key, u64)>, is_far: bool) -> Self {
        // Also for the key that it is made for.
        let groups = entries.len().saturating_add(1).div_ceil(USED_AT_FIRST);
        let word = || AtomicU64::new(0);
        let table = Self {
            tags: (0..groups).map(|_| [word(), word()]).collect(),
            slots: (0..groups).map(|_| std::array::from_fn(|_| Line::default())).collect(),
            used: AtomicUsize::new(0),
            is_far,
        };
        for (digest, key, word) in entries {
            table.insert(digest, key, word);
        }
        table
    }

    /// What `look` first tells of a slot whose key may have that digest: mostly it is asked once, of a
    /// slot in the group where the look-up begins, and if the key has none seldom at all.
    #[inline]
    pub(crate) fn find<'t, R>(
        &'t self,
        digest: u64,
        mut look: impl FnMut(&'t S) -> Option<R>,
    ) -> Option<R> {
        let group = self.first_group(digest);
        let tags = self.tags_of(group)?;
        if let Some(lane) = Lanes::tagged(tag_of(digest), tags).next() {
            let found = look(slot_of(self.slots.get(group)?, lane)?);
            if found.is_some() {
                return found;
            }
        } else if has_free(tags) {
            return None;
        }
        self.find_further(digest, look)
    }

    /// The slot of a key, if it has one.
    #[inline]
    pub(crate) fn find_slot(&self, digest: u64, is_it: impl Fn(&S) -> bool) -> Option<&S> {
        if self.is_far {
            self.find_far(digest, is_it)
        } else {
            self.find(digest, |slot| is_it(slot).then_some(slot))
        }
    }

    /// The same in a far table: the key is first looked for in the line that the digest picks. That is known
    /// before the tags are, so both are on their way from memory at once. (With a million keys that takes a
    /// quarter less.)
    #[inline(never)]
    fn find_far(&self, digest: u64, is_it: impl Fn(&S) -> bool) -> Option<&S> {
        let group = self.first_group(digest);
        let tags = self.tags_of(group)?;
        let tagged = Lanes::tagged(tag_of(digest), tags);
        if tagged.is_empty() && has_free(tags) {
            return None;
        }
        let line = line_of(digest);
        if tagged.has_any(line.wrapping_mul(SLOTS), SLOTS) {
            let lines = self.slots.get(group)?;
            let likely = lane_in(lines, line, &is_it);
            // A slot whose tag was not there yet is left to those who come later.
            if tagged.has_any(likely, 1)
                && let Some(slot) = slot_of(lines, likely)
                && is_it(slot)
            {
                return Some(slot);
            }
        }
        self.find_further(digest, |slot| is_it(slot).then_some(slot))
    }

    /// The same as [`Self::find`], of all slots that may be the key's.
    #[inline(never)]
    fn find_further<'t, R>(
        &'t self,
        digest: u64,
        mut look: impl FnMut(&'t S) -> Option<R>,
    ) -> Option<R> {
        let mut group = self.first_group(digest);
        loop {
            let tags = self.tags_of(group)?;
            for lane in Lanes::tagged(tag_of(digest), tags) {
                let found = look(slot_of(self.slots.get(group)?, lane)?);
                if found.is_some() {
                    return found;
                }
            }
            if has_free(tags) {
                return None;
            }
            group = self.after(group);
        }
    }

    #[inline]
    fn tags_of(&self, group: usize) -> Option<[u64; 2]> {
        Some(self.tags.get(group)?.each_ref().map(|half| half.load(Ordering::Acquire)))
    }

    /// Whether one more key may have a slot.
    pub(crate) fn has_room(&self) -> bool {
        self.used.load(Ordering::Relaxed) < self.tags.len().saturating_mul(MOST_USED)
    }

    /// Gives a slot to a key that has none. The table must have room.
    pub(crate) fn insert(&self, digest: u64, key: S::Key, word: u64) {
        let mut group = self.first_group(digest);
        while let (Some(tags), Some(slots)) = (self.tags.get(group), self.slots.get(group)) {
            let held = tags.each_ref().map(|half| half.load(Ordering::Relaxed));
            // In a near table as close together as can be.
            let first = if self.is_far { line_of(digest).wrapping_mul(SLOTS) } else { 0 };
            let Some(lane) = Lanes::free(held).next_from(first) else {
                group = self.after(group);
                continue;
            };
            if let (Some(slot), Some(half)) = (slot_of(slots, lane), tags.get(Lanes::half_of(lane)))
            {
                slot.fill(key, word);
                let tag = tag_of(digest).wrapping_shl(Lanes::shift_of(lane));
                half.store(half.load(Ordering::Relaxed) | tag, Ordering::Release);
                let used = self.used.load(Ordering::Relaxed);
                self.used.store(used.saturating_add(1), Ordering::Relaxed);
            }
            return;
        }
    }

    /// The keys that have a word, with it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (S::Key, u64)> {
        self.tags.iter().zip(&self.slots).flat_map(|(tags, slots)| {
            let tags = tags.each_ref().map(|half| half.load(Ordering::Acquire));
            Lanes::used(tags).filter_map(move |lane| {
                slot_of(slots, lane)?.entry().filter(|(_, word)| *word != ABSENT)
            })
        })
    }

    /// The group where a look-up begins: the digest's upper half, scaled to the number of groups.
    #[inline]
    fn first_group(&self, digest: u64) -> usize {
        ((digest >> 32).wrapping_mul(self.tags.len() as u64) >> 32) as usize
    }

    #[inline]
    fn after(&self, group: usize) -> usize {
        let next = group.wrapping_add(1);
        if next == self.tags.len() { 0 } else { next }
    }
}

/// The line of its group where a key is looked for first: by two bits of the digest that pick nothing else.
#[inline]
fn line_of(digest: u64) -> usize {
    (digest >> 8) as usize & (LINES - 1)
}

/// The lane of a line's slot that is looked for; another of its lanes if there is none. Without a branch for
/// each slot: which of them it is nobody can predict.
#[inline]
fn lane_in<S>(lines: &[Line<S>; LINES], line: usize, is_it: impl Fn(&S) -> bool) -> usize {
    let slots = lines.get(line).map(|Line(slots)| slots.iter().enumerate());
    let it =
        slots.into_iter().flatten().fold(0, |it, (at, slot)| if is_it(slot) { at } else { it });
    line.wrapping_mul(SLOTS).wrapping_add(it)
}

/// The slot of a lane.
#[inline]
fn slot_of<S>(lines: &[Line<S>; LINES], lane: usize) -> Option<&S> {
    lines.get(lane / SLOTS)?.0.get(lane % SLOTS)
}

#[cfg(all(test, not(portcullis_loom)))]
impl<S> Table<S> {
    /// What the table takes up, but for its own few words.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.tags).saturating_add(size_of_val(&*self.slots))
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::super::number::NumberSlot;
    use super::*;
    use crate::id::Number;

    #[test]
    fn a_key_is_found_once_its_tag_is_there_and_not_before() {
        let number = |low| Number { low, high: 1 };
        for is_far in [false, true] {
            let table = Table::<NumberSlot>::of(vec![(0, number(7), 70)], is_far);
            let found = |low| table.find_slot(0, |slot| slot.is_of(number(low)));
            let found = |low| found(low).map(NumberSlot::word);
            // As a writer leaves it that has not come to the tag yet. The one beside it has the same.
            for slot in table.slots.iter().flatten().flat_map(|Line(slots)| slots) {
                if slot.is_of(Number::default()) {
                    slot.fill(number(8), 80);
                }
            }
            assert_eq!((found(7), found(8)), (Some(70), None));
            table.insert(0, number(9), 90);
            assert_eq!((found(7), found(8), found(9)), (Some(70), None, Some(90)));
        }
    }
}
