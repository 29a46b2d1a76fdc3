//! Attempts over the wire: the library's two calls, with an id in the place of its guard.
//!
//! The order of the answers is the library's too, after what the directory says: a user of another
//! organization, an inactive user, an unknown one. Who is asked about is checked before anything is
//! told, and every refusal leaves the same `public_answer` behind where the policy hides failures.

mod answer;
mod id;
mod table;

use std::fmt::Display;
use std::sync::Arc;

use metrics::counter;
use portcullis::durable::{Admission, Attempt};
use portcullis::{
    AttemptInfo, Factor, LockError, LockoutPolicy, OrgId, PublicAnswer, UserId, WriteError,
};

use super::auth::{Auth, unavailable};
use super::error::{ApiError, Code};
use super::roles::Permission::{AttemptWrite, ClientWrite, UserRead};
use super::{Api, Meta, Settings};
use crate::directory::{DirectoryError, Standing, UserKind};
use crate::proto::portcullis::v1 as proto;
use answer::{factor_of, outcome_of};
use id::{AttemptId, Node};
use table::{Attempts, Found, Open, Settled};

pub(super) use answer::{factor_message, lock_message};
pub use id::NodeName;

/// The attempts of a server that are open, or settled not long ago.
#[derive(Clone, Debug)]
pub(super) struct Held(Arc<Attempts>);

impl Held {
    /// To be called in a runtime.
    pub(super) fn start(settings: &Settings) -> Self {
        let node = Node::new(settings.node.clone());
        Self(Attempts::start(node, settings.attempt_timeout, settings.max_attempts))
    }

    pub(super) fn in_flight(&self) -> usize {
        self.0.in_flight()
    }
}

/// What an attempt meets before its check.
enum Gate {
    Admitted(Attempt<'static>),
    Shut(proto::begin_attempt_response::Admission, PublicAnswer),
}

/// Begins an attempt.
///
/// # Errors
///
/// The caller's, of a bad id or factor, of too many attempts, the journal's.
pub async fn begin_attempt(
    api: &Api,
    meta: &Meta,
    request: proto::BeginAttemptRequest,
) -> Result<proto::BeginAttemptResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let (org, user) = (org_id(&request.org_id)?, user_id(&request.user_id)?);
    let factor = factor_of(request.factor)?;
    auth.require(AttemptWrite, &org)?;
    let info = info(&auth, meta, &org, request.client)?;
    let (admission, public) = match admit(api, &auth, &org, &user, factor).await? {
        Gate::Shut(admission, public) => (admission, public),
        Gate::Admitted(attempt) => {
            let attempt = attempt.with_info(info);
            let full = |_| {
                let text = "too many attempts are open, try again later";
                ApiError::plain(Code::Unavailable, text)
            };
            let (id, timeout) = api.attempts.0.open(Open { attempt, org }).map_err(full)?;
            (answer::admitted(id.into_string(), timeout), PublicAnswer::Pending)
        }
    };
    counter!("portcullis_admissions_total", "admission" => answer::name_of(&admission))
        .increment(1);
    Ok(proto::BeginAttemptResponse {
        admission: Some(admission),
        public_answer: Some(answer::public(public)),
    })
}

