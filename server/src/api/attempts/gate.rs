//! What an attempt meets before its check: the directory, then the engine.

use portcullis::durable::{Admission, Attempt};
use portcullis::{Factor, LockoutPolicy, OrgId, PublicAnswer, UserId};

use super::super::Api;
use super::super::auth::{Auth, unavailable};
use super::super::error::{ApiError, Code};
use super::answer;
use crate::directory::{DirectoryError, UserKind};
use crate::proto::portcullis::v1 as proto;

/// What an attempt meets before its check.
pub(super) enum Gate {
    Admitted(Attempt<'static>),
    Shut(proto::begin_attempt_response::Admission, PublicAnswer),
}

/// What the directory says of a user whom an attempt names with an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stands {
    Well,
    Unknown,
    Elsewhere,
    Machine,
    Inactive,
}

pub(super) async fn stands(api: &Api, org: &OrgId, user: &UserId) -> Result<Stands, ApiError> {
    Ok(match api.directory.standing(user).await.map_err(unavailable)? {
        None => Stands::Unknown,
        Some(standing) if standing.org != *org => Stands::Elsewhere,
        Some(standing) if !standing.is_human => Stands::Machine,
        Some(standing) if !standing.is_active => Stands::Inactive,
        Some(_) => Stands::Well,
    })
}

/// Asks the directory, then the engine, and of one who is admitted the directory again: who was moved
/// between the first look and the claim must not be on record where the user is no more. A later move
/// voids the attempt.
pub(super) async fn admit(
    api: &Api,
    auth: &Auth,
    org: &OrgId,
    user: &UserId,
    factor: Factor,
) -> Result<Gate, ApiError> {
    use proto::RefusalReason::{Capacity, MachineUser, OrgMismatch, UnknownUser};
    let policy = api.engine.resolve(org).policy;
    let refused = |reason| {
        let open = match reason {
            // Who exists is not told to anybody.
            UnknownUser | MachineUser => PublicAnswer::Denied,
            _ => PublicAnswer::TryAgain,
        };
        Gate::Shut(answer::refused(reason), hidden_unless_shown(open, &policy))
    };
    let shut = |stands| match stands {
        Stands::Well => None,
        Stands::Unknown => Some(refused(UnknownUser)),
        Stands::Elsewhere => Some(refused(OrgMismatch)),
        Stands::Machine => Some(refused(MachineUser)),
        Stands::Inactive => {
            let public = hidden_unless_shown(PublicAnswer::Locked, &policy);
            Some(Gate::Shut(answer::inactive(), public))
        }
    };
    let mut first = stands(api, org, user).await?;
    if first == Stands::Unknown && api.settings.register_on_attempt {
        register(api, auth, org, user).await?;
        first = Stands::Well;
    }
    if let Some(gate) = shut(first) {
        return Ok(gate);
    }
    let admission = api.engine.begin_owned(org, user, factor);
    if let Admission::Admitted(_) = &admission
        && let Some(gate) = shut(stands(api, org, user).await?)
    {
        return Ok(gate);
    }
    let public = admission.public(&policy);
    Ok(match admission {
        Admission::Admitted(attempt) => Gate::Admitted(attempt),
        Admission::Locked(lock) => Gate::Shut(answer::locked(&lock), public),
        Admission::Busy => Gate::Shut(answer::busy(), public),
        Admission::Refused(portcullis::Refusal::OrgMismatch) => refused(OrgMismatch),
        Admission::Refused(portcullis::Refusal::Capacity) => refused(Capacity),
        Admission::Refused(portcullis::Refusal::Unavailable) => {
            let text = "the journal is unavailable, try again later";
            return Err(ApiError::plain(Code::Unavailable, text));
        }
    })
}

/// The directory learns of a user by the first attempt. The names are the ids, for there are no others.
async fn register(api: &Api, auth: &Auth, org: &OrgId, user: &UserId) -> Result<(), ApiError> {
    let (actor, directory) = (auth.actor(), &api.directory);
    let human = UserKind::Human {
        first_name: String::new(),
        last_name: String::new(),
        email: String::new(),
    };
    let registered = async {
        if !directory.has_org(org).await? {
            directory.register_org(&actor, org, org).await?;
        }
        directory.register_user(&actor, org, user, user, human).await
    };
    match registered.await {
        Ok(_) => Ok(()),
        Err(DirectoryError::Journal(fault)) => Err(unavailable(fault)),
        // Somebody else has that name, or another request was quicker in another organization.
        Err(refusal) => Err(ApiError::plain(Code::FailedPrecondition, refusal.to_string())),
    }
}

/// What is told in the open, or what tells nothing.
pub(super) fn hidden_unless_shown(open: PublicAnswer, policy: &LockoutPolicy) -> PublicAnswer {
    if policy.show_lockout_failures { open } else { PublicAnswer::Denied }
}
