//! A table of keys → words, of one size, made of atomic words and of cells that are written once.
//!
//! ```text
//!   tags   │ t t t t t · · · · · · · · · · · │ t t t …     a byte a slot, 16 slots a group
//!   slots  │ key+word, key+word, … │ │ │     │ …           16 bytes a slot if the key is a number: 4 a line
//! ```
//!
//! A digest picks the group where a look-up begins and the tag that it looks for (`lanes.rs`); a group with a
//! free slot ends it. It also picks the line of the group that is filled first with such keys.
//!
//! INVARIANT: a slot is given to one key and never to another. Its key and first word are written
//! before its tag, and the tag is released after them: who has acquired a tag sees both. A key that
//! is removed keeps its slot, with the word [`ABSENT`]; the room comes back when a new table takes
//! over. One writer at a time; readers never wait and write nothing.

use std::sync::OnceLock;

use super::lanes::{GROUP, Lanes, has_free, tag_of};
use super::{AtomicU64, AtomicUsize, Ordering};

/// The word that says: this key has none.
pub(crate) const ABSENT: u64 = u64::MAX;

/// How many slots of a group may be used on average: with more, look-ups would seldom end in the
/// group where they began.
const MOST_USED: usize = if cfg!(portcullis_loom) { 2 } else { 12 };

/// How many are used on average of a table that has just taken over.
const USED_AT_FIRST: usize = if cfg!(portcullis_loom) { 1 } else { 9 };

pub(crate) struct Table<C> {
    tags: Box<[[AtomicU64; 2]]>,
    slots: Box<[[Line<C>; LINES]]>,
    /// How many slots have a key. The writer's alone.
    used: AtomicUsize,
    /// Whether it is one of so many that they are not in the nearer caches when they are looked at.
    is_far: bool,
}

/// A quarter of a group. The slots of numbers are one cache line.
#[derive(Default)]
#[repr(align(64))]
struct Line<C>([Slot<C>; SLOTS]);

const SLOTS: usize = 4;
const LINES: usize = GROUP / SLOTS;

/// With a number, sixteen bytes.
#[derive(Default)]
pub(crate) struct Slot<C> {
    pub(crate) key: C,
    pub(crate) word: AtomicU64,
}

/// Where a slot's key is written, once.
pub(crate) trait Cell: Default {
    type Key;
    fn write(&self, key: Self::Key);
    /// What was written; anything if nothing was.
    fn read(&self) -> Option<Self::Key>;
}

impl Cell for AtomicU64 {
    type Key = u64;

    fn write(&self, key: u64) {
        self.store(key, Ordering::Relaxed);
    }

    #[inline]
    fn read(&self) -> Option<u64> {
        Some(self.load(Ordering::Relaxed))
    }
}

impl<T: Clone> Cell for OnceLock<T> {
    type Key = T;

    fn write(&self, key: T) {
        // It is empty, for the slot is given once.
        let _ = self.set(key);
    }

    fn read(&self) -> Option<T> {
        self.get().cloned()
    }
}

impl Table<AtomicU64> {
    /// The word of a number that has a slot. The number is asked for only if its tag is there.
    ///
    /// In a far table it is first looked for in the line that its digest picks: that is known before the tags
    /// are, so both are on their way from memory at once. (With a million keys that takes a quarter less.)
    #[inline]
    pub(crate) fn find_number(
        &self,
        digest: u64,
        number: impl Fn() -> Option<u64>,
    ) -> Option<&AtomicU64> {
        let group = self.first_group(digest);
        let tags = self.tags_of(group)?;
        let mut tagged = Lanes::tagged(tag_of(digest), tags);
        if tagged.is_empty() && has_free(tags) {
            return None;
        }
        let (number, lines) = (number()?, self.slots.get(group)?);
        let is_of = |slot: &Slot<AtomicU64>| slot.key.load(Ordering::Relaxed) == number;
        let lane = if self.is_far {
            let line = line_of(digest);
            let any = tagged.has_any(line.wrapping_mul(SLOTS), SLOTS);
            // A slot whose tag was not there yet is left to those who come later.
            any.then(|| lane_in(lines, line, is_of)).filter(|lane| tagged.has_any(*lane, 1))
        } else {
            tagged.next()
        };
        if let Some(slot) = lane.and_then(|lane| slot_of(lines, lane))
            && is_of(slot)
        {
            return Some(&slot.word);
        }
        self.find_further(digest, |slot| is_of(slot).then_some(&slot.word))
    }
}

impl<C: Cell> Table<C> {
    /// A table of keys with their digests and words, with room for a third as many more.
    pub(crate) fn of(entries: Vec<(u64, C::Key, u64)>, is_far: bool) -> Self {
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
        mut look: impl FnMut(&'t Slot<C>) -> Option<R>,
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

    /// The same, of all slots that may be the key's.
    #[inline(never)]
    fn find_further<'t, R>(
        &'t self,
        digest: u64,
        mut look: impl FnMut(&'t Slot<C>) -> Option<R>,
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
    pub(crate) fn insert(&self, digest: u64, key: C::Key, word: u64) {
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
                slot.key.write(key);
                slot.word.store(word, Ordering::Relaxed);
                let tag = tag_of(digest).wrapping_shl(Lanes::shift_of(lane));
                half.store(half.load(Ordering::Relaxed) | tag, Ordering::Release);
                let used = self.used.load(Ordering::Relaxed);
                self.used.store(used.saturating_add(1), Ordering::Relaxed);
            }
            return;
        }
    }

    /// The keys that have a word, with it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (C::Key, u64)> {
        self.tags.iter().zip(&self.slots).flat_map(|(tags, slots)| {
            let tags = tags.each_ref().map(|half| half.load(Ordering::Acquire));
            Lanes::used(tags).filter_map(move |lane| {
                let slot = slot_of(slots, lane)?;
                let word = slot.word.load(Ordering::Acquire);
                if word == ABSENT { None } else { Some((slot.key.read()?, word)) }
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
fn lane_in<C>(lines: &[Line<C>; LINES], line: usize, is_it: impl Fn(&Slot<C>) -> bool) -> usize {
    let slots = lines.get(line).map(|Line(slots)| slots.iter().enumerate());
    let it =
        slots.into_iter().flatten().fold(0, |it, (at, slot)| if is_it(slot) { at } else { it });
    line.wrapping_mul(SLOTS).wrapping_add(it)
}

/// The slot of a lane.
#[inline]
fn slot_of<C>(lines: &[Line<C>; LINES], lane: usize) -> Option<&Slot<C>> {
    lines.get(lane / SLOTS)?.0.get(lane % SLOTS)
}

#[cfg(all(test, not(portcullis_loom)))]
impl<C> Table<C> {
    /// What the table takes up, but for its own few words.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.tags).saturating_add(size_of_val(&*self.slots))
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_once_its_tag_is_there_and_not_before() {
        for is_far in [false, true] {
            let table = Table::<AtomicU64>::of(vec![(0, 7, 70)], is_far);
            let found = |number| {
                let word = table.find_number(0, || Some(number))?;
                Some(word.load(Ordering::Relaxed))
            };
            // As a writer leaves it that has not come to the tag yet. The one beside it has the same.
            for Slot { key, word } in table.slots.iter().flatten().flat_map(|Line(slots)| slots) {
                if key.load(Ordering::Relaxed) == 0 {
                    key.write(8);
                    word.store(80, Ordering::Relaxed);
                }
            }
            assert_eq!((found(7), found(8)), (Some(70), None));
            table.insert(0, 9, 90);
            assert_eq!((found(7), found(8), found(9)), (Some(70), None, Some(90)));
        }
    }
}
