//! What is held of one user, and how attempts claim slots of it and events change it.
//!
//! INVARIANT: `in_flight` counts the attempts of the current epoch of its factor, as long as the
//! user is not locked. Under a lock it is void: no attempt changes anything then (rule A6), and
//! the only ways out of a lock begin new epochs with no attempt in flight.

use std::time::SystemTime;

use super::{Factor, Lock, LockCause, Refusal, UserStatus};
use crate::id::OrgId;
use crate::policy::AttemptLimit;

/// A number that no two generations of a user's attempts share (rule A8).
pub(crate) type Epoch = u64;

/// One value for each factor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct PerFactor<T> {
    password: T,
    totp: T,
    otp_sms: T,
    otp_email: T,
    recovery_code: T,
}

impl<T: Copy> PerFactor<T> {
    pub(crate) fn all(value: T) -> Self {
        Self {
            password: value,
            totp: value,
            otp_sms: value,
            otp_email: value,
            recovery_code: value,
        }
    }

    #[inline]
    pub(crate) fn get(&self, factor: Factor) -> &T {
        match factor {
            Factor::Password => &self.password,
            Factor::Totp => &self.totp,
            Factor::OtpSms => &self.otp_sms,
            Factor::OtpEmail => &self.otp_email,
            Factor::RecoveryCode => &self.recovery_code,
        }
    }

    #[inline]
    fn get_mut(&mut self, factor: Factor) -> &mut T {
        match factor {
            Factor::Password => &mut self.password,
            Factor::Totp => &mut self.totp,
            Factor::OtpSms => &mut self.otp_sms,
            Factor::OtpEmail => &mut self.otp_email,
            Factor::RecoveryCode => &mut self.recovery_code,
        }
    }

    fn map<U>(self, map: impl Fn(T) -> U) -> PerFactor<U> {
        PerFactor {
            password: map(self.password),
            totp: map(self.totp),
            otp_sms: map(self.otp_sms),
            otp_email: map(self.otp_email),
            recovery_code: map(self.recovery_code),
        }
    }
}

/// What few users have, apart so that the others are small.
#[derive(Clone, Debug, Default)]
struct Rare {
    lock: Option<(SystemTime, LockCause)>,
    /// The factors' own epochs: they differ only where one credential was changed.
    epochs: Option<Box<PerFactor<Epoch>>>,
}

/// One factor's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counter {
    failures: u32,
    in_flight: u32,
}

/// What happened to a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum UserChange {
    CheckFailed(Factor),
    CheckSucceeded(Factor),
    Locked(LockCause),
    Unlocked,
    CredentialChanged(Factor),
    Removed,
}

/// Whether an attempt may run its check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Claim {
    /// From when on, and under which limit.
    Admitted(Epoch, AttemptLimit),
    /// Since when, and why.
    Locked(SystemTime, LockCause),
    Busy,
    Refused(Refusal),
}

/// All that is held of one user.
#[derive(Clone, Debug)]
pub(crate) struct UserState {
    org: OrgId,
    counters: PerFactor<Counter>,
    epoch: Epoch,
    rare: Option<Box<Rare>>,
}

impl UserState {
    pub(crate) fn new(org: OrgId, epoch: Epoch) -> Self {
        Self { org, counters: PerFactor::all(Counter::default()), epoch, rare: None }
    }

    fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    #[inline]
    fn epoch_of(&self, factor: Factor) -> Epoch {
        let own = self.rare.as_ref().and_then(|rare| rare.epochs.as_ref());
        own.map_or(self.epoch, |epochs| *epochs.get(factor))
    }

    pub(crate) fn org(&self) -> &OrgId {
        &self.org
    }

    #[inline]
    pub(crate) fn is_locked(&self) -> bool {
        self.locked_since().is_some()
    }

    /// Since when the user is locked, and why.
    #[inline]
    pub(crate) fn locked_since(&self) -> Option<(SystemTime, LockCause)> {
        self.rare.as_ref()?.lock
    }

    pub(crate) fn lock(&self) -> Option<Lock> {
        self.locked_since().map(|(since, cause)| Lock { since, cause, org: self.org.clone() })
    }

    #[inline]
    pub(crate) fn failures(&self, factor: Factor) -> u32 {
        self.counters.get(factor).failures
    }

    #[inline]
    pub(crate) fn is_current(&self, factor: Factor, epoch: Epoch) -> bool {
        self.epoch_of(factor) == epoch
    }

