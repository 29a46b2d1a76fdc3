//! Events: what changed, to what, when, by whom, and in which order.
//!
//! Type names and payload fields follow ZITADEL's, so that its tools read the trail. A success
//! that changes nothing and an attempt that is refused are no events.

#[cfg(feature = "durable")]
pub(crate) mod stored;

use std::time::SystemTime;

use crate::id::{Actor, InstanceId, OrgId, UserId};
use crate::lockout::{AttemptInfo, Factor, LockCause};
use crate::policy::decide::PolicyEvent;

/// What a sequence counts in: the instance, an organization or a user.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Aggregate {
    /// The instance.
    Instance(InstanceId),
    /// An organization.
    Org(OrgId),
    /// A user.
    User {
        /// The user's organization.
        org: OrgId,
        /// The user.
        user: UserId,
    },
}

impl Aggregate {
    /// Whose it is: the instance's id, else the organization's.
    #[must_use]
    pub fn owner(&self) -> &str {
        match self {
            Self::Instance(instance) => instance,
            Self::Org(org) | Self::User { org, .. } => org,
        }
    }
}

/// What changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Event {
    /// The instance default.
    InstancePolicy(PolicyEvent),
    /// An organization's override.
    OrgPolicy(PolicyEvent),
    /// A check failed and was counted.
    CheckFailed {
        /// What was checked.
        factor: Factor,
        /// Where the attempt came from, as far as the caller told.
        info: Option<Box<AttemptInfo>>,
    },
    /// A check succeeded and set its counter to zero.
    CheckSucceeded {
        /// What was checked.
        factor: Factor,
        /// Where the attempt came from, as far as the caller told.
        info: Option<Box<AttemptInfo>>,
    },
    /// The user was locked.
    Locked(LockCause),
    /// The user was unlocked: all counters are zero, all attempts begun before are void.
    Unlocked,
    /// The user has a new credential: the factor's counter is zero, its attempts begun before are
    /// void.
    CredentialChanged(Factor),
    /// The user was removed and all about it forgotten.
    Removed,
    /// Something of the host's that the engine orders and does not interpret.
    Host {
        /// The type's name.
        type_name: String,
        /// What the host has to say, as JSON.
        payload: Option<String>,
    },
}

impl Event {
    /// The type's name in the trail.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::InstancePolicy(PolicyEvent::Added(_)) => "instance.policy.lockout.added",
            Self::InstancePolicy(PolicyEvent::Changed(_)) => "instance.policy.lockout.changed",
            Self::InstancePolicy(PolicyEvent::Removed) => "instance.policy.lockout.removed",
            Self::OrgPolicy(PolicyEvent::Added(_)) => "org.policy.lockout.added",
            Self::OrgPolicy(PolicyEvent::Changed(_)) => "org.policy.lockout.changed",
            Self::OrgPolicy(PolicyEvent::Removed) => "org.policy.lockout.removed",
            Self::CheckFailed { factor, .. } => match factor {
                Factor::Password => "user.human.password.check.failed",
                Factor::Totp => "user.human.mfa.otp.check.failed",
                Factor::OtpSms => "user.human.mfa.otp.sms.check.failed",
                Factor::OtpEmail => "user.human.mfa.otp.email.check.failed",
                Factor::RecoveryCode => "user.human.mfa.recoverycode.check.failed",
            },
            Self::CheckSucceeded { factor, .. } => match factor {
                Factor::Password => "user.human.password.check.succeeded",
                Factor::Totp => "user.human.mfa.otp.check.succeeded",
                Factor::OtpSms => "user.human.mfa.otp.sms.check.succeeded",
                Factor::OtpEmail => "user.human.mfa.otp.email.check.succeeded",
                Factor::RecoveryCode => "user.human.mfa.recoverycode.check.succeeded",
            },
            Self::Locked(_) => "user.locked",
            Self::Unlocked => "user.unlocked",
            Self::CredentialChanged(factor) => match factor {
                Factor::Password => "user.human.password.changed",
                Factor::Totp => "user.human.mfa.otp.verified",
                Factor::OtpSms => "user.human.mfa.otp.sms.added",
                Factor::OtpEmail => "user.human.mfa.otp.email.added",
                Factor::RecoveryCode => "user.human.mfa.recoverycode.added",
            },
            Self::Removed => "user.removed",
            Self::Host { type_name, .. } => type_name,
        }
    }
}

/// An event with its place in the order of all events.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// The event's place, from 1 and without a gap over everything an engine records.
    pub position: u64,
    /// The event's number within its aggregate; for a user, the position.
    pub sequence: u64,
    /// When it happened.
    pub at: SystemTime,
    /// Who did it.
    pub actor: Actor,
    /// To whom it happened.
    pub aggregate: Aggregate,
    /// What happened.
    pub event: Event,
}
