//! One value or none, replaced whole, of which readers may keep hold.

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

    /// Reads the first one that has a value, of two; the second is not asked for if the first has one.
    #[inline]
    pub(crate) fn read_or<'s, R>(
        first: Option<&'s Self>,
        other: impl FnOnce() -> Option<&'s Self>,
        read: impl FnOnce(Option<&T>) -> R,
    ) -> R {
        Swap::read_or(first.map(|first| &first.value), || Some(&other()?.value), read)
    }

    /// Puts another value in its place. Until this returns, who reads may find either, and who has
    /// hold of the old one may find that after somebody else has found the new one.
    pub(crate) fn replace(&self, value: T) {
        self.value.replace(value);
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Leaves none in its place, likewise.
    pub(crate) fn clear(&self) {
        self.value.clear();
        self.version.fetch_add(1, Ordering::Release);
    }
}

/// One reader's hold on the value of a snapshot, always the same one: as long as it is not replaced, a
/// read writes nothing at all. What was replaced is kept until the next read.
pub(crate) struct Hold<T> {
    version: u64,
    held: Option<Shared<T>>,
}

impl<T: 'static> Hold<T> {
    pub(crate) fn new() -> Self {
        Self { version: 0, held: None }
    }

    /// The value of now.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call would be a tenth of a look-up's instructions")]
    pub(crate) fn get(&mut self, snapshot: &Snapshot<T>) -> Option<&T> {
        // The version first: the value is that one's, or a newer one.
        let version = snapshot.version.load(Ordering::Acquire);
        if version != self.version {
            (self.version, self.held) = (version, snapshot.value.share());
        }
        self.held.as_deref()
    }

    /// Keeps nothing any more.
    #[inline]
    pub(crate) fn release(&mut self) {
        self.held = None;
    }
}