/// Settles an attempt, once.
///
/// # Errors
///
/// The caller's, of a text that is no id or no outcome, the journal's: then there is no verdict, and
/// the id answers `superseded` from now on.
pub async fn settle_attempt(
    api: &Api,
    meta: &Meta,
    request: proto::SettleAttemptRequest,
) -> Result<proto::SettleAttemptResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let id = AttemptId::parse(&request.attempt_id)
        .ok_or_else(|| invalid("AttemptId", "this is no id of an attempt"))?;
    let outcome = outcome_of(request.outcome)?;
    auth.require_somewhere(AttemptWrite)?;
    let may = |org: &OrgId| auth.require(AttemptWrite, org);
    let settled = match api.attempts.0.settle(&id, may)? {
        Found::Unknown => None,
        Found::Settled(settled) => Some(settled),
        Found::Settling(mut receiver) => {
            // It ends without a word if the journal could not take the verdict.
            let settled = receiver.wait_for(Option::is_some).await.ok();
            let settled = settled.and_then(|settled| settled.clone());
            settled.map(|settled| may(&settled.org).map(|()| settled)).transpose()?
        }
        Found::Open(Open { attempt, org }, turn) => {
            let verdict = match outcome {
                Outcome::Cancelled => {
                    attempt.cancel();
                    None
                }
                Outcome::Success => Some(attempt.succeed().await.map_err(unavailable)?),
                Outcome::Failure => Some(attempt.fail().await.map_err(unavailable)?),
            };
            let policy = api.engine.resolve(&org).policy;
            let public = match &verdict {
                Some(verdict) => verdict.public(&policy),
                None => hidden_unless_shown(PublicAnswer::TryAgain, &policy),
            };
            let settled = Settled { org, verdict, public };
            turn.end(settled.clone());
            Some(settled)
        }
    };
    let response = answer::settled(settled.as_ref());
    counter!("portcullis_verdicts_total", "verdict" => answer::verdict_name(&response))
        .increment(1);
    Ok(response)
}

/// Begins and settles an attempt whose check has been run already.
///
/// # Errors
///
/// The caller's, of a bad id, factor or outcome, the journal's.
pub async fn record_attempt(
    api: &Api,
    meta: &Meta,
    request: proto::RecordAttemptRequest,
) -> Result<proto::RecordAttemptResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let (org, user) = (org_id(&request.org_id)?, user_id(&request.user_id)?);
    let factor = factor_of(request.factor)?;
    let is_success = match outcome_of(request.outcome)? {
        Outcome::Success => true,
        Outcome::Failure => false,
        Outcome::Cancelled => {
            let text = "an attempt that was cancelled is not to be recorded";
            return Err(invalid("Outcome", text));
        }
    };
    auth.require(AttemptWrite, &org)?;
    let info = info(&auth, meta, &org, request.client)?;
    let attempt = match admit(api, &auth, &org, &user, factor).await? {
        Gate::Admitted(attempt) => attempt.with_info(info),
        Gate::Shut(admission, public) => return Ok(answer::not_recorded(&admission, public)),
    };
    let verdict = if is_success { attempt.succeed().await } else { attempt.fail().await };
    let verdict = verdict.map_err(unavailable)?;
    let public = verdict.public(&api.engine.resolve(&org).policy);
    Ok(answer::recorded(&Settled { org, verdict: Some(verdict), public }))
}

/// What is on record of a user, and the policy in force.
///
/// # Errors
///
/// The caller's, of an unknown user, the journal's.
pub async fn get_lock_status(
    api: &Api,
    meta: &Meta,
    request: proto::GetLockStatusRequest,
) -> Result<proto::GetLockStatusResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let user = user_id(&request.user_id)?;
    let Standing { org, is_active } = known_user(api, &auth, &user).await?;
    auth.require_any(&[UserRead, AttemptWrite], &org)?;
    let status = api.engine.status(&user);
    Ok(answer::status(&status, api.engine.resolve(&org), &org, is_active))
}

/// Takes note of a new credential.
///
/// # Errors
///
/// The caller's, of an unknown user or a bad factor, the journal's.
pub async fn report_credential_change(
    api: &Api,
    meta: &Meta,
    request: proto::ReportCredentialChangeRequest,
) -> Result<proto::ReportCredentialChangeResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let user = user_id(&request.user_id)?;
    let factor = factor_of(request.factor)?;
    let Standing { org, .. } = known_user(api, &auth, &user).await?;
    auth.require(AttemptWrite, &org)?;
    let changed = api.engine.credential_changed_by(&auth.actor(), &org, &user, factor).await;
    match changed {
        Ok(details) => Ok(proto::ReportCredentialChangeResponse { position: details.sequence }),
        Err(WriteError::Journal(fault)) => Err(unavailable(fault)),
        Err(WriteError::Refused(refusal)) => Err(elsewhere(refusal)),
    }
}

/// What the caller says of an attempt that was admitted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Success,
    Failure,
    Cancelled,
}

