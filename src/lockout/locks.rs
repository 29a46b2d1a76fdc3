//! Who is locked, for those who only ask: an attacked account is answered without a lock and without
//! a write, so that it costs the other threads nothing.
//!
//! INVARIANT: whoever changes a user's lock in the register makes it known here before letting go of
//! the user's state. And who is to be locked under a limit is announced here before that limit is
//! looked at: whoever asks in between is sent to the register, and waits there. So who asks here and
//! who asks the register tell one history, also together with changes of the limit: without the
//! announcement somebody could see a new limit and still nobody locked under the old one.

use super::Lock;
use crate::id::{Keyed, UserId};
use crate::sync::{ABSENT, Ordering, Presence, ReadMap, fence};

/// Few users are locked at a time, unless many are attacked.
const CELLS: usize = 1 << 16;

pub(super) struct Locks {
    presence: Presence,
    known: ReadMap<UserId, Lock>,
}

/// The words of a lock: whether it is sure, or only announced.
const SURE: u64 = 1;
const ANNOUNCED: u64 = 0;

/// What is known here of a user.
pub(super) enum Told<R> {
    NotLocked,
    Locked(R),
    /// Somebody holds the user's state and may be about to lock it.
    AskRegister,
}

impl Locks {
    pub(super) fn new() -> Self {
        Self { presence: Presence::new(CELLS), known: ReadMap::new() }
    }

    /// Looks at a user's lock, if there is one.
    #[inline]
    pub(super) fn read<R>(
        &self,
        user: &str,
        digest: u64,
        read: impl FnOnce(&Lock) -> R,
    ) -> Told<R> {
        if self.presence.is_absent(digest) {
            return Told::NotLocked;
        }
        let told = self.known.read(user, digest, |lock, word| match word {
            SURE => Told::Locked(read(lock)),
            _ => Told::AskRegister,
        });
        told.unwrap_or(Told::NotLocked)
    }

    /// Announces a user's lock. The caller holds the user's state, which is not locked, and calls
    /// [`Self::show`] before letting go of it.
    pub(super) fn announce(&self, user: &UserId, lock: Lock) {
        self.insert(user, lock, ANNOUNCED);
        // The limit is looked at next: see `Hierarchy::has_changed`.
        fence(Ordering::SeqCst);
    }

    /// Makes a user's lock known, or that there is none. The caller holds the user's state.
    pub(super) fn show(&self, user: &UserId, lock: Option<Lock>) {
        let mut is_shown = false;
        let sure_or_absent = |known: &Lock, _| {
            is_shown = lock.as_ref() == Some(known);
            if is_shown { SURE } else { ABSENT }
        };
        // Another one in its place means that it was unlocked in between.
        if self.known.replace(user, sure_or_absent) && !is_shown {
            self.presence.remove(user.digest());
        }
        if let Some(lock) = lock
            && !is_shown
        {
            self.insert(user, lock, SURE);
        }
    }

    fn insert(&self, user: &UserId, lock: Lock, word: u64) {
        self.presence.add(user.digest());
        self.known.insert(user, lock, word);
    }
}
