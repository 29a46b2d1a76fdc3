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
use crate::sync::{AtomicBool, Ordering, Presence, ReadMap, fence};

/// Few users are locked at a time, unless many are attacked.
const CELLS: usize = 1 << 16;

pub(super) struct Locks {
    presence: Presence,
    known: ReadMap<UserId, Known>,
}

struct Known {
    lock: Lock,
    /// Not while it is only announced.
    is_sure: AtomicBool,
}

/// The map asks for it and, as of scc 3.8, never calls it.
impl Clone for Known {
    fn clone(&self) -> Self {
        let is_sure = AtomicBool::new(self.is_sure.load(Ordering::Acquire));
        Self { lock: self.lock.clone(), is_sure }
    }
}

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
        if self.presence.look(digest).is_empty() {
            return Told::NotLocked;
        }
        let told = self.known.read(user, digest, |known| {
            known.is_sure.load(Ordering::Acquire).then(|| read(&known.lock))
        });
        match told {
            None => Told::NotLocked,
            Some(None) => Told::AskRegister,
            Some(Some(answer)) => Told::Locked(answer),
        }
    }

    /// Announces a user's lock. The caller holds the user's state, which is not locked, and calls
    /// [`Self::show`] before letting go of it.
    pub(super) fn announce(&self, user: &UserId, lock: Lock) {
        self.insert(user, lock, false);
        // The limit is looked at next: see `Hierarchy::has_changed`.
        fence(Ordering::SeqCst);
    }

    /// Makes a user's lock known, or that there is none. The caller holds the user's state.
    pub(super) fn show(&self, user: &UserId, lock: Option<Lock>) {
        let mut is_shown = false;
        let is_known = self.known.change(user, |known| {
            if lock.as_ref() == Some(&known.lock) {
                known.is_sure.store(true, Ordering::Release);
                is_shown = true;
            }
        });
        if is_shown {
            return;
        }
        // Another one in its place means that it was unlocked in between.
        if is_known && self.known.remove(user) {
            self.presence.remove(user.digest());
        }
        if let Some(lock) = lock {
            self.insert(user, lock, true);
        }
    }

    fn insert(&self, user: &UserId, lock: Lock, is_sure: bool) {
        self.presence.add(user.digest(), false);
        self.known.insert(user, Known { lock, is_sure: AtomicBool::new(is_sure) });
    }
}