/// Asks the directory, then the engine.
async fn admit(
    api: &Api,
    auth: &Auth,
    org: &OrgId,
    user: &UserId,
    factor: Factor,
) -> Result<Gate, ApiError> {
    use proto::RefusalReason::{Capacity, OrgMismatch, UnknownUser};
    let policy = api.engine.resolve(org).policy;
    let refused = |reason| {
        let open = match reason {
            // Who exists is not told to anybody.
            UnknownUser => PublicAnswer::Denied,
            _ => PublicAnswer::TryAgain,
        };
        let public = hidden_unless_shown(open, &policy);
        Ok(Gate::Shut(answer::refused(reason), public))
    };
    match api.directory.standing(user).await.map_err(unavailable)? {
        None if api.settings.register_on_attempt => register(api, auth, org, user).await?,
        None => return refused(UnknownUser),
        Some(Standing { org: of, .. }) if of != *org => return refused(OrgMismatch),
        Some(Standing { is_active: false, .. }) => {
            let public = hidden_unless_shown(PublicAnswer::Locked, &policy);
            return Ok(Gate::Shut(answer::inactive(), public));
        }
        Some(_) => {}
    }
    let admission = api.engine.begin_owned(org, user, factor);
    let public = admission.public(&policy);
    Ok(match admission {
        Admission::Admitted(attempt) => Gate::Admitted(attempt),
        Admission::Locked(lock) => Gate::Shut(answer::locked(&lock), public),
        Admission::Busy => Gate::Shut(answer::busy(), public),
        Admission::Refused(portcullis::Refusal::OrgMismatch) => return refused(OrgMismatch),
        Admission::Refused(portcullis::Refusal::Capacity) => return refused(Capacity),
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

/// The standing of a user; only who may ask about users of the organization at hand is told that there
/// is none.
async fn known_user(api: &Api, auth: &Auth, user: &UserId) -> Result<Standing, ApiError> {
    if let Some(standing) = api.directory.standing(user).await.map_err(unavailable)? {
        return Ok(standing);
    }
    auth.require_any(&[UserRead, AttemptWrite], &auth.org)?;
    Err(ApiError::plain(Code::NotFound, "User could not be found"))
}

/// Where an attempt comes from: as a login service tells it, else where the request came from.
fn info(
    auth: &Auth,
    meta: &Meta,
    org: &OrgId,
    client: Option<proto::Client>,
) -> Result<AttemptInfo, ApiError> {
    const LONGEST: usize = 1_000;
    let filled = |text: String| (!text.is_empty()).then_some(text);
    if !auth.may(ClientWrite, org) {
        let user_agent = meta.user_agent.clone();
        return Ok(AttemptInfo { remote_ip: meta.client, user_agent, ..AttemptInfo::default() });
    }
    let proto::Client { address, user_agent, accept_language } = client.unwrap_or_default();
    let remote_ip = filled(address).map(|address| address.parse()).transpose();
    let remote_ip =
        remote_ip.map_err(|_| invalid("Client.Address", "this is no IPv4 or IPv6 address"))?;
    for (field, text) in [("UserAgent", &user_agent), ("AcceptLanguage", &accept_language)] {
        if text.chars().count() > LONGEST {
            return Err(invalid(&format!("Client.{field}"), "it has more than 1000 characters"));
        }
    }
    let (user_agent, accept_language) = (filled(user_agent), filled(accept_language));
    Ok(AttemptInfo { remote_ip, user_agent, accept_language, request_id: None })
}

fn hidden_unless_shown(open: PublicAnswer, policy: &LockoutPolicy) -> PublicAnswer {
    if policy.show_lockout_failures { open } else { PublicAnswer::Denied }
}

/// The engine counts the user for another organization than the directory has it in.
fn elsewhere(refusal: LockError) -> ApiError {
    ApiError::plain(Code::FailedPrecondition, refusal.to_string())
}

pub(super) fn org_id(text: &str) -> Result<OrgId, ApiError> {
    OrgId::try_from(text).map_err(|error| invalid("OrgId", error))
}

pub(super) fn user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::try_from(text).map_err(|error| invalid("UserId", error))
}

pub(super) fn invalid(field: &str, why: impl Display) -> ApiError {
    ApiError::plain(Code::InvalidArgument, format!("invalid {field}: {why}"))
}
