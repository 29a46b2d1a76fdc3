//! The register of users: who is tracked, and the one place where their states change.
//!
//! A user is tracked while there is something to remember: a failure, an attempt of the current
//! epoch in flight, or a lock (rule A13). Nothing else ever removes a state: no cache evicts one
//! (Argo CD CVE-2024-21662), and a cap refuses newcomers instead.

use std::time::SystemTime;

use super::Factor;
use super::decide::{Ticket, UserCommand, administer};
use super::locks::{Locks, Told};
#[cfg(feature = "durable")]
use super::state::Kept;
use super::state::{Claim, Epoch, UserChange, UserState};
use super::{Lock, Refusal, UserStatus};
use crate::error::LockError;
use crate::id::{Keyed, OrgId, UserId};
use crate::policy::AttemptLimit;
use crate::sync::{AtomicU64, AtomicUsize, Ordering, Place, ShardedMap};

pub(crate) struct Register {
    users: ShardedMap<UserId, UserState>,
    /// Who is locked. A lock changes by [`Register::change`] alone, or is shown here as well.
    locks: Locks,
    cap: Option<Cap>,
    /// The newest epoch. A user who comes on record starts in it, events that begin an epoch take
    /// the next one. So it is newer than all that the user's earlier attempts can have, and
    /// clean logins, which come and go all the time, write nothing that all threads share.
    epoch: AtomicU64,
}

/// How many users may be tracked, and how many are.
struct Cap {
    most: usize,
    tracked: AtomicUsize,
}

impl Register {
    pub(crate) fn new(shards: usize, most: Option<usize>) -> Self {
        Self {
            users: ShardedMap::new(shards),
            locks: Locks::new(),
            cap: most.map(|most| Cap { most, tracked: AtomicUsize::new(0) }),
            epoch: AtomicU64::new(0),
        }
    }

