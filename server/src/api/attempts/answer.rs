//! The engine's answers as messages, and the messages' choices as the engine's.

use std::time::{Duration, SystemTime};

use portcullis::{
    Factor, Lock, LockCause, OrgId, Origin, PublicAnswer, Resolved, UserStatus, Verdict,
};

use super::super::error::ApiError;
use super::super::policies::timestamp;
use super::table::{End, Settled};
use super::{Outcome, invalid};
use crate::proto::portcullis::v1 as proto;
use proto::begin_attempt_response::Admission;
use proto::public_answer::Kind;
use proto::record_attempt_response::Verdict as Recorded;
use proto::settle_attempt_response::Verdict as SettledVerdict;

pub(super) fn factor_of(number: i32) -> Result<Factor, ApiError> {
    match proto::Factor::try_from(number) {
        Ok(proto::Factor::Password) => Ok(Factor::Password),
        Ok(proto::Factor::Totp) => Ok(Factor::Totp),
        Ok(proto::Factor::OtpSms) => Ok(Factor::OtpSms),
        Ok(proto::Factor::OtpEmail) => Ok(Factor::OtpEmail),
        Ok(proto::Factor::RecoveryCode) => Ok(Factor::RecoveryCode),
        Ok(proto::Factor::Unspecified) | Err(_) => {
            Err(invalid("Factor", "it must be one of the factors"))
        }
    }
}

pub(in super::super) fn factor_message(factor: Factor) -> proto::Factor {
    match factor {
        Factor::Password => proto::Factor::Password,
        Factor::Totp => proto::Factor::Totp,
        Factor::OtpSms => proto::Factor::OtpSms,
        Factor::OtpEmail => proto::Factor::OtpEmail,
        Factor::RecoveryCode => proto::Factor::RecoveryCode,
    }
}

pub(super) fn outcome_of(number: i32) -> Result<Outcome, ApiError> {
    match proto::Outcome::try_from(number) {
        Ok(proto::Outcome::Success) => Ok(Outcome::Success),
        Ok(proto::Outcome::Failure) => Ok(Outcome::Failure),
        Ok(proto::Outcome::Cancelled) => Ok(Outcome::Cancelled),
        Ok(proto::Outcome::Unspecified) | Err(_) => {
            Err(invalid("Outcome", "it must be one of the outcomes"))
        }
    }
}

pub(super) fn admitted(attempt_id: String, timeout: Duration) -> Admission {
    let deadline = SystemTime::now().checked_add(timeout).map(timestamp);
    Admission::Admitted(proto::Admitted { attempt_id, deadline })
}

pub(in super::super) fn lock_message(lock: &Lock) -> proto::Locked {
    let (cause, factor) = match lock.cause {
        LockCause::Failures(factor) => (proto::LockCause::Failures, factor_message(factor)),
        LockCause::Administrator => (proto::LockCause::Administrator, proto::Factor::Unspecified),
    };
    proto::Locked { since: Some(timestamp(lock.since)), cause: cause.into(), factor: factor.into() }
}

pub(super) fn locked(lock: &Lock) -> Admission {
    Admission::Locked(lock_message(lock))
}

fn inactive_message() -> proto::Locked {
    let cause = proto::LockCause::Inactive.into();
    proto::Locked { since: None, cause, factor: proto::Factor::Unspecified.into() }
}

pub(super) fn inactive() -> Admission {
    Admission::Locked(inactive_message())
}

pub(super) fn busy() -> Admission {
    Admission::Busy(proto::Busy {})
}

pub(super) fn refused(reason: proto::RefusalReason) -> Admission {
    Admission::Refused(proto::Refused { reason: reason.into() })
}

/// For whoever counts them.
pub(super) fn name_of(admission: &Admission) -> &'static str {
    match admission {
        Admission::Admitted(_) => "admitted",
        Admission::Locked(_) => "locked",
        Admission::Busy(_) => "busy",
        Admission::Refused(_) => "refused",
    }
}

