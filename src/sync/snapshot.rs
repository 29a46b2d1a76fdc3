//! One value, read whole without a lock and replaced whole.

use std::ops::Deref;
use std::sync::Arc;

use arc_swap::{ArcSwap, Cache};

pub(crate) struct Snapshot<T>(ArcSwap<T>);

impl<T> Snapshot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(ArcSwap::from_pointee(value))
    }

    #[inline]
    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.0.load())
    }

    pub(crate) fn replace(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}

/// One reader's hold on the value of a snapshot: as long as it is not replaced, a read writes
/// nothing at all. What was replaced is kept until the next read.
pub(crate) struct Hold<A, T>(Cache<Inner<A>, Arc<T>>);

/// What `arc_swap` asks of whoever leads to the snapshot.
struct Inner<A>(A);

impl<A: Deref<Target = Snapshot<T>>, T> Deref for Inner<A> {
    type Target = ArcSwap<T>;

    #[inline]
    fn deref(&self) -> &ArcSwap<T> {
        &self.0.0
    }
}

impl<A: Deref<Target = Snapshot<T>>, T> Hold<A, T> {
    pub(crate) fn new(snapshot: A) -> Self {
        Self(Cache::new(Inner(snapshot)))
    }

    /// The value of now.
    #[inline]
    pub(crate) fn get(&mut self) -> &T {
        self.0.load()
    }
}
