//! One value, read whole without a lock and replaced whole.

use std::sync::Arc;

use arc_swap::ArcSwap;

pub(crate) struct Snapshot<T>(ArcSwap<T>);

impl<T> Snapshot<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(ArcSwap::from_pointee(value))
    }

    pub(crate) fn read<R>(&self, read: impl FnOnce(&T) -> R) -> R {
        read(&self.0.load())
    }

    pub(crate) fn replace(&self, value: T) {
        self.0.store(Arc::new(value));
    }
}
