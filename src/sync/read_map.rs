//! A map whose readers take no lock and write no shared line, for keys of any text.

use std::hash::{Hash, Hasher};

use foldhash::fast::RandomState;
use scc::{Equivalent, HashIndex};

use crate::id::Keyed;

/// Key → value. Values of one key are put and taken by one writer at a time.
pub(crate) struct ReadMap<K, V>(HashIndex<Key<K>, V, RandomState>);

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

impl<K: Clone + Eq + Keyed + AsRef<str>, V: Clone> ReadMap<K, V> {
    pub(crate) fn new() -> Self {
        Self(HashIndex::with_hasher(RandomState::default()))
    }

    /// Looks at the value of a key, by its text and that text's digest.
    #[inline]
    pub(crate) fn read<R>(&self, text: &str, digest: u64, read: impl FnOnce(&V) -> R) -> Option<R> {
        self.0.peek_with(&Query { text, digest }, |_, value| read(value))
    }

    /// Has a present key's value changed where it is, and tells whether there is one. The map moves
    /// entries to other places when it grows: a change made without holding the entry would be lost.
    pub(crate) fn change(&self, key: &K, change: impl FnOnce(&V)) -> bool {
        let entry = self.0.get_sync(&Key(key.clone()));
        entry.map(|entry| change(entry.get())).is_some()
    }

    /// Gives an absent key a value.
    pub(crate) fn insert(&self, key: &K, value: V) {
        // It cannot be taken: there is one writer. Were it, the value there would be a newer one.
        let _ = self.0.insert_sync(Key(key.clone()), value);
    }

    /// Takes a key's value away, and tells whether it had one.
    pub(crate) fn remove(&self, key: &K) -> bool {
        self.0.remove_sync(&Key(key.clone()))
    }
}
