//! Counting and locking: the words for what an attempt meets and what becomes of it.

pub(crate) mod decide;
mod locks;
pub(crate) mod public;
pub(crate) mod register;
pub(crate) mod state;

use std::fmt;
use std::net::IpAddr;
use std::time::SystemTime;

use crate::id::OrgId;
use crate::policy::AttemptLimit;
use state::PerFactor;

/// What is checked. Each factor of a user has a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Factor {
    /// A password, counted against `max_password_attempts`.
    Password,
    /// A time-based one-time code; like all that follow, counted against `max_otp_attempts`.
    Totp,
    /// A one-time code sent by SMS.
    OtpSms,
    /// A one-time code sent by email.
    OtpEmail,
    /// A recovery code.
    RecoveryCode,
}

impl Factor {
    /// All factors.
    pub const ALL: [Self; 5] =
        [Self::Password, Self::Totp, Self::OtpSms, Self::OtpEmail, Self::RecoveryCode];

    /// The factor's name in files and events: `password`, `totp`, `otp_sms`, `otp_email` or
    /// `recovery_code`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Password => "password",
            Self::Totp => "totp",
            Self::OtpSms => "otp_sms",
            Self::OtpEmail => "otp_email",
            Self::RecoveryCode => "recovery_code",
        }
    }
}

impl fmt::Display for Factor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// What locked a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LockCause {
    /// The counter of this factor reached the limit.
    Failures(Factor),
    /// An administrator.
    Administrator,
}

/// A lock: it refuses every attempt of its user until an administrator unlocks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lock {
    /// When the user was locked.
    pub since: SystemTime,
    /// Why.
    pub cause: LockCause,
    /// The user's organization.
    pub org: OrgId,
}

/// What a settled attempt came to. Only [`Verdict::Accepted`] lets anybody in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[must_use = "only `Verdict::Accepted` lets the user in"]
pub enum Verdict {
    /// The check succeeded and the user is not locked. The factor's counter is zero.
    Accepted,
    /// The check failed.
    Rejected {
        /// Failures in a row, this one included.
        failures: u32,
        /// The limit in force when the failure settled.
        limit: AttemptLimit,
        /// Whether this failure locked the user.
        locked: bool,
    },
    /// The user was locked meanwhile: right or wrong, the check counts for nothing (rule A5).
    Locked(Lock),
    /// The user was unlocked, removed or given a new credential meanwhile: the check says nothing
    /// about the present and counts for nothing (rule A8). Begin a new attempt.
    Superseded,
}

impl Verdict {
    /// How many more failures a rejected user has before the lock, 0 when this one locked. `None`
    /// for every other verdict, and where no number of failures locks.
    #[must_use]
    pub fn remaining(&self) -> Option<u32> {
        match self {
            Self::Rejected { failures, limit, .. } if *limit != AttemptLimit::NEVER => {
                Some(limit.get().saturating_sub(*failures))
            }
            _ => None,
        }
    }
}

/// Why an attempt was refused before the user's state was looked at, or for want of room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The engine cannot make verdicts durable now; it admits nobody until it can (rule D3).
    /// An engine in memory never answers this.
    Unavailable,
    /// The user is on record with another organization (rule A11).
    OrgMismatch,
    /// The cap on tracked users is reached and this user is not among them (rule A13).
    Capacity,
}

/// What is known of where an attempt comes from. It goes into the event and decides nothing, so a
/// forged address can fool a reader of the trail but never the counter.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttemptInfo {
    /// The client's address, as far as the caller believes it.
    pub remote_ip: Option<IpAddr>,
    /// The client's user agent, as it calls itself.
    pub user_agent: Option<String>,
    /// The languages that the client accepts.
    pub accept_language: Option<String>,
    /// The caller's own name for the login that the attempt belongs to.
    pub request_id: Option<String>,
}

/// What is on record of a user. A user who is not tracked has no organization, no lock and no
/// failures.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserStatus {
    /// The organization on record.
    pub org: Option<OrgId>,
    /// The lock, if the user is locked.
    pub lock: Option<Lock>,
    failures: PerFactor<u32>,
}

impl UserStatus {
    /// Failures of a factor in a row.
    #[must_use]
    pub fn failures(&self, factor: Factor) -> u32 {
        *self.failures.get(factor)
    }
}
