//! Twins of the shared structures for loom: the same calls and promises on locks and atomics that
//! the model checker controls. Slow, small, and never in a release.

use std::borrow::Borrow;
use std::collections::BTreeMap;

use loom::sync::{Arc, Mutex};

use super::{AtomicU64, Ordering, lock};

pub(crate) struct ReadIndex<K>(Mutex<BTreeMap<K, Arc<AtomicU64>>>);

impl<K: Clone + Ord> ReadIndex<K> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<u64>
    where
        K: Borrow<Q>,
    {
        let word = lock(&self.0).get(key).cloned();
        // Read outside the lock: the word may change between look-up and load, as in the real one.
        word.map(|word| word.load(Ordering::Acquire))
    }

    pub(crate) fn set(&self, key: &K, word: u64) {
        let mut map = lock(&self.0);
        match map.get(key) {
            Some(cell) => cell.store(word, Ordering::Release),
            None => {
                map.insert(key.clone(), Arc::new(AtomicU64::new(word)));
            }
        }
    }

    pub(crate) fn remove(&self, key: &K) {
        lock(&self.0).remove(key);
    }
}

pub(crate) struct ShardedMap<K, V>(Mutex<BTreeMap<K, V>>);

impl<K: Clone + Ord, V> ShardedMap<K, V> {
    pub(crate) fn new(_shards: usize) -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn read<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        lock(&self.0).get(key).map(read)
    }

    pub(crate) fn update<R>(&self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        lock(&self.0).get_mut(key).map(change)
    }

    pub(crate) fn upsert<R>(
        &self,
        key: &K,
        change: impl FnOnce(Option<&mut V>) -> (R, Option<V>),
    ) -> R {
        let mut map = lock(&self.0);
        let (answer, state) = change(map.get_mut(key));
        if let Some(state) = state {
            map.insert(key.clone(), state);
        }
        answer
    }

    pub(crate) fn remove_if(&self, key: &K, such: impl FnOnce(&V) -> bool) -> bool {
        let mut map = lock(&self.0);
        let found = map.get(key).is_some_and(such);
        if found {
            map.remove(key);
        }
        found
    }

    pub(crate) fn pick<T>(&self, pick: impl Fn(&K, &V) -> Option<T>) -> Vec<T> {
        lock(&self.0).iter().filter_map(|(key, state)| pick(key, state)).collect()
    }

    pub(crate) fn len(&self) -> usize {
        lock(&self.0).len()
    }
}

pub(crate) struct Snapshot<T>(Mutex<T>);

impl<T> Snapshot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(value))
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&lock(&self.0))
    }

    pub(crate) fn replace(&self, value: T) {
        *lock(&self.0) = value;
    }
}
