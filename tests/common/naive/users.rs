//! The naive model's users: rules A1 to A13.

use std::collections::BTreeMap;

use portcullis::{
    Actor, Aggregate, AttemptLimit, Details, Event, Factor, Lock, LockCause, LockError, OrgId,
    Refusal, UserId, Verdict,
};

use super::{Begun, Naive, Status, Token, User};

/// Attempts: rules A1 to A8 and A11 to A13.
impl Naive {
    pub(crate) fn begin(
        &mut self,
        token: Token,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Begun {
        match self.users.get(user) {
            Some(on_record) if on_record.org != *org => {
                return Begun::Refused(Refusal::OrgMismatch);
            }
            Some(User { lock: Some(lock), .. }) => return Begun::Locked(lock.clone()),
            None if self.capacity.is_some_and(|most| self.users.len() >= most) => {
                return Begun::Refused(Refusal::Capacity);
            }
            _ => {}
        }
        let limit = self.limit(org, factor).get();
        let left = limit.saturating_sub(self.failures(user, factor));
        if limit > 0 && self.in_flight(user, factor) >= left.max(1) {
            return Begun::Busy;
        }
        self.on_record(org, user);
        let before = self.attempts.insert(token, (user.clone(), factor));
        assert_eq!(before, None, "the token {token} names another attempt");
        Begun::Admitted
    }

    pub(crate) fn succeed(&mut self, token: Token) -> Verdict {
        self.settle(token, |naive, user, factor| {
            let wiped = naive.user(user).failures.remove(&factor);
            if wiped.is_some() {
                naive.record_of_attempt(user, Event::CheckSucceeded { factor, info: None });
            }
            Verdict::Accepted
        })
    }

    pub(crate) fn fail(&mut self, token: Token) -> Verdict {
        self.settle(token, |naive, user, factor| {
            let limit = naive.limit(&naive.users[user].org, factor);
            let failures = naive.failures(user, factor).saturating_add(1);
            naive.user(user).failures.insert(factor, failures);
            naive.record_of_attempt(user, Event::CheckFailed { factor, info: None });
            let locked = limit != AttemptLimit::NEVER && failures >= limit.get();
            if locked {
                naive.set_lock(user, LockCause::Failures(factor));
                naive.record_of_attempt(user, Event::Locked(LockCause::Failures(factor)));
            }
            Verdict::Rejected { failures, limit, locked }
        })
    }

    /// Also what dropping an attempt does.
    pub(crate) fn cancel(&mut self, token: Token) {
        if let Some((user, _)) = self.attempts.remove(&token) {
            self.forget_if_idle(&user);
        }
    }

    fn settle(
        &mut self,
        token: Token,
        verdict: impl FnOnce(&mut Self, &UserId, Factor) -> Verdict,
    ) -> Verdict {
        let Some((user, factor)) = self.attempts.remove(&token) else {
            return Verdict::Superseded;
        };
        if let Some(lock) = &self.users[&user].lock {
            return Verdict::Locked(lock.clone());
        }
        let verdict = verdict(self, &user, factor);
        self.forget_if_idle(&user);
        verdict
    }

    fn limit(&self, org: &OrgId, factor: Factor) -> AttemptLimit {
        let policy = self.resolve(org).policy;
        match factor {
            Factor::Password => policy.max_password_attempts,
            Factor::Totp | Factor::OtpSms | Factor::OtpEmail | Factor::RecoveryCode => {
                policy.max_otp_attempts
            }
        }
    }

    fn failures(&self, user: &UserId, factor: Factor) -> u32 {
        self.users.get(user).and_then(|it| it.failures.get(&factor)).copied().unwrap_or(0)
    }

    fn in_flight(&self, user: &UserId, factor: Factor) -> u32 {
        let of_it = |(who, what): &&(UserId, Factor)| who == user && *what == factor;
        u32::try_from(self.attempts.values().filter(of_it).count()).unwrap_or(u32::MAX)
    }

    fn record_of_attempt(&mut self, user: &UserId, event: Event) {
        let aggregate = Aggregate::User { org: self.users[user].org.clone(), user: user.clone() };
        self.record(aggregate, None, Actor::from(user), event);
    }
}

/// Administrators' calls on users, and what is on record of users: rules A8 to A11 and A13.
impl Naive {
    pub(crate) fn lock(&mut self, org: &OrgId, user: &UserId) -> Result<Details, LockError> {
        self.check_org(org, user)?;
        if self.is_locked(user) {
            return Err(LockError::AlreadyLocked);
        }
        self.on_record(org, user);
        self.set_lock(user, LockCause::Administrator);
        Ok(self.record_of_admin(org, user, Event::Locked(LockCause::Administrator)))
    }

