//! An index whose readers take no lock and write no shared line.

use std::borrow::Borrow;
use std::hash::Hash;

use foldhash::fast::RandomState;
use scc::HashIndex;

use super::{AtomicU64, Ordering};

/// Key → word. Any number of readers; the caller admits one writer at a time.
///
/// A present key's word is changed in place: replacing the entry (the index's own `update`, or a
/// removal and an insertion) would show readers a moment without the key, in which a strict
/// organization would fall back to a mild default.
pub(crate) struct ReadIndex<K>(HashIndex<K, Word, RandomState>);

/// A word is stored while its entry's bucket is held: the index moves entries to other places when it
/// grows, and a store into a place that was left would be lost.
struct Word(AtomicU64);

/// The index asks for it and, as of 3.8, never calls it.
impl Clone for Word {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Acquire)))
    }
}

impl<K: Clone + Eq + Hash> ReadIndex<K> {
    pub(crate) fn new() -> Self {
        Self(HashIndex::with_hasher(RandomState::default()))
    }

    #[inline]
    pub(crate) fn get<Q>(&self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.peek_with(key, |_, word| word.0.load(Ordering::Acquire))
    }

    pub(crate) fn set(&self, key: &K, word: u64) {
        if let Some(entry) = self.0.get_sync(key) {
            entry.get().0.store(word, Ordering::Release);
            return;
        }
        // It cannot be taken: there is one writer. Were it, the word there would be a newer one.
        let _ = self.0.insert_sync(key.clone(), Word(AtomicU64::new(word)));
    }

    pub(crate) fn remove(&self, key: &K) {
        self.0.remove_sync(key);
    }
}
