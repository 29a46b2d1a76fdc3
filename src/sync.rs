//! The shared structures that the engine stands on, each behind one small type: everything above
//! them is plain code. Under `--cfg portcullis_loom` each has a twin that loom can explore, so
//! that the model checker runs the engine's own code (tests/interleavings.rs).
//!
//! | type | is | reads | writes |
//! |---|---|---|---|
//! | [`ReadIndex`] | key → word, for the overrides | no lock, no shared write | one writer at a time |
//! | [`ReadMap`] | key → value and word, for keys of any text | no lock, no shared write | one writer of a key at a time |
//! | [`ShardedMap`] | key → state, for the users | shard lock | shard lock |
//! | [`Snapshot`], [`Swap`] | one value or none, read whole | no lock, no shared write | replaced whole, one writer at a time |
//!
//! The index and its tables are loom's own to explore: they have no twin. The map of texts lies in such
//! tables too; its twin is under a lock, so that who asks for a user's lock finds what was the newest
//! when it asked, as the histories that are told by the clock need.

mod index;
mod lanes;
#[cfg(not(portcullis_loom))]
mod map;
#[cfg(portcullis_loom)]
mod model;
mod number;
mod presence;
#[cfg(not(portcullis_loom))]
mod read_map;
mod snapshot;
#[cfg(not(portcullis_loom))]
mod swap;
mod table;
mod tables;

pub(crate) use index::{IndexReader, ReadIndex};
pub(crate) use presence::Presence;
pub(crate) use snapshot::{Hold, Snapshot};
pub(crate) use table::ABSENT;

#[cfg(not(portcullis_loom))]
pub(crate) use {
    map::{Place, ShardedMap},
    read_map::ReadMap,
    std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence},
    std::sync::{Mutex, MutexGuard},
    swap::{Shared, Swap},
};

#[cfg(portcullis_loom)]
pub(crate) use {
    loom::sync::Arc as Shared,
    loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence},
    loom::sync::{Mutex, MutexGuard},
    model::{Place, ReadMap, ShardedMap, Swap},
};

/// Locks, also after a panic of another holder: each holder leaves the value whole before it calls
/// code that is not ours.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