    pub(crate) fn unlock(&mut self, user: &UserId) -> Result<Details, LockError> {
        if !self.is_locked(user) {
            return Err(LockError::NotLocked);
        }
        // No lock, no failure and no attempt that counts: nothing is left to remember.
        let org = self.users[user].org.clone();
        self.forget(user);
        Ok(self.record_of_admin(&org, user, Event::Unlocked))
    }

    pub(crate) fn credential_changed(
        &mut self,
        org: &OrgId,
        user: &UserId,
        factor: Factor,
    ) -> Result<Details, LockError> {
        self.check_org(org, user)?;
        self.attempts.retain(|_, (who, what)| who != user || *what != factor);
        if let Some(on_record) = self.users.get_mut(user) {
            on_record.failures.remove(&factor);
        }
        self.forget_if_idle(user);
        Ok(self.record_of_admin(org, user, Event::CredentialChanged(factor)))
    }

    pub(crate) fn remove_user(&mut self, org: &OrgId, user: &UserId) -> Result<Details, LockError> {
        self.check_org(org, user)?;
        self.forget(user);
        Ok(self.record_of_admin(org, user, Event::Removed))
    }

    pub(crate) fn is_locked(&self, user: &str) -> bool {
        self.users.get(user).is_some_and(|it| it.lock.is_some())
    }

    pub(crate) fn status(&self, user: &UserId) -> Status {
        let Some(on_record) = self.users.get(user) else { return Status::default() };
        Status {
            org: Some(on_record.org.clone()),
            lock: on_record.lock.clone(),
            failures: Factor::ALL.map(|factor| self.failures(user, factor)),
        }
    }

    pub(crate) fn tracked_users(&self) -> usize {
        self.users.len()
    }

    /// Oldest lock first, equal times by id.
    pub(crate) fn locked_users(&self) -> Vec<(UserId, Lock)> {
        let locked =
            self.users.iter().filter_map(|(user, it)| Some((user.clone(), it.lock.clone()?)));
        let mut locked: Vec<_> = locked.collect();
        locked.sort_by_key(|(_, lock)| lock.since);
        locked
    }

    fn check_org(&self, org: &OrgId, user: &UserId) -> Result<(), LockError> {
        match self.users.get(user) {
            Some(on_record) if on_record.org != *org => Err(LockError::OrgMismatch),
            _ => Ok(()),
        }
    }

    fn on_record(&mut self, org: &OrgId, user: &UserId) {
        let new = || User { org: org.clone(), lock: None, failures: BTreeMap::new() };
        self.users.entry(user.clone()).or_insert_with(new);
    }

    fn user(&mut self, user: &UserId) -> &mut User {
        self.users.get_mut(user).expect("an attempt that counts keeps its user on record")
    }

    fn set_lock(&mut self, user: &UserId, cause: LockCause) {
        let since = self.now;
        let on_record = self.user(user);
        on_record.lock = Some(Lock { since, cause, org: on_record.org.clone() });
    }

    fn forget(&mut self, user: &UserId) {
        self.attempts.retain(|_, (who, _)| who != user);
        self.users.remove(user);
    }

    fn forget_if_idle(&mut self, user: &UserId) {
        let attempts = self.attempts.values().any(|(who, _)| who == user);
        let idle = |it: &User| it.lock.is_none() && it.failures.is_empty() && !attempts;
        if self.users.get(user).is_some_and(idle) {
            self.users.remove(user);
        }
    }

    fn record_of_admin(&mut self, org: &OrgId, user: &UserId, event: Event) -> Details {
        let aggregate = Aggregate::User { org: org.clone(), user: user.clone() };
        self.record(aggregate, None, Actor::system(), event);
        Details {
            sequence: self.position,
            created_at: self.now,
            changed_at: self.now,
            resource_owner: org.to_string(),
        }
    }
}
