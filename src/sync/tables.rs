//! The tables of a map: one for few keys; for many several, by digest, so that none is so large that its
//! writer is held up for long. (Where there is one, a look-up need not wait for the digest to know it: with a
//! thousand keys it takes a sixth less.)
//!
//! A table that is full gives way to a larger one, or to one as large without the keys that were
//! removed. The one for few gives way to several when it is full with too many, once and for all.
//!
//! INVARIANT: one writer of a table at a time, and no table changes any more once another has taken
//! over. A reader who still looks at the old one began before that, and finds what was there at that
//! moment; whoever begins after a change has returned looks at the table that has it (rule P4).

use std::array;
use std::sync::Arc;

use super::table::{Slot, Table};
use super::{AtomicUsize, Hold, Ordering, Snapshot};

/// How many tables there are for many keys, a power of two.
pub(crate) const TABLES: usize = if cfg!(portcullis_loom) { 1 } else { 64 };

/// How many keys are too many for one table when it is full.
const MANY: usize = if cfg!(portcullis_loom) { 3 } else { 4096 };

pub(crate) struct Tables<S> {
    few: Snapshot<Table<S>>,
    /// Not 0 once there are several tables, each with what it is to hold.
    are_many: AtomicUsize,
    many: [Snapshot<Table<S>>; TABLES],
}

impl<S: Slot + 'static> Tables<S> {
    pub(crate) fn new() -> Self {
        Self {
            few: Snapshot::empty(),
            are_many: AtomicUsize::new(0),
            many: array::from_fn(|_| Snapshot::empty()),
        }
    }

    #[inline]
    pub(crate) fn are_many(&self) -> bool {
        self.are_many.load(Ordering::Acquire) != 0
    }

    /// Looks at the table of a digest, if there is one.
    #[inline]
    pub(crate) fn read<R>(&self, digest: u64, read: impl FnOnce(&Table<S>) -> R) -> Option<R> {
        let few = if self.are_many() { None } else { Some(&self.few) };
        // The table for few may be gone since. What the others hold shows only once they are many.
        let other = || self.are_many().then(|| self.nth(which(digest)));
        Snapshot::read_or(few, other, |table| table.map(read))
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
    fn nth(&self, which: usize) -> &Snapshot<Table<S>> {
        &self.many[which & (TABLES - 1)]
    }

    /// Gives a slot to a key that has none, in a new table if the old one is full.
    pub(crate) fn insert(
        &self,
        digest: u64,
        key: S::Key,
        word: u64,
        digest_of: impl Fn(&S::Key) -> u64,
    ) {
        if !self.read(digest, Table::has_room).unwrap_or(false) {
            let held = self.read(digest, |full| entries(full, digest_of)).unwrap_or_default();
            let table = if self.are_many() {
                self.nth(which(digest))
            } else if held.len() >= MANY {
                return self.become_many(held, (digest, key, word));
            } else {
                &self.few
            };
            // It takes over before it has the key: while readers find either, both hold the same.
            table.replace(Table::of(held, self.are_many()));
        }
        self.read(digest, |table| table.insert(digest, key, word));
    }

    /// Has several tables take over from one, with one more key: all of it shows at one moment.
    fn become_many(&self, held: Vec<Entry<S::Key>>, new: Entry<S::Key>) {
        let mut parts: [Vec<_>; TABLES] = array::from_fn(|_| Vec::new());
        for entry in held.into_iter().chain([new]) {
            if let Some(part) = parts.get_mut(which(entry.0)) {
                part.push(entry);
            }
        }
        for (table, part) in self.many.iter().zip(parts) {
            table.replace(Table::of(part, true));
        }
        self.are_many.store(1, Ordering::Release);
        self.few.clear();
    }
}

/// A key with its digest and its word.
type Entry<K> = (u64, K, u64);

fn entries<S: Slot>(table: &Table<S>, digest_of: impl Fn(&S::Key) -> u64) -> Vec<Entry<S::Key>> {
    table.entries().map(|(key, word)| (digest_of(&key), key, word)).collect()
}

/// Which of several tables: by bits that neither pick a group nor are the tag.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
pub(crate) fn which(digest: u64) -> usize {
    digest as usize & (TABLES - 1)
}

/// One reader's holds on the tables: while none is replaced, a look-up writes nothing that others use.
pub(crate) struct Holds<S> {
    tables: Arc<Tables<S>>,
    few: Hold<Table<S>>,
    many: Box<[Hold<Table<S>>; TABLES]>,
}

impl<S: Slot + 'static> Holds<S> {
    pub(crate) fn on(tables: &Arc<Tables<S>>) -> Self {
        let many = Box::new(array::from_fn(|_| Hold::new()));
        Self { tables: Arc::clone(tables), few: Hold::new(), many }
    }

    /// As [`Tables::read`].
    #[inline]
    pub(crate) fn read<R>(&mut self, digest: u64, read: impl FnOnce(&Table<S>) -> R) -> Option<R> {
        let Self { tables, few, many } = self;
        let few = if tables.are_many() {
            few.release();
            None
        } else {
            few.get(&tables.few)
        };
        let table = match few {
            Some(table) => table,
            None if tables.are_many() => {
                let which = which(digest);
                many.get_mut(which)?.get(tables.nth(which))?
            }
            None => return None,
        };
        Some(read(table))
    }
}

#[cfg(all(test, not(portcullis_loom)))]
impl<S: 'static> Tables<S> {
    /// What the tables take up, but for a few words.
    pub(crate) fn bytes(&self) -> usize {
        let tables = self.many.iter().chain([&self.few]);
        let bytes =
            |table| Snapshot::read_or(None, || Some(table), |table| table.map_or(0, Table::bytes));
        tables.map(bytes).sum()
    }
}
