//! The index of words: readers take no lock, never wait, and write no line that others use.
//!
//! An id that is a number lies in tables of atomic words (`number.rs`, `tables.rs`), every other id in a map
//! of texts.
//!
//! INVARIANT: one writer at a time. A present key's word is changed in place: there is no moment
//! without it.

use std::borrow::Borrow;
use std::sync::Arc;

use super::ReadMap;
use super::number::NumberSlot;
use super::presence::Presence;
use super::table::{ABSENT, Table};
use super::tables::{Holds, Tables};
use crate::id::{Keyed, Number, OrgId, number_of};

/// Cells that tell in advance what the index does not hold, for some hundred thousand keys.
const CELLS: usize = 1 << 18;

/// A key of an index, with the digests that it is looked up by.
pub(crate) trait IndexKey:
    Clone + Eq + Ord + Keyed + Borrow<str> + AsRef<str> + 'static
{
    #[inline]
    fn digest_of_number(number: Number) -> u64 {
        number.digest()
    }

    /// Of a key that is no number: its own.
    #[inline]
    fn digest_of_text(text: &str) -> u64 {
        text.digest()
    }
}

impl IndexKey for OrgId {}

/// Key → word. Any number of readers; the caller admits one writer at a time.
pub(crate) struct ReadIndex<K> {
    numbers: Arc<Tables<NumberSlot>>,
    texts: ReadMap<K, ()>,
    presence: Presence,
}

impl<K: IndexKey> ReadIndex<K> {
    pub(crate) fn new() -> Self {
        Self {
            numbers: Arc::new(Tables::new()),
            texts: ReadMap::new(),
            presence: Presence::new(CELLS),
        }
    }

    /// The word of a key, by its text.
    #[inline]
    pub(crate) fn get(&self, text: &str) -> Option<u64> {
        self.get_by(text, |number, digest| {
            self.numbers.read(digest, |table| word_of(table, number, digest))
        })
    }

    /// [`Self::get`], given how to look a number up.
    #[inline]
    fn get_by(
        &self,
        text: &str,
        of_number: impl FnOnce(Number, u64) -> Option<Option<u64>>,
    ) -> Option<u64> {
        if let Some(number) = number_of(text) {
            let digest = K::digest_of_number(number);
            return if self.presence.is_absent(digest) { None } else { of_number(number, digest)? };
        }
        let digest = K::digest_of_text(text);
        if self.presence.is_absent(digest) {
            return None;
        }
        self.texts.read(text, digest, |(), word| word)
    }

    /// Gives a key a word below [`ABSENT`].
    pub(crate) fn set(&self, key: &K, word: u64) {
        match number_of(key.as_ref()) {
            Some(number) => self.set_number(number, word),
            None => self.set_text(key, word),
        }
    }

    fn set_number(&self, number: Number, word: u64) {
        let digest = K::digest_of_number(number);
        let has_slot = self.numbers.read(digest, |table| {
            let Some(slot) = table.find_slot(digest, |slot| slot.is_of(number)) else {
                return false;
            };
            if slot.word() == ABSENT {
                self.presence.add(digest);
            }
            slot.replace(word);
            true
        });
        if has_slot != Some(true) {
            self.presence.add(digest);
            self.numbers.insert(digest, number, word, |number| K::digest_of_number(*number));
        }
    }

    fn set_text(&self, key: &K, word: u64) {
        if !self.texts.replace(key, |(), _| word) {
            self.presence.add(key.digest());
            self.texts.insert(key, (), word);
        }
    }

    /// Takes a key's word away, if it has one.
    pub(crate) fn remove(&self, key: &K) {
        let Some(number) = number_of(key.as_ref()) else {
            if self.texts.replace(key, |(), _| ABSENT) {
                self.presence.remove(key.digest());
            }
            return;
        };
        let digest = K::digest_of_number(number);
        let before = self.numbers.read(digest, |table| {
            let slot = table.find_slot(digest, |slot| slot.is_of(number))?;
            let before = slot.word();
            slot.replace(ABSENT);
            Some(before)
        });
        if before.flatten().is_some_and(|before| before != ABSENT) {
            self.presence.remove(digest);
        }
    }

    /// A reader of its own for a thread.
    pub(crate) fn reader(&self) -> IndexReader {
        IndexReader(Holds::on(&self.numbers))
    }
}

/// The word of a number, if it has one.
#[inline]
fn word_of(table: &Table<NumberSlot>, number: Number, digest: u64) -> Option<u64> {
    let word = table.find_slot(digest, |slot| slot.is_of(number))?.word();
    (word != ABSENT).then_some(word)
}

/// One reader's hold on the tables of an index: while none is replaced, a look-up of a number writes
/// nothing that others use.
pub(crate) struct IndexReader(Holds<NumberSlot>);

impl IndexReader {
    /// As [`ReadIndex::get`] of the index that the reader is of.
    #[inline]
    pub(crate) fn get<K: IndexKey>(&mut self, index: &ReadIndex<K>, text: &str) -> Option<u64> {
        index.get_by(text, |number, digest| {
            self.0.read(digest, |table| word_of(table, number, digest))
        })
    }
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests;
