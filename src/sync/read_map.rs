//! A map whose readers take no lock and write no shared line, for keys of any text.
//!
//! Its entries lie in tables (`tables.rs`). A value never changes, its word is changed in place.

use std::array;
use std::sync::OnceLock;

use super::table::{ABSENT, Slot};
use super::tables::{TABLES, Tables, which};
use super::{AtomicU64, Mutex, MutexGuard, Ordering, lock};
use crate::id::{Keyed, is_same};

/// Key → value and word. Of one key one writer at a time.
pub(crate) struct ReadMap<K, V> {
    tables: Tables<Entry<K, V>>,
    /// Held by whoever changes a table.
    writers: [Mutex<()>; TABLES],
}

struct Entry<K, V> {
    key: OnceLock<(K, V)>,
    word: AtomicU64,
}

impl<K, V> Default for Entry<K, V> {
    fn default() -> Self {
        Self { key: OnceLock::new(), word: AtomicU64::new(0) }
    }
}

impl<K: Clone, V: Clone> Slot for Entry<K, V> {
    type Key = (K, V);

    fn fill(&self, key: (K, V), word: u64) {
        // It is empty, for a slot is given once.
        let _ = self.key.set(key);
        self.word.store(word, Ordering::Relaxed);
    }

    fn entry(&self) -> Option<((K, V), u64)> {
        Some((self.key.get()?.clone(), self.word.load(Ordering::Acquire)))
    }
}

impl<K: Clone + Keyed + AsRef<str> + 'static, V: Clone + 'static> ReadMap<K, V> {
    pub(crate) fn new() -> Self {
        Self { tables: Tables::new(), writers: array::from_fn(|_| Mutex::new(())) }
    }

    /// Looks at the value and the word of a key, by its text and that text's digest.
    #[inline]
    pub(crate) fn read<R>(
        &self,
        text: &str,
        digest: u64,
        read: impl FnOnce(&V, u64) -> R,
    ) -> Option<R> {
        self.tables.read(digest, |table| {
            let found = table.find(digest, |slot| look(slot, text));
            found.map(|(value, word)| read(value, word))
        })?
    }

    /// Has the word of a present key replaced where it is, given its value, and tells whether there is
    /// one. [`ABSENT`] takes the key away.
    pub(crate) fn replace(&self, key: &K, mut replace: impl FnMut(&V, u64) -> u64) -> bool {
        let digest = key.digest();
        let _alone = self.hold(digest);
        let replaced = self.tables.read(digest, |table| {
            table.find(digest, |slot| {
                let (value, word) = look(slot, key.as_ref())?;
                slot.word.store(replace(value, word), Ordering::Release);
                Some(())
            })
        });
        replaced.flatten().is_some()
    }

    /// Gives an absent key a value, and a word other than [`ABSENT`].
    pub(crate) fn insert(&self, key: &K, value: V, word: u64) {
        let digest = key.digest();
        let _alone = self.hold(digest);
        self.tables.insert(digest, (key.clone(), value), word, |(key, _)| key.digest());
    }

    /// Holds off all other writers of the table of a digest.
    fn hold(&self, digest: u64) -> MutexGuard<'_, ()> {
        loop {
            let are_many = self.tables.are_many();
            let which = if are_many { which(digest) } else { 0 };
            #[expect(clippy::indexing_slicing, reason = "the remainder is an index")]
            let held = lock(&self.writers[which]);
            // Whoever was held off while they became many may have the wrong one.
            if self.tables.are_many() == are_many {
                return held;
            }
        }
    }
}

/// The value and the word of a slot, if they are the key's.
#[inline]
fn look<'s, K: AsRef<str>, V>(slot: &'s Entry<K, V>, text: &str) -> Option<(&'s V, u64)> {
    let (key, value) = slot.key.get()?;
    let word = slot.word.load(Ordering::Acquire);
    (word != ABSENT && is_same(key.as_ref(), text)).then_some((value, word))
}

#[cfg(all(test, not(portcullis_loom)))]
mod tests {
    use std::thread;
    use std::time::{Duration, Instant};

    use super::*;
    use crate::id::UserId;

    /// All lie in one group of one table.
    #[derive(Clone)]
    struct Key(String);

    impl Keyed for Key {
        fn digest(&self) -> u64 {
            7
        }
    }

    impl AsRef<str> for Key {
        fn as_ref(&self) -> &str {
            &self.0
        }
    }

    #[test]
    fn keys_of_one_table_come_change_and_go_at_once() {
        let map = ReadMap::new();
        let read = |key: &Key| map.read(&key.0, 7, |value: &u64, word| (*value, word));
        let come_and_go = |key: &Key, rounds| {
            for value in 0..rounds {
                assert_eq!(read(key), None);
                map.insert(key, value, 1);
                assert_eq!(read(key), Some((value, 1)));
                assert!(map.replace(key, |value, word| value + word + 1));
                assert_eq!(read(key), Some((value, value + 2)));
                assert!(map.replace(key, |_, _| ABSENT) && !map.replace(key, |_, _| 0));
            }
        };
        let steady = Key("steady".into());
        map.insert(&steady, 5, 6);
        thread::scope(|scope| {
            for key in ["a", "aa", "0123456789012345", "0123456789012346"] {
                scope.spawn(|| come_and_go(&Key(key.into()), 2_000));
            }
            for _ in 0..20_000 {
                assert_eq!(read(&steady), Some((5, 6)));
            }
        });
        assert!(map.tables.bytes() < 64 * size_of::<Entry<Key, u64>>(), "what is gone is kept");
    }

    /// Lets others go on for a while.
    fn a_while(mut meanwhile: impl FnMut()) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(100) {
            meanwhile();
            thread::yield_now();
        }
    }

    #[test]
    fn who_waited_to_write_while_one_table_became_several_waits_for_the_others_of_the_new_one() {
        let map: ReadMap<UserId, ()> = ReadMap::new();
        let id = |n: u32| UserId::try_from(format!("user{n}")).unwrap();
        let late = (0..1_000).map(id).find(|id| which(id.digest()) == 1).unwrap();
        thread::scope(|scope| {
            let one = map.hold(0);
            let waiting = scope.spawn(|| map.insert(&late, (), 7));
            a_while(|| assert!(!waiting.is_finished()));
            for id in (1_000..).map(id).take_while(|_| !map.tables.are_many()) {
                map.tables.insert(id.digest(), (id, ()), 1, |(id, ())| id.digest());
            }
            let of_the_new_one = map.hold(late.digest());
            drop(one);
            a_while(|| assert!(!waiting.is_finished(), "two writers of one table"));
            drop(of_the_new_one);
        });
        assert_eq!(map.read(&late, late.digest(), |(), word| word), Some(7));
    }
}