/// What an attempt came to; without that, it counts for nothing.
pub(super) fn settled(settled: Option<&Settled>) -> proto::SettleAttemptResponse {
    let (verdict, public_answer) = match settled {
        Some(Settled { end, public, .. }) => (
            match end {
                End::Verdict(Verdict::Accepted) => SettledVerdict::Accepted(proto::Accepted {}),
                End::Verdict(Verdict::Rejected { failures, limit, locked }) => {
                    SettledVerdict::Rejected(rejected(*failures, limit.get(), *locked))
                }
                End::Verdict(Verdict::Locked(lock)) => SettledVerdict::Locked(lock_message(lock)),
                End::Verdict(Verdict::Superseded) => {
                    SettledVerdict::Superseded(proto::Superseded {})
                }
                End::Cancelled => SettledVerdict::Cancelled(proto::Cancelled {}),
                End::Inactive => SettledVerdict::Locked(inactive_message()),
            },
            *public,
        ),
        // Of whom it was is not known, nor which policy holds: the answer that tells least.
        None => (SettledVerdict::Superseded(proto::Superseded {}), PublicAnswer::Denied),
    };
    let public_answer = Some(public(public_answer));
    proto::SettleAttemptResponse { verdict: Some(verdict), public_answer }
}

fn rejected(failures: u32, limit: u32, locked: bool) -> proto::Rejected {
    proto::Rejected { failures: Some(failures), limit: Some(limit), locked: Some(locked) }
}

pub(super) fn verdict_name(response: &proto::SettleAttemptResponse) -> &'static str {
    match response.verdict {
        Some(SettledVerdict::Accepted(_)) => "accepted",
        Some(SettledVerdict::Rejected(_)) => "rejected",
        Some(SettledVerdict::Locked(_)) => "locked",
        Some(SettledVerdict::Superseded(_)) | None => "superseded",
        Some(SettledVerdict::Cancelled(_)) => "cancelled",
    }
}

pub(super) fn recorded(it: &Settled) -> proto::RecordAttemptResponse {
    let proto::SettleAttemptResponse { verdict, public_answer } = settled(Some(it));
    let verdict = verdict.map(|verdict| match verdict {
        SettledVerdict::Accepted(it) => Recorded::Accepted(it),
        SettledVerdict::Rejected(it) => Recorded::Rejected(it),
        SettledVerdict::Locked(it) => Recorded::Locked(it),
        SettledVerdict::Superseded(it) => Recorded::Superseded(it),
        // Nothing that is recorded was cancelled.
        SettledVerdict::Cancelled(proto::Cancelled {}) => {
            Recorded::Superseded(proto::Superseded {})
        }
    });
    proto::RecordAttemptResponse { verdict, public_answer }
}

pub(super) fn not_recorded(
    admission: &Admission,
    answer: PublicAnswer,
) -> proto::RecordAttemptResponse {
    let verdict = match admission {
        Admission::Locked(it) => Some(Recorded::Locked(*it)),
        Admission::Busy(it) => Some(Recorded::Busy(*it)),
        Admission::Refused(it) => Some(Recorded::Refused(*it)),
        Admission::Admitted(_) => None,
    };
    proto::RecordAttemptResponse { verdict, public_answer: Some(public(answer)) }
}

pub(super) fn public(answer: PublicAnswer) -> proto::PublicAnswer {
    let (kind, failures, limit) = match answer {
        PublicAnswer::Granted => (Kind::Granted, None, None),
        PublicAnswer::Denied => (Kind::Denied, None, None),
        PublicAnswer::Rejected { failures, limit } => (Kind::Rejected, Some(failures), limit),
        PublicAnswer::Locked => (Kind::Locked, None, None),
        PublicAnswer::TryAgain => (Kind::TryAgain, None, None),
        PublicAnswer::Pending => (Kind::Pending, None, None),
    };
    proto::PublicAnswer { kind: kind.into(), failures, limit }
}

pub(super) fn status(
    status: &UserStatus,
    resolved: Resolved,
    org: &OrgId,
    is_active: bool,
) -> proto::GetLockStatusResponse {
    let failures = |factor: &Factor| {
        let failures = status.failures(*factor);
        (failures > 0)
            .then(|| proto::FactorStatus { factor: factor_message(*factor).into(), failures })
    };
    let locked = match &status.lock {
        Some(lock) => Some(lock_message(lock)),
        None => (!is_active).then(inactive_message),
    };
    let policy = resolved.policy;
    let origin = match resolved.origin {
        Origin::InstanceDefault => proto::Origin::InstanceDefault,
        Origin::OrgOverride => proto::Origin::OrgOverride,
    };
    proto::GetLockStatusResponse {
        org_id: String::from(org.as_str()),
        locked,
        factors: Factor::ALL.iter().filter_map(failures).collect(),
        policy: Some(proto::Policy {
            max_password_attempts: Some(policy.max_password_attempts.get()),
            max_otp_attempts: Some(policy.max_otp_attempts.get()),
            show_lockout_failures: Some(policy.show_lockout_failures),
            origin: origin.into(),
        }),
    }
}
