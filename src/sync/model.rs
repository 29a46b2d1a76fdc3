//! Twins of the shared structures for loom: the same calls and promises on locks and atomics that
//! the model checker controls. Slow, small, and never in a release.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};

use loom::sync::{Arc, Mutex};

use super::{ABSENT, AtomicU64, MutexGuard, Ordering, lock};

pub(crate) struct ReadMap<K, V>(Mutex<BTreeMap<K, Arc<(V, AtomicU64)>>>);

impl<K: Clone + Ord + Borrow<str>, V> ReadMap<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn read<R>(
        &self,
        text: &str,
        _digest: u64,
        read: impl FnOnce(&V, u64) -> R,
    ) -> Option<R> {
        let entry = lock(&self.0).get(text).cloned()?;
        // Read outside the lock: the word may change between look-up and load, as in the real one.
        let word = entry.1.load(Ordering::Acquire);
        (word != ABSENT).then(|| read(&entry.0, word))
    }

    pub(crate) fn replace(&self, key: &K, mut replace: impl FnMut(&V, u64) -> u64) -> bool {
        let map = &mut *lock(&self.0);
        let Some((value, word)) = map.get(key.borrow()).map(|entry| &**entry) else { return false };
        let new = replace(value, word.load(Ordering::Relaxed));
        word.store(new, Ordering::Release);
        if new == ABSENT {
            map.remove(key.borrow());
        }
        true
    }

    pub(crate) fn insert(&self, key: &K, value: V, word: u64) {
        lock(&self.0).insert(key.clone(), Arc::new((value, AtomicU64::new(word))));
    }
}

/// Of two shards, so that what spans two users is not made one step by a common lock. The sum of a
/// key's bytes picks its shard: `a` and `b` lie apart.
pub(crate) struct ShardedMap<K, V>([Mutex<BTreeMap<K, V>>; 2]);

#[derive(Default)]
struct SumOfBytes(u64);

impl Hasher for SumOfBytes {
    fn write(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| sum.wrapping_add(u64::from(*byte)));
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl<K: Clone + Ord + Hash, V> ShardedMap<K, V> {
    pub(crate) fn new(_shards: usize) -> Self {
        Self([Mutex::new(BTreeMap::new()), Mutex::new(BTreeMap::new())])
    }

    fn shard<Q: Hash + ?Sized>(&self, key: &Q) -> MutexGuard<'_, BTreeMap<K, V>> {
        let mut sum = SumOfBytes::default();
        key.hash(&mut sum);
        let [even, odd] = &self.0;
        lock(if sum.finish() & 1 == 0 { even } else { odd })
    }

    pub(crate) fn read<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Ord + Hash + ?Sized,
    {
        self.shard(key).get(key).map(read)
    }

    /// A tree needs no room beforehand.
    #[cfg(feature = "durable")]
    #[allow(clippy::unused_self)]
    pub(crate) fn reserve(&self, _entries: usize) {}

    pub(crate) fn place(&self, key: &K) -> Place<'_, K, V> {
        Place { map: self.shard(key), key: key.clone() }
    }

    pub(crate) fn pick<T>(&self, pick: impl Fn(&K, &V) -> Option<T>) -> Vec<T> {
        let mut picked = Vec::new();
        for shard in &self.0 {
            picked.extend(lock(shard).iter().filter_map(|(key, state)| pick(key, state)));
        }
        picked
    }

    pub(crate) fn len(&self) -> usize {
        self.0.iter().map(|shard| lock(shard).len()).sum()
    }
}

pub(crate) struct Place<'m, K, V> {
    map: MutexGuard<'m, BTreeMap<K, V>>,
    key: K,
}

impl<K: Clone + Ord, V> Place<'_, K, V> {
    pub(crate) fn get(&mut self) -> Option<&mut V> {
        self.map.get_mut(&self.key)
    }

    pub(crate) fn insert(&mut self, key: &K, state: V) -> &mut V {
        self.map.entry(key.clone()).or_insert(state)
    }

    pub(crate) fn remove(mut self) {
        self.map.remove(&self.key);
    }
}

/// Read outside the lock, so that it may be replaced meanwhile.
pub(crate) struct Swap<T>(Mutex<Option<Arc<T>>>);

impl<T> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(Some(Arc::new(value))))
    }

    pub(crate) fn empty() -> Self {
        Self(Mutex::new(None))
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
        read(self.share().as_deref())
    }

    pub(crate) fn read_or<'s, R>(
        first: Option<&'s Self>,
        other: impl FnOnce() -> Option<&'s Self>,
        read: impl FnOnce(Option<&T>) -> R,
    ) -> R {
        read(first.and_then(Self::share).or_else(|| other()?.share()).as_deref())
    }

    pub(crate) fn share(&self) -> Option<Arc<T>> {
        lock(&self.0).clone()
    }

    pub(crate) fn replace(&self, value: T) {
        *lock(&self.0) = Some(Arc::new(value));
    }

    pub(crate) fn clear(&self) {
        *lock(&self.0) = None;
    }
}
