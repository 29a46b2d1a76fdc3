//! A map of mutable states, each changed under its shard's lock.

use std::borrow::Borrow;
use std::hash::Hash;

use dashmap::DashMap;
use dashmap::mapref::entry::Entry;
use foldhash::fast::RandomState;

use super::After;

/// Key → state. A closure passed in runs under the shard's lock: it must not come back to the map.
pub(crate) struct ShardedMap<K, V>(DashMap<K, V, RandomState>);

impl<K: Clone + Eq + Hash, V> ShardedMap<K, V> {
    /// A map of at least that many shards: the next power of two, 2 to 65,536.
    pub(crate) fn new(shards: usize) -> Self {
        let shards = shards.clamp(2, 1 << 16).next_power_of_two();
        Self(DashMap::with_hasher_and_shard_amount(RandomState::default(), shards))
    }

    #[inline]
    pub(crate) fn read<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
    {
        self.0.get(key).map(|state| read(&state))
    }

    /// Changes the state of a present key.
    #[inline]
    pub(crate) fn update<R>(&self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        self.0.get_mut(key).map(|mut state| change(&mut state))
    }

    /// Changes the state of a present key; the change answers whether the key goes in the same step.
    #[inline]
    pub(crate) fn update_or_remove<R>(
        &self,
        key: &K,
        change: impl FnOnce(&mut V) -> (R, bool),
    ) -> Option<R> {
        let mut answer = None;
        self.0.remove_if_mut(key, |_, state| {
            let (answered, goes) = change(state);
            answer = Some(answered);
            goes
        });
        answer
    }

    /// Changes a key, present or not, in one step.
    pub(crate) fn upsert<R>(
        &self,
        key: &K,
        change: impl FnOnce(Option<&mut V>) -> (R, After<V>),
    ) -> R {
        match self.0.entry(key.clone()) {
            Entry::Occupied(mut entry) => {
                let (answer, after) = change(Some(entry.get_mut()));
                if let After::Remove = after {
                    entry.remove();
                }
                answer
            }
            Entry::Vacant(entry) => {
                let (answer, after) = change(None);
                if let After::Insert(state) = after {
                    entry.insert(state);
                }
                answer
            }
        }
    }

    /// Picks from all entries, in no order. Entries that come or go meanwhile may be missed.
    pub(crate) fn pick<T>(&self, pick: impl Fn(&K, &V) -> Option<T>) -> Vec<T> {
        self.0.iter().filter_map(|entry| pick(entry.key(), entry.value())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}
