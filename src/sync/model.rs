//! Twins of the shared structures for loom: the same calls and promises on locks and atomics that
//! the model checker controls. Slow, small, and never in a release.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Deref;

use loom::sync::{Arc, Mutex};

use super::{MutexGuard, lock};

pub(crate) struct ReadMap<K, V>(Mutex<BTreeMap<K, Arc<V>>>);

impl<K: Clone + Ord + Borrow<str>, V> ReadMap<K, V> {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(BTreeMap::new()))
    }

    pub(crate) fn read<R>(
        &self,
        text: &str,
        _digest: u64,
        read: impl FnOnce(&V) -> R,
    ) -> Option<R> {
        let value = lock(&self.0).get(text).cloned();
        // Read outside the lock: the value may change between look-up and load, as in the real one.
        value.map(|value| read(&value))
    }

    pub(crate) fn change(&self, key: &K, change: impl FnOnce(&V)) -> bool {
        lock(&self.0).get(key.borrow()).map(|value| change(value)).is_some()
    }

    pub(crate) fn insert(&self, key: &K, value: V) {
        lock(&self.0).insert(key.clone(), Arc::new(value));
    }

    pub(crate) fn remove(&self, key: &K) -> bool {
        lock(&self.0).remove(key.borrow()).is_some()
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
pub(crate) struct Snapshot<T>(Mutex<Arc<T>>);

impl<T> Snapshot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Mutex::new(Arc::new(value)))
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.load())
    }

    pub(crate) fn replace(&self, value: T) {
        *lock(&self.0) = Arc::new(value);
    }

    fn load(&self) -> Arc<T> {
        Arc::clone(&lock(&self.0))
    }
}

pub(crate) struct Hold<A, T> {
    snapshot: A,
    held: Arc<T>,
}

impl<A: Deref<Target = Snapshot<T>>, T> Hold<A, T> {
    pub(crate) fn new(snapshot: A) -> Self {
        Self { held: snapshot.load(), snapshot }
    }

    pub(crate) fn get(&mut self) -> &T {
        self.held = self.snapshot.load();
        &self.held
    }
}