    /// Whether nothing is left to remember, so that the user need not be tracked (rule A13).
    #[inline]
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_locked() && self.counters == PerFactor::all(Counter::default())
    }

    pub(crate) fn status(&self) -> UserStatus {
        UserStatus {
            org: Some(self.org.clone()),
            lock: self.lock(),
            failures: self.counters.map(|counter| counter.failures),
        }
    }

    /// Claims a slot for an attempt (rules A1, A2, A11). `limit` is asked only if it matters.
    #[expect(clippy::inline_always, reason = "a call costs a locked user's answer a tenth more")]
    #[inline(always)]
    pub(crate) fn claim(
        &mut self,
        org: &OrgId,
        factor: Factor,
        limit: impl FnOnce() -> AttemptLimit,
    ) -> Claim {
        if self.org != *org {
            return Claim::Refused(Refusal::OrgMismatch);
        }
        if let Some((since, cause)) = self.locked_since() {
            return Claim::Locked(since, cause);
        }
        let counter = self.counters.get_mut(factor);
        let limit = limit();
        if limit != AttemptLimit::NEVER {
            let slots = limit.get().saturating_sub(counter.failures).max(1);
            if counter.in_flight >= slots {
                return Claim::Busy;
            }
        }
        counter.in_flight = counter.in_flight.saturating_add(1);
        Claim::Admitted(self.epoch_of(factor), limit)
    }

    /// Gives an attempt's slot back (rule A7). Nothing to give where the epoch is an older one, or
    /// under a lock.
    #[inline]
    pub(crate) fn release(&mut self, factor: Factor, epoch: Epoch) {
        if !self.is_locked() && self.is_current(factor, epoch) {
            let counter = self.counters.get_mut(factor);
            counter.in_flight = counter.in_flight.saturating_sub(1);
        }
    }

    /// Takes an event over. The only way in which counts and locks change, live and in a replay.
    /// `fresh` is an epoch that no attempt of this user has, for the events that begin one.
    #[inline]
    pub(crate) fn apply(&mut self, change: UserChange, at: SystemTime, fresh: Epoch) {
        match change {
            UserChange::CheckFailed(factor) => {
                let failures = &mut self.counters.get_mut(factor).failures;
                *failures = failures.saturating_add(1);
            }
            UserChange::CheckSucceeded(factor) => self.counters.get_mut(factor).failures = 0,
            UserChange::Locked(cause) => self.rare_mut().lock = Some((at, cause)),
            UserChange::Unlocked | UserChange::Removed => {
                *self = Self::new(self.org.clone(), fresh);
            }
            UserChange::CredentialChanged(factor) => {
                *self.counters.get_mut(factor) = Counter::default();
                let epoch = self.epoch;
                let own = &mut self.rare_mut().epochs;
                let epochs = own.get_or_insert_with(|| Box::new(PerFactor::all(epoch)));
                *epochs.get_mut(factor) = fresh;
            }
        }
    }
}

/// What outlives the process of a user's state: all but the attempts in flight and their epochs.
#[cfg(feature = "durable")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) org: OrgId,
    pub(crate) lock: Option<(SystemTime, LockCause)>,
    /// In the order of [`Factor::ALL`].
    pub(crate) failures: [u32; 5],
}

#[cfg(feature = "durable")]
impl Kept {
    /// `None` for a state that only attempts in flight keep alive.
    pub(crate) fn of(state: &UserState) -> Option<Self> {
        let failures = Factor::ALL.map(|factor| state.failures(factor));
        let kept = Self { org: state.org.clone(), lock: state.locked_since(), failures };
        (kept.lock.is_some() || failures != [0; 5]).then_some(kept)
    }

    pub(crate) fn state(self, epoch: Epoch) -> UserState {
        let mut state = UserState::new(self.org, epoch);
        if let Some(lock) = self.lock {
            state.rare_mut().lock = Some(lock);
        }
        for (factor, failures) in Factor::ALL.into_iter().zip(self.failures) {
            state.counters.get_mut(factor).failures = failures;
        }
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a13_the_state_of_a_user_is_small() {
        // With the key before it, 120 bytes, and 128 as the allocator rounds.
        assert_eq!(size_of::<UserState>(), 88);
    }

    #[test]
    fn a12_m30_a_counter_stays_at_its_end() {
        let mut state = UserState::new("o".parse().unwrap(), 0);
        state.counters.password.failures = u32::MAX - 1;
        for expected in [u32::MAX, u32::MAX] {
            state.apply(UserChange::CheckFailed(Factor::Password), SystemTime::UNIX_EPOCH, 1);
            assert_eq!(state.failures(Factor::Password), expected);
        }
    }
}
