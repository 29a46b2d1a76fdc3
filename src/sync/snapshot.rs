//! One value or none, replaced whole, of which readers may keep hold.

use std::ops::Deref;

use super::{AtomicU64, Ordering, Shared, Swap};

pub(crate) struct Snapshot<T> {
    value: Swap<T>,
    /// How often it was replaced: counted after the value shows, and before `replace` returns.
    version: AtomicU64,
}

impl<T: 'static> Snapshot<T> {
    pub(crate) fn empty() -> Self {
        Self { value: Swap::empty(), version: AtomicU64::new(0) }
    }

    #[inline]
    pub(crate) fn read<R>(&self, read: impl FnOnce(Option<&T>) -> R) -> R {
        self.value.read(read)
    }

    /// Puts another value in its place. Until this returns, who reads may find either, and who has
    /// hold of the old one may find that after somebody else has found the new one.
    pub(crate) fn replace(&self, value: T) {
        self.value.replace(value);
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// One reader's hold on the value of a snapshot: as long as it is not replaced, a read writes
/// nothing at all. What was replaced is kept until the next read.
pub(crate) struct Hold<A, T> {
    snapshot: A,
    version: u64,
    held: Option<Shared<T>>,
}

impl<A: Deref<Target = Snapshot<T>>, T: 'static> Hold<A, T> {
    pub(crate) fn new(snapshot: A) -> Self {
        Self { snapshot, version: 0, held: None }
    }

    /// The value of now.
    #[inline]
    pub(crate) fn get(&mut self) -> Option<&T> {
        // The version first: the value is that one's, or a newer one.
        let version = self.snapshot.version.load(Ordering::Acquire);
        if version != self.version {
            (self.version, self.held) = (version, self.snapshot.value.share());
        }
        self.held.as_deref()
    }
}