    /// Takes hold of a user's place. Who leaves an idle user there must forget it.
    #[inline]
    pub(crate) fn place(&self, user: &UserId) -> Place<'_, UserId, UserState> {
        self.users.place(user)
    }

    /// The answer to an attempt of a locked user; `None` sends whoever begins one to [`Self::claim`].
    #[inline]
    pub(crate) fn if_locked(&self, org: &OrgId, user: &UserId) -> Option<Result<Lock, Refusal>> {
        let told = self.locks.read(user, user.digest(), |lock| {
            if lock.org == *org { Ok(lock.clone()) } else { Err(Refusal::OrgMismatch) }
        });
        if let Told::Locked(answer) = told { Some(answer) } else { None }
    }

    /// Claims a slot for an attempt; the answers come in the order of the rules.
    #[inline]
    pub(crate) fn claim(
        &self,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
        limit: impl FnOnce() -> AttemptLimit,
    ) -> Claim {
        let mut place = self.users.place(user);
        match place.get() {
            Some(state) => state.claim(org, factor, limit),
            None if self.has_room() => {
                place.insert(user, self.newcomer(org)).claim(org, factor, limit)
            }
            None => Claim::Refused(Refusal::Capacity),
        }
    }

    /// Runs a change of a tracked user's state under its lock, and stops tracking the user in the
    /// same step if nothing is left to remember; `None` if the user is not tracked.
    #[inline]
    pub(crate) fn update<R>(
        &self,
        user: &UserId,
        change: impl FnOnce(&mut UserState) -> R,
    ) -> Option<R> {
        let mut place = self.users.place(user);
        let state = place.get()?;
        let answer = change(state);
        if state.is_idle() {
            self.forget(place);
        }
        Some(answer)
    }

    /// Gives an attempt's slot back.
    #[inline]
    pub(crate) fn release(&self, user: &UserId, ticket: Ticket) {
        self.update(user, |state| state.release(ticket.factor, ticket.epoch));
    }

    /// Decides an administrator's command on a user, tracked or not, and has `carry_out` apply it:
    /// to the user's state, or to that of one who is tracked from now on if it leaves a trace.
    pub(crate) fn administer<R>(
        &self,
        user: &UserId,
        command: &UserCommand,
        carry_out: impl FnOnce(&mut UserState, UserChange) -> R,
    ) -> Result<R, LockError> {
        let mut place = self.users.place(user);
        if let Some(state) = place.get() {
            let done = administer(state, command).map(|change| carry_out(state, change));
            if state.is_idle() {
                self.forget(place);
            }
            return done;
        }
        // Only who is tracked can be unlocked.
        let Some(org) = command.org() else { return Err(LockError::NotLocked) };
        let mut state = self.newcomer(org);
        let done = administer(&state, command).map(|change| carry_out(&mut state, change));
        if !state.is_idle() {
            self.insert(&mut place, user, state);
        }
        done
    }

    /// A copy of what is held of a user.
    #[cfg(feature = "durable")]
    pub(crate) fn copy_of(&self, user: &UserId) -> Option<UserState> {
        self.users.read(user, UserState::clone)
    }

    /// Whether an attempt is a success that changes nothing, and gives its slot back if so.
    #[cfg(feature = "durable")]
    #[inline]
    pub(crate) fn settle_clean(&self, user: &UserId, ticket: Ticket) -> bool {
        let clean = self.update(user, |state| {
            let clean = !state.is_locked()
                && state.is_current(ticket.factor, ticket.epoch)
                && state.failures(ticket.factor) == 0;
            if clean {
                state.release(ticket.factor, ticket.epoch);
            }
            clean
        });
        clean.unwrap_or(false)
    }

    /// Takes a user's event over that was decided elsewhere. No cap refuses it.
    #[cfg(feature = "durable")]
    pub(crate) fn apply(&self, org: &OrgId, user: &UserId, change: UserChange, at: SystemTime) {
        let mut place = self.users.place(user);
        if let Some(state) = place.get() {
            self.change(user, state, change, at);
            if state.is_idle() {
                self.forget(place);
            }
            return;
        }
        let mut state = self.newcomer(org);
        self.change(user, &mut state, change, at);
        if !state.is_idle() {
            self.insert(&mut place, user, state);
        }
    }

    /// Has an event change a user's state, whose place is held.
    #[inline]
    pub(crate) fn change(
        &self,
        user: &UserId,
        state: &mut UserState,
        change: UserChange,
        at: SystemTime,
    ) {
        state.apply(change, at, self.epoch_for(change));
        match change {
            UserChange::Locked(_) | UserChange::Unlocked | UserChange::Removed => {
                self.locks.show(user, state.lock());
            }
            UserChange::CheckFailed(_)
            | UserChange::CheckSucceeded(_)
            | UserChange::CredentialChanged(_) => {}
        }
    }

    /// Sends whoever asks for a user's lock to the user's state, which is held, until the change that
    /// locks the user or [`Self::show`].
    pub(crate) fn announce(&self, user: &UserId, lock: Lock) {
        self.locks.announce(user, lock);
    }

    /// Makes known whether a user is locked, after an announcement.
    pub(crate) fn show(&self, user: &UserId, state: &UserState) {
        self.locks.show(user, state.lock());
    }

    /// Makes room for so many users.
    #[cfg(feature = "durable")]
    pub(crate) fn reserve(&self, users: usize) {
        self.users.reserve(users);
    }

    /// Tracks a user, who was not, with what a checkpoint holds of it.
    #[cfg(feature = "durable")]
    pub(crate) fn restore(&self, user: &UserId, kept: Kept) {
        let state = kept.state(self.epoch.load(Ordering::Relaxed));
        let mut place = self.users.place(user);
        if place.get().is_none() {
            self.locks.show(user, state.lock());
            self.insert(&mut place, user, state);
        }
    }

    /// Takes over what another register holds, and nothing else stays. All attempts in flight are void,
    /// for it is not known what happened since they were begun.
    #[cfg(feature = "durable")]
    pub(crate) fn adopt(&self, other: &Self) {
        for user in self.users().into_iter().chain(other.users()) {
            let kept = other.copy_of(&user).as_ref().and_then(Kept::of);
            // Also for one who goes: should the user come back, its old attempts stay void.
            let fresh = self.fresh_epoch();
            let mut place = self.users.place(&user);
            let state = kept.map(|kept| kept.state(fresh));
            self.locks.show(&user, state.as_ref().and_then(UserState::lock));
            match (place.get(), state) {
                (Some(held), Some(state)) => *held = state,
                (Some(_), None) => self.forget(place),
                (None, Some(state)) => self.insert(&mut place, &user, state),
                (None, None) => {}
            }
        }
    }

    /// The ids of all who are tracked.
    #[cfg(feature = "durable")]
    pub(crate) fn users(&self) -> Vec<UserId> {
        self.users.pick(|user, _| Some(user.clone()))
    }

    /// An epoch that no attempt has, if the change begins one.
    #[inline]
    fn epoch_for(&self, change: UserChange) -> Epoch {
        match change {
            UserChange::Unlocked | UserChange::Removed | UserChange::CredentialChanged(_) => {
                self.fresh_epoch()
            }
            UserChange::CheckFailed(_) | UserChange::CheckSucceeded(_) | UserChange::Locked(_) => 0,
        }
    }

    #[inline]
    fn fresh_epoch(&self) -> Epoch {
        // Relaxed is enough: whoever may meet a user's attempts holds the user's lock.
        self.epoch.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    #[inline]
    pub(crate) fn is_locked(&self, user: &str) -> bool {
        match self.locks.read(user, user.digest(), |_| ()) {
            Told::NotLocked => false,
            Told::Locked(()) => true,
            Told::AskRegister => self.users.read(user, UserState::is_locked).unwrap_or(false),
        }
    }

    pub(crate) fn status(&self, user: &UserId) -> UserStatus {
        self.users.read(user, UserState::status).unwrap_or_default()
    }

    /// The locked users, oldest lock first, equal times by id.
    pub(crate) fn locked_users(&self) -> Vec<(UserId, Lock)> {
        let mut locked = self.users.pick(|user, state| Some((user.clone(), state.lock()?)));
        locked.sort_unstable_by(|(a, x), (b, y)| (x.since, a).cmp(&(y.since, b)));
        locked
    }

    /// With a cap, its own count: the map's is a sum of shards at different moments, and may show
    /// more users than there ever were.
    pub(crate) fn tracked(&self) -> usize {
        match &self.cap {
            Some(cap) => cap.tracked.load(Ordering::Relaxed),
            None => self.users.len(),
        }
    }

    fn newcomer(&self, org: &OrgId) -> UserState {
        UserState::new(org.clone(), self.epoch.load(Ordering::Relaxed))
    }

    /// Stops tracking a user, whose place under the cap is free from now on.
    #[inline]
    pub(crate) fn forget(&self, place: Place<'_, UserId, UserState>) {
        if let Some(cap) = &self.cap {
            cap.tracked.fetch_sub(1, Ordering::Relaxed);
        }
        place.remove();
    }

    /// Counts a newcomer if the cap allows one more.
    fn has_room(&self) -> bool {
        let Some(cap) = &self.cap else { return true };
        let one_more = |tracked| (tracked < cap.most).then(|| usize::saturating_add(tracked, 1));
        cap.tracked.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// Tracks a newcomer whom no cap refuses.
    fn insert(&self, place: &mut Place<'_, UserId, UserState>, user: &UserId, state: UserState) {
        if let Some(cap) = &self.cap {
            cap.tracked.fetch_add(1, Ordering::Relaxed);
        }
        place.insert(user, state);
    }
}
