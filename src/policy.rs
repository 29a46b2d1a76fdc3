//! Lockout policies: what is in force, for whom, and who said so.

pub(crate) mod decide;
pub(crate) mod handle;
pub(crate) mod hierarchy;
pub(crate) mod packed;
pub(crate) mod reader;

use std::fmt;
use std::num::NonZeroU32;
use std::time::SystemTime;

use crate::lockout::Factor;

/// How many failures in a row lock a user; 0 never locks (rule P7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptLimit(u32);

impl AttemptLimit {
    /// No number of failures locks. They are counted all the same.
    pub const NEVER: Self = Self(0);

    /// Locks at the `failures`-th failure in a row.
    #[must_use]
    pub const fn at(failures: NonZeroU32) -> Self {
        Self(failures.get())
    }

    /// The number of failures that locks, 0 for never.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0
    }

    /// Whether a user with that many failures has reached the limit.
    pub(crate) const fn is_reached_by(self, failures: u32) -> bool {
        self.0 != 0 && failures >= self.0
    }
}

impl From<u32> for AttemptLimit {
    fn from(failures: u32) -> Self {
        Self(failures)
    }
}

impl fmt::Display for AttemptLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Self::NEVER { f.pad("never") } else { fmt::Display::fmt(&self.0, f) }
    }
}

/// A lockout policy. An override replaces the instance default as a whole, never field by field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct LockoutPolicy {
    /// Failed passwords in a row that lock.
    pub max_password_attempts: AttemptLimit,
    /// Failed one-time codes in a row that lock, for TOTP, SMS, email and recovery codes alike;
    /// each of the four has a counter of its own.
    pub max_otp_attempts: AttemptLimit,
    /// Whether a login may tell its user about failures and locks.
    pub show_lockout_failures: bool,
}

impl LockoutPolicy {
    /// A policy with these two limits (0 = never lock) that shows no failures.
    #[must_use]
    pub const fn new(password: u32, otp: u32) -> Self {
        Self {
            max_password_attempts: AttemptLimit(password),
            max_otp_attempts: AttemptLimit(otp),
            show_lockout_failures: false,
        }
    }

    /// The limit for a factor.
    #[must_use]
    pub const fn limit(&self, factor: Factor) -> AttemptLimit {
        // Exhaustive on purpose: a new factor must not compile without a limit (ZITADEL
        // CVE-2024-32868 was a factor that had none).
        match factor {
            Factor::Password => self.max_password_attempts,
            Factor::Totp | Factor::OtpSms | Factor::OtpEmail | Factor::RecoveryCode => {
                self.max_otp_attempts
            }
        }
    }
}

/// Who answered a resolve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The instance's default: the organization has no override.
    InstanceDefault,
    /// The organization's own override.
    OrgOverride,
}

/// The policy in force for an organization, and who said so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Resolved {
    /// The policy in force.
    pub policy: LockoutPolicy,
    /// Whose policy it is.
    pub origin: Origin,
}

impl Resolved {
    /// Whether the instance's default answered.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        matches!(self.origin, Origin::InstanceDefault)
    }
}

/// What is on record about the last change of an object.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Details {
    /// Of the instance or an organization: the number of its changes, from 1 and without a gap,
    /// also over a reset. Of a user: the position of the event; rising, not without gaps.
    pub sequence: u64,
    /// When the policy was added; for a user, the time of the event.
    pub created_at: SystemTime,
    /// When it was last changed.
    pub changed_at: SystemTime,
    /// Whose it is: the instance's id for the default, else the organization's.
    pub resource_owner: String,
}

impl Details {
    /// The details of an event about a user.
    pub(crate) fn of_user(position: u64, at: SystemTime, org: &str) -> Self {
        Self {
            sequence: position,
            created_at: at,
            changed_at: at,
            resource_owner: String::from(org),
        }
    }
}
