//! A table of keys → words, of one size, made of atomic words and of cells that are written once.
//!
//! ```text
//!   tags   │ t t t t t · · · · · · · · · · · │ t t t …     a byte a slot, 16 slots a group
//!   slots  │ key+word, key+word, …           │ …           16 bytes a slot if the key is a number
//! ```
//!
//! A digest picks the group where a look-up begins and the tag that it looks for; a group with a
//! free slot ends it. Sixteen tags are compared in a few steps on two words.
//!
//! INVARIANT: a slot is given to one key and never to another. Its key and first word are written
//! before its tag, and the tag is released after them: who has acquired a tag sees both. A key that
//! is removed keeps its slot, with the word [`ABSENT`]; the room comes back when a new table takes
//! over. One writer at a time; readers never wait and write nothing.

use std::sync::OnceLock;

use super::{AtomicU64, AtomicUsize, Ordering};

/// The word that says: this key has none.
pub(crate) const ABSENT: u64 = u64::MAX;

/// Slots of a group.
const GROUP: usize = 16;

/// How many slots of a group may be used on average: with more, look-ups would seldom end in the
/// group where they began.
const MOST_USED: usize = if cfg!(portcullis_loom) { 2 } else { 12 };

/// How many are used on average of a table that has just taken over.
const USED_AT_FIRST: usize = if cfg!(portcullis_loom) { 1 } else { 9 };

pub(crate) struct Table<C> {
    tags: Box<[[AtomicU64; 2]]>,
    slots: Box<[[Slot<C>; GROUP]]>,
    /// How many slots have a key. The writer's alone.
    used: AtomicUsize,
}

/// With a number, sixteen bytes that lie in one cache line.
#[derive(Default)]
#[repr(align(16))]
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

impl<C: Cell> Table<C> {
    /// A table of keys with their digests and words, with room for a third as many more.
    pub(crate) fn of(entries: Vec<(u64, C::Key, u64)>) -> Self {
        // Also for the key that it is made for.
        let groups = entries.len().saturating_add(1).div_ceil(USED_AT_FIRST);
        let word = || AtomicU64::new(0);
        let table = Self {
            tags: (0..groups).map(|_| [word(), word()]).collect(),
            slots: (0..groups).map(|_| std::array::from_fn(|_| Slot::default())).collect(),
            used: AtomicUsize::new(0),
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
            let found = look(self.slots.get(group)?.get(lane)?);
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
                let found = look(self.slots.get(group)?.get(lane)?);
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
            for (half, tags) in tags.iter().enumerate() {
                let used = tags.load(Ordering::Relaxed);
                // The lowest byte that is free; the ninth if none is, and then there is no slot.
                let byte = (!used & USED).trailing_zeros() / 8;
                let Some(slot) = slots.get(lane_of(byte, half)) else { continue };
                slot.key.write(key);
                slot.word.store(word, Ordering::Relaxed);
                tags.store(
                    used | tag_of(digest).wrapping_shl(byte.wrapping_mul(8)),
                    Ordering::Release,
                );
                let used = self.used.load(Ordering::Relaxed);
                self.used.store(used.saturating_add(1), Ordering::Relaxed);
                return;
            }
            group = self.after(group);
        }
    }

    /// The keys that have a word, with it.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (C::Key, u64)> {
        self.tags.iter().zip(&self.slots).flat_map(|(tags, slots)| {
            let used = tags.each_ref().map(|half| half.load(Ordering::Acquire) & USED);
            Lanes::of(used).filter_map(move |lane| {
                let slot = slots.get(lane)?;
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

/// The top bit of each tag: the slot is used.
const USED: u64 = 0x8080_8080_8080_8080;
/// A byte, in each of eight.
const EACH: u64 = 0x0101_0101_0101_0101;

/// Seven bits of the digest that pick neither group nor shard, and the bit that says: used.
#[inline]
fn tag_of(digest: u64) -> u64 {
    digest >> 16 & 0x7f | 0x80
}

/// Whether a slot of the group is free.
#[inline]
fn has_free([low, high]: [u64; 2]) -> bool {
    low & high & USED != USED
}

/// The lane of a tag: those of the two halves take turns.
fn lane_of(byte: u32, half: usize) -> usize {
    (byte as usize).saturating_mul(2).saturating_add(half)
}

/// Some lanes of a group: every fourth bit is one.
struct Lanes(u64);

impl Lanes {
    /// The lanes whose bytes have their top bit set.
    #[inline]
    fn of([low, high]: [u64; 2]) -> Self {
        Self(low >> 7 | high >> 3)
    }

    /// Those that have a tag, and now and then another used one behind one that has it.
    #[inline]
    fn tagged(tag: u64, [low, high]: [u64; 2]) -> Self {
        let wanted = tag.wrapping_mul(EACH);
        // The difference is 0 where the tag is the wanted one. To take 1 away from each byte sets the
        // top bit of those, or of a 1 from which a lower byte has borrowed. That of a slot that is
        // not used is set in the difference.
        let tagged = |tags: u64| {
            let difference = tags ^ wanted;
            difference.wrapping_sub(EACH) & !difference & USED
        };
        Self::of([tagged(low), tagged(high)])
    }
}

impl Iterator for Lanes {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        let lane = (self.0.trailing_zeros() / 4) as usize;
        self.0 &= self.0.wrapping_sub(1);
        (lane < GROUP).then_some(lane)
    }
}

#[cfg(all(test, not(portcullis_loom)))]
impl<C> Table<C> {
    /// What the table takes up, but for its own few words.
    pub(crate) fn bytes(&self) -> usize {
        size_of_val(&*self.tags).saturating_add(size_of_val(&*self.slots))
    }
}
