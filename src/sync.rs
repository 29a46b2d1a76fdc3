//! The shared structures that the engine stands on, each behind one small type: everything above
//! them is plain code. Under `--cfg portcullis_loom` each has a twin that loom can explore, so
//! that the model checker runs the engine's own code (tests/interleavings.rs).
//!
//! | type | is | reads | writes |
//! |---|---|---|---|
//! | [`ReadIndex`] | key → word, for the overrides | no lock, no shared write | one writer at a time |
//! | [`ShardedMap`] | key → state, for the users | shard lock | shard lock |
//! | [`Snapshot`] | one value read whole | no lock | replaced whole |

#[cfg(not(portcullis_loom))]
mod index;
#[cfg(not(portcullis_loom))]
mod map;
#[cfg(portcullis_loom)]
mod model;
#[cfg(not(portcullis_loom))]
mod snapshot;

#[cfg(not(portcullis_loom))]
pub(crate) use {
    index::ReadIndex,
    map::{Place, ShardedMap},
    snapshot::Snapshot,
    std::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    std::sync::{Mutex, MutexGuard},
};

#[cfg(portcullis_loom)]
pub(crate) use {
    loom::sync::atomic::{AtomicU8, AtomicU64, AtomicUsize, Ordering},
    loom::sync::{Mutex, MutexGuard},
    model::{Place, ReadIndex, ShardedMap, Snapshot},
};

/// Locks, also after a panic of another holder: each holder leaves the value whole before it calls
/// code that is not ours.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
