//! A map of mutable states, each changed under its shard's lock.
//!
//! Why not a ready-made concurrent map: an entry is boxed here, key and state together. An empty
//! place of the table then costs 9 bytes, and whoever has compared the key has the state beside it.
//! With the state in the table a million users would take 270 bytes each, with the state alone in a
//! box each look-up would wait for memory twice. And the place of a key can be held over a look, a
//! change and a removal, with one hash and one lock for all three.

use std::borrow::Borrow;

use hashbrown::HashTable;
use parking_lot::{Mutex, MutexGuard};

use crate::id::Keyed;

/// Key → state.
pub(crate) struct ShardedMap<K, V> {
    shards: Box<[Shard<K, V>]>,
}

type Table<K, V> = HashTable<Box<(K, V)>>;

/// On cache lines of its own, so that threads on different shards do not slow each other down.
#[repr(align(64))]
struct Shard<K, V>(Mutex<Table<K, V>>);

/// The place of a key, present or not, with its shard locked: the holder must not come back to the
/// map.
pub(crate) struct Place<'m, K, V> {
    table: MutexGuard<'m, Table<K, V>>,
    digest: u64,
    bucket: Option<usize>,
}

impl<K: Clone + Eq + Keyed, V> ShardedMap<K, V> {
    /// A map of at least that many shards: the next power of two, 2 to 65,536.
    pub(crate) fn new(shards: usize) -> Self {
        let shards = shards.clamp(2, 1 << 16).next_power_of_two();
        Self { shards: (0..shards).map(|_| Shard(Mutex::new(HashTable::new()))).collect() }
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
    fn shard(&self, digest: u64) -> &Mutex<Table<K, V>> {
        // The table itself goes by the lowest and the highest bits.
        let from_the_middle = usize::try_from(digest >> 32 & 0xffff).unwrap_or_default();
        &self.shards[from_the_middle & self.shards.len().wrapping_sub(1)].0
    }

    /// Looks at the state of a key.
    #[inline]
    pub(crate) fn read<Q, R>(&self, key: &Q, read: impl FnOnce(&V) -> R) -> Option<R>
    where
        K: Borrow<Q>,
        Q: Eq + Keyed + ?Sized,
    {
        let digest = key.digest();
        let table = self.shard(digest).lock();
        table.find(digest, |entry| entry.0.borrow() == key).map(|entry| read(&entry.1))
    }

    /// Takes hold of the place of a key.
    #[inline]
    pub(crate) fn place(&self, key: &K) -> Place<'_, K, V> {
        let digest = key.digest();
        let table = self.shard(digest).lock();
        let bucket = table.find_bucket_index(digest, |entry| entry.0 == *key);
        Place { table, digest, bucket }
    }

    /// Makes room for so many entries, so that no table grows on the way to there.
    #[cfg(feature = "durable")]
    pub(crate) fn reserve(&self, entries: usize) {
        let each = entries.div_ceil(self.shards.len());
        // As many more as chance puts into one shard of many.
        let each = each.saturating_add(each.isqrt().saturating_mul(3));
        for shard in &self.shards {
            shard.0.lock().reserve(each, |entry| entry.0.digest());
        }
    }

    /// Picks from all entries, in no order, a shard at a time. Entries that come or go meanwhile
    /// may be missed.
    pub(crate) fn pick<T>(&self, pick: impl Fn(&K, &V) -> Option<T>) -> Vec<T> {
        let mut picked = Vec::new();
        for shard in &self.shards {
            let table = shard.0.lock();
            picked.extend(table.iter().filter_map(|entry| pick(&entry.0, &entry.1)));
        }
        picked
    }

    pub(crate) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.0.lock().len()).sum()
    }
}

impl<K: Clone + Eq + Keyed, V> Place<'_, K, V> {
    /// The state of the key, if it is present.
    #[inline]
    pub(crate) fn get(&mut self) -> Option<&mut V> {
        Some(&mut self.table.get_bucket_mut(self.bucket?)?.1)
    }

    /// Gives an absent key a state, and answers with it.
    pub(crate) fn insert(&mut self, key: &K, state: V) -> &mut V {
        let entry = Box::new((key.clone(), state));
        let entry = self.table.insert_unique(self.digest, entry, |entry| entry.0.digest());
        self.bucket = Some(entry.bucket_index());
        &mut entry.into_mut().1
    }

    /// Removes the key.
    #[inline]
    pub(crate) fn remove(mut self) {
        if let Some(bucket) = self.bucket
            && let Ok(entry) = self.table.get_bucket_entry(bucket)
        {
            entry.remove();
        }
    }
}
