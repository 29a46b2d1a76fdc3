//! The index of words: readers take no lock, never wait, and write no line that others use.
//!
//! An id that is a number lies in tables of atomic words (`tables.rs`), every other id in a map of
//! texts.
//!
//! INVARIANT: one writer at a time. A present key's word is changed in place: there is no moment
//! without it.

use std::borrow::Borrow;
use std::sync::Arc;

use compact_str::ToCompactString;

use super::presence::Presence;
use super::table::{ABSENT, Table};
use super::tables::{Holds, Tables};
use super::{AtomicU64, Ordering, ReadMap};
use crate::id::{Keyed, number_of};

/// Cells that tell in advance what the index does not hold, for some hundred thousand keys.
const CELLS: usize = 1 << 18;

/// Key → word. Any number of readers; the caller admits one writer at a time.
pub(crate) struct ReadIndex<K> {
    numbers: Arc<Tables<AtomicU64>>,
    texts: ReadMap<K, ()>,
    presence: Presence,
    /// The digest of a text, for the numbers that move to another table.
    digest_of: fn(&str) -> u64,
}

impl<K: Clone + Eq + Ord + Keyed + AsRef<str> + Borrow<str> + 'static> ReadIndex<K> {
    pub(crate) fn new() -> Self {
        Self::with_digests(Keyed::digest)
    }

    fn with_digests(digest_of: fn(&str) -> u64) -> Self {
        Self {
            numbers: Arc::new(Tables::new()),
            texts: ReadMap::new(),
            presence: Presence::new(CELLS),
            digest_of,
        }
    }

    /// The word of a key, by its text and that text's digest.
    #[inline]
    pub(crate) fn get(&self, text: &str, digest: u64) -> Option<u64> {
        self.get_by(text, digest, || {
            self.numbers.read(digest, |table| get_number(table, text, digest))?
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
            return self.texts.read(text, digest, |(), word| word);
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
        let has_slot = self.numbers.read(digest, |table| {
            let Some(present) = table.find_number(digest, || Some(number)) else { return false };
            if present.load(Ordering::Relaxed) == ABSENT {
                self.presence.add(digest, false);
            }
            present.store(word, Ordering::Release);
            true
        });
        if has_slot != Some(true) {
            self.presence.add(digest, false);
            let digest_of = |number: &u64| (self.digest_of)(&number.to_compact_string());
            self.numbers.insert(digest, number, word, digest_of);
        }
    }

    fn set_text(&self, digest: u64, key: &K, word: u64) {
        if !self.texts.replace(key, |(), _| word) {
            self.presence.add(digest, true);
            self.texts.insert(key, (), word);
        }
    }

    /// Takes a key's word away, if it has one.
    pub(crate) fn remove(&self, key: &K) {
        let digest = key.digest();
        let was_present = match number_of(key.as_ref()) {
            None => self.texts.replace(key, |(), _| ABSENT),
            Some(number) => {
                let before = self.numbers.read(digest, |table| {
                    let word = table.find_number(digest, || Some(number))?;
                    let before = word.load(Ordering::Relaxed);
                    word.store(ABSENT, Ordering::Release);
                    Some(before)
                });
                before.flatten().is_some_and(|before| before != ABSENT)
            }
        };
        if was_present {
            self.presence.remove(digest);
        }
    }

    /// A reader of its own for a thread.
    pub(crate) fn reader(&self) -> IndexReader {
        IndexReader(Holds::on(&self.numbers))
    }
}

/// The word of a text that is a number, if it has one.
#[inline]
fn get_number(table: &Table<AtomicU64>, text: &str, digest: u64) -> Option<u64> {
    let word = table.find_number(digest, || number_of(text))?.load(Ordering::Acquire);
    (word != ABSENT).then_some(word)
}

/// One reader's hold on the tables of an index: while none is replaced, a look-up of a number writes
/// nothing that others use.
pub(crate) struct IndexReader(Holds<AtomicU64>);

impl IndexReader {
    /// As [`ReadIndex::get`] of the index that the reader is of.
    #[inline]
    pub(crate) fn get<K>(&mut self, index: &ReadIndex<K>, text: &str, digest: u64) -> Option<u64>
    where
        K: Clone + Eq + Ord + Keyed + AsRef<str> + Borrow<str> + 'static,
    {
        index.get_by(text, digest, || {
            self.0.read(digest, |table| get_number(table, text, digest)).flatten()
        })
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests;
