//! The shared structures that the engine stands on, each behind one small type: everything above
//! them is plain code. Under `--cfg portcullis_loom` each has a twin that loom can explore, so
//! that the model checker runs the engine's own code (tests/interleavings.rs).
//!
//! | type | is | reads | writes |
//! |---|---|---|---|
//! | [`ReadIndex`] | key → word, for the overrides | no lock, no shared write | one writer at a time |
//! | [`ReadMap`] | key → value, for keys of any text | no lock, no shared write | one writer of a key at a time |
//! | [`ShardedMap`] | key → state, for the users | shard lock | shard lock |
//! | [`Snapshot`] | one value read whole | no lock | replaced whole |
//!
//! The index and its tables are loom's own to explore: they have no twin.

mod index;
#[cfg(not(portcullis_loom))]
mod map;
#[cfg(portcullis_loom)]
mod model;
mod presence;
#[cfg(not(portcullis_loom))]
mod read_map;
#[cfg(not(portcullis_loom))]
mod snapshot;
mod table;

pub(crate) use index::{IndexReader, ReadIndex};
pub(crate) use presence::Presence;
pub(crate) use table::ABSENT;

#[cfg(not(portcullis_loom))]
pub(crate) use {
    map::{Place, ShardedMap},
    read_map::ReadMap,
    snapshot::{Hold, Snapshot},
    std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    std::sync::{Mutex, MutexGuard},
};

#[cfg(portcullis_loom)]
pub(crate) use {
    loom::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering, fence},
    loom::sync::{Mutex, MutexGuard},
    model::{Hold, Place, ReadMap, ShardedMap, Snapshot},
};

/// Locks, also after a panic of another holder: each holder leaves the value whole before it calls
/// code that is not ours.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
