//! The index of words: readers take no lock, never wait, and write no line that others use.
//!
//! An id that is a number lies in one of several tables of atomic words (`table.rs`), every other id
//! in a map of texts. A table that is full gives way to a larger one, or to one as large without the
//! numbers that were removed; with several tables none is so large that its writer is held up for
//! long.
//!
//! INVARIANT: one writer at a time, and no table changes any more once another has taken over. A
//! reader who still looks at the old one began before that, and finds what was in force at that
//! moment; whoever begins after a change has returned looks at the table that has it (rule P4). A
//! present number's word is changed in place: there is no moment without it.

use std::array;
use std::borrow::Borrow;
use std::ops::Deref;
use std::sync::Arc;

use compact_str::ToCompactString;

use super::presence::Presence;
use super::table::{ABSENT, Table};
use super::{AtomicU64, Hold, Ordering, ReadMap, Snapshot};
use crate::id::{Keyed, number_of};

/// How many tables there are, a power of two.
const TABLES: usize = if cfg!(portcullis_loom) { 1 } else { 64 };

/// Cells that tell in advance what the index does not hold, for some hundred thousand keys.
const CELLS: usize = 1 << 18;

/// Key → word. Any number of readers; the caller admits one writer at a time.
pub(crate) struct ReadIndex<K> {
    tables: Arc<Tables>,
    texts: ReadMap<K, Word>,
    presence: Presence,
    /// The digest of a text, for the numbers that move to another table.
    digest_of: fn(&str) -> u64,
}

type Tables = [Snapshot<Table>; TABLES];

struct Word(AtomicU64);

/// The map of texts asks for it and, as of scc 3.8, never calls it.
impl Clone for Word {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Acquire)))
    }
}

impl<K: Clone + Eq + Ord + Keyed + AsRef<str> + Borrow<str>> ReadIndex<K> {
    pub(crate) fn new() -> Self {
        Self::with_digests(Keyed::digest)
    }

    fn with_digests(digest_of: fn(&str) -> u64) -> Self {
        Self {
            tables: Arc::new(array::from_fn(|_| Snapshot::new(Table::for_numbers(0)))),
            texts: ReadMap::new(),
            presence: Presence::new(CELLS),
            digest_of,
        }
    }

    /// The word of a key, by its text and that text's digest.
    #[inline]
    pub(crate) fn get(&self, text: &str, digest: u64) -> Option<u64> {
        self.get_by(text, digest, || {
            self.table(digest).read(|table| table.get(digest, || number_of(text)))
        })
    }

    /// [`Self::get`], given how to look a number up.
    #[inline]
    fn get_by(
        &self,
        text: &str,
        digest: u64,
        of_number: impl FnOnce() -> Option<u64>,
    ) -> Option<u64> {
        let present = self.presence.look(digest);
        if present.is_empty() {
            return None;
        }
        if present.may_hold_text() && number_of(text).is_none() {
            return self.texts.read(text, digest, |word| word.0.load(Ordering::Acquire));
        }
        of_number()
    }

    /// Gives a key a word other than [`ABSENT`].
    pub(crate) fn set(&self, key: &K, word: u64) {
        let digest = key.digest();
        match number_of(key.as_ref()) {
            Some(number) => self.set_number(digest, number, word),
            None => self.set_text(digest, key, word),
        }
    }

    fn set_number(&self, digest: u64, number: u64, word: u64) {
        let larger = self.table(digest).read(|table| {
            let present = table.find(digest, || Some(number));
            if present.is_none_or(|word| word.load(Ordering::Relaxed) == ABSENT) {
                self.presence.add(digest, false);
            }
            if let Some(present) = present {
                present.store(word, Ordering::Release);
            } else if table.has_room() {
                table.insert(digest, number, word);
            } else {
                let larger = self.successor(table);
                larger.insert(digest, number, word);
                return Some(larger);
            }
            None
        });
        if let Some(larger) = larger {
            self.table(digest).replace(larger);
        }
    }

    fn set_text(&self, digest: u64, key: &K, word: u64) {
        if !self.texts.change(key, |present| present.0.store(word, Ordering::Release)) {
            self.presence.add(digest, true);
            self.texts.insert(key, Word(AtomicU64::new(word)));
        }
    }

    /// A table of what a full one holds, with room for more.
    fn successor(&self, full: &Table) -> Table {
        let table = Table::for_numbers(full.entries().count().saturating_add(1));
        for (number, word) in full.entries() {
            table.insert((self.digest_of)(&number.to_compact_string()), number, word);
        }
        table
    }

    /// Takes a key's word away, if it has one.
    pub(crate) fn remove(&self, key: &K) {
        let digest = key.digest();
        let was_present = match number_of(key.as_ref()) {
            None => self.texts.remove(key),
            Some(number) => self.table(digest).read(|table| {
                let word = table.find(digest, || Some(number));
                word.is_some_and(|word| {
                    let before = word.load(Ordering::Relaxed);
                    word.store(ABSENT, Ordering::Release);
                    before != ABSENT
                })
            }),
        };
        if was_present {
            self.presence.remove(digest);
        }
    }

    #[inline]
    fn table(&self, digest: u64) -> &Snapshot<Table> {
        nth(&self.tables, which(digest))
    }

    /// A reader of its own for a thread.
    pub(crate) fn reader(&self) -> IndexReader {
        let hold = |which| Hold::new(NthTable { tables: Arc::clone(&self.tables), which });
        IndexReader(Box::new(array::from_fn(hold)))
    }
}

/// Which of the tables: by bits that neither pick a group nor are the tag.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the lowest bits are wanted")]
fn which(digest: u64) -> usize {
    digest as usize & (TABLES - 1)
}

#[inline]
#[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
fn nth(tables: &Tables, which: usize) -> &Snapshot<Table> {
    &tables[which & (TABLES - 1)]
}

/// One reader's hold on the tables of an index: while none is replaced, a look-up of a number writes
/// nothing at all.
pub(crate) struct IndexReader(Box<[Hold<NthTable, Table>; TABLES]>);

struct NthTable {
    tables: Arc<Tables>,
    which: usize,
}

impl Deref for NthTable {
    type Target = Snapshot<Table>;

    #[inline]
    fn deref(&self) -> &Snapshot<Table> {
        nth(&self.tables, self.which)
    }
}

impl IndexReader {
    /// As [`ReadIndex::get`] of the index that the reader is of.
    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
    pub(crate) fn get<K>(&mut self, index: &ReadIndex<K>, text: &str, digest: u64) -> Option<u64>
    where
        K: Clone + Eq + Ord + Keyed + AsRef<str> + Borrow<str>,
    {
        index.get_by(text, digest, || self.0[which(digest)].get().get(digest, || number_of(text)))
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests;
