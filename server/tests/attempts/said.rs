//! Answers in words, so that they can be compared whichever way they came.

use portcullis::{Factor, PublicAnswer};
use portcullis_server::proto::portcullis::v1 as proto;
use proto::begin_attempt_response::Admission;
use proto::record_attempt_response::Verdict as Recorded;
use proto::settle_attempt_response::Verdict as Settled;

use super::wires::Refusal;

/// A factor's number on the wire, and the library's.
pub(crate) fn factor(name: &str) -> (i32, Factor) {
    let at = Factor::ALL.iter().position(|it| it.name() == name).unwrap();
    (i32::try_from(at).unwrap() + 1, Factor::ALL[at])
}

pub(crate) fn outcome(name: &str) -> i32 {
    match name {
        "success" => proto::Outcome::Success,
        "failure" => proto::Outcome::Failure,
        "cancelled" => proto::Outcome::Cancelled,
        _ => panic!("no outcome: {name}"),
    }
    .into()
}

/// An answer in words.
pub(crate) trait Said {
    fn said(&self) -> String;
}

impl<T: Said> Said for Result<T, Refusal> {
    fn said(&self) -> String {
        match self {
            Ok(answer) => answer.said(),
            Err(Refusal { code, .. }) => format!("error {code}"),
        }
    }
}

impl Said for proto::BeginAttemptResponse {
    fn said(&self) -> String {
        let admission = match self.admission.as_ref().unwrap() {
            Admission::Admitted(_) => String::from("admitted"),
            Admission::Locked(it) => locked(it),
            Admission::Busy(_) => String::from("busy"),
            Admission::Refused(it) => refused(*it),
        };
        format!("{admission}; {}", public(self.public_answer.as_ref()))
    }
}

impl Said for proto::SettleAttemptResponse {
    fn said(&self) -> String {
        let verdict = match self.verdict.as_ref().unwrap() {
            Settled::Accepted(_) => String::from("accepted"),
            Settled::Rejected(it) => rejected(it),
            Settled::Locked(it) => locked(it),
            Settled::Superseded(_) => String::from("superseded"),
            Settled::Cancelled(_) => String::from("cancelled"),
        };
        format!("{verdict}; {}", public(self.public_answer.as_ref()))
    }
}

impl Said for proto::RecordAttemptResponse {
    fn said(&self) -> String {
        let verdict = match self.verdict.as_ref().unwrap() {
            Recorded::Accepted(_) => String::from("accepted"),
            Recorded::Rejected(it) => rejected(it),
            Recorded::Locked(it) => locked(it),
            Recorded::Superseded(_) => String::from("superseded"),
            Recorded::Busy(_) => String::from("busy"),
            Recorded::Refused(it) => refused(*it),
        };
        format!("{verdict}; {}", public(self.public_answer.as_ref()))
    }
}

impl Said for proto::GetLockStatusResponse {
    fn said(&self) -> String {
        let lock = self.locked.as_ref().map_or_else(|| String::from("not locked"), locked);
        let factors: Vec<_> = self
            .factors
            .iter()
            .map(|it| format!("{} {}", factor_name(it.factor), it.failures))
            .collect();
        let policy = self.policy.as_ref().unwrap();
        let limits = (policy.max_password_attempts.unwrap(), policy.max_otp_attempts.unwrap());
        let is_override = policy.origin() == proto::Origin::OrgOverride;
        format!("{lock}; {factors:?}; {limits:?} of the org: {is_override}; {}", self.org_id)
    }
}

fn factor_name(number: i32) -> &'static str {
    Factor::ALL[usize::try_from(number).unwrap() - 1].name()
}

pub(crate) fn locked(it: &proto::Locked) -> String {
    match it.cause() {
        proto::LockCause::Failures => format!("locked by {}", factor_name(it.factor)),
        proto::LockCause::Administrator => String::from("locked by an administrator"),
        proto::LockCause::Inactive => String::from("locked as inactive"),
        proto::LockCause::Unspecified => panic!("no cause: {it:?}"),
    }
}

fn rejected(it: &proto::Rejected) -> String {
    let (failures, limit) = (it.failures.unwrap(), it.limit.unwrap());
    format!("rejected {failures} of {limit}, locked: {}", it.locked.unwrap())
}

fn refused(it: proto::Refused) -> String {
    format!("refused {}", it.reason().as_str_name().trim_start_matches("REFUSAL_REASON_"))
}

/// The public answer, as the library writes it.
pub(crate) fn public(answer: Option<&proto::PublicAnswer>) -> String {
    use proto::public_answer::Kind;
    let answer = answer.unwrap();
    if answer.kind() != Kind::Rejected {
        assert_eq!((answer.failures, answer.limit), (None, None), "{answer:?}");
    }
    let answer = match answer.kind() {
        Kind::Granted => PublicAnswer::Granted,
        Kind::Denied => PublicAnswer::Denied,
        Kind::Rejected => {
            PublicAnswer::Rejected { failures: answer.failures.unwrap(), limit: answer.limit }
        }
        Kind::Locked => PublicAnswer::Locked,
        Kind::TryAgain => PublicAnswer::TryAgain,
        Kind::Pending => PublicAnswer::Pending,
        Kind::Unspecified => panic!("no public answer"),
    };
    format!("{answer:?}")
}
