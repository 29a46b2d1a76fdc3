//! An index whose readers take no lock and write no shared line.

use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use scc::{Equivalent, HashIndex};

use super::{AtomicU64, Ordering};
use crate::id::Keyed;

/// Key → word. Any number of readers; the caller admits one writer at a time.
///
/// A present key's word is changed in place: replacing the entry (the index's own `update`, or a
/// removal and an insertion) would show readers a moment without the key, in which a strict
/// organization would fall back to a mild default.
pub(crate) struct ReadIndex<K>(HashIndex<Key<K>, Word, RandomState>);

/// A key, hashed by its digest.
#[derive(Clone, PartialEq, Eq)]
struct Key<K>(K);

/// A text that may be a key.
struct Query<'q> {
    text: &'q str,
    digest: u64,
}

impl<K: Keyed> Hash for Key<K> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0.digest());
    }
}

impl Hash for Query<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.digest);
    }
}

impl<K: AsRef<str>> Equivalent<Key<K>> for Query<'_> {
    fn equivalent(&self, key: &Key<K>) -> bool {
        key.0.as_ref() == self.text
    }
}

/// A word is stored while its entry's bucket is held: the index moves entries to other places when it
/// grows, and a store into a place that was left would be lost.
struct Word(AtomicU64);

/// The index asks for it and, as of 3.8, never calls it.
impl Clone for Word {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Acquire)))
    }
}

impl<K: Clone + Eq + Keyed + AsRef<str>> ReadIndex<K> {
    pub(crate) fn new() -> Self {
        Self(HashIndex::with_hasher(RandomState::default()))
    }

    /// The word of a key, by its text and that text's digest.
    #[inline]
    pub(crate) fn get(&self, text: &str, digest: u64) -> Option<u64> {
        self.0.peek_with(&Query { text, digest }, |_, word| word.0.load(Ordering::Acquire))
    }

    pub(crate) fn set(&self, key: &K, word: u64) {
        let key = Key(key.clone());
        if let Some(entry) = self.0.get_sync(&key) {
            entry.get().0.store(word, Ordering::Release);
            return;
        }
        // It cannot be taken: there is one writer. Were it, the word there would be a newer one.
        let _ = self.0.insert_sync(key, Word(AtomicU64::new(word)));
    }

    pub(crate) fn remove(&self, key: &K) {
        self.0.remove_sync(&Key(key.clone()));
    }
}
