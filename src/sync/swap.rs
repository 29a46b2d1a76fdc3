//! One value or none, read whole without a lock and replaced whole.

use std::sync::atomic::Ordering;

use sdd::{AtomicShared, Guard, Tag};

/// What shares the ownership of a value.
pub(crate) use sdd::Shared;

/// While somebody reads, a mark of the thread's own keeps the value from being freed.
pub(crate) struct Swap<T>(AtomicShared<T>);

impl<T: 'static> Swap<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(AtomicShared::new(value))
    }

    pub(crate) fn empty() -> Self {
        Self(AtomicShared::null())
    }

    #[inline]
    pub(crate) fn read<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
        Self::read_or(Some(self), || None, read)
    }

    /// Reads the first one that has a value, of this one and another.
    #[inline]
    pub(crate) fn read_or<'s, R>(
        first: Option<&'s Self>,
        other: impl FnOnce() -> Option<&'s Self>,
        read: impl FnOnce(Option<&T>) -> R,
    ) -> R {
        let guard = Guard::new();
        let found = first.and_then(|first| first.0.load(Ordering::Acquire, &guard).as_ref());
        read(found.or_else(|| other()?.0.load(Ordering::Acquire, &guard).as_ref()))
    }

    pub(crate) fn share(&self) -> Option<Shared<T>> {
        self.0.get_shared(Ordering::Acquire, &Guard::new())
    }

    pub(crate) fn replace(&self, value: T) {
        let _ = self.0.swap((Some(Shared::new(value)), Tag::None), Ordering::AcqRel);
    }

    pub(crate) fn clear(&self) {
        let _ = self.0.swap((None, Tag::None), Ordering::AcqRel);
    }
}
