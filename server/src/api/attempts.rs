//! Attempts over the wire: the library's two calls, with an id in the place of its guard.
//!
//! The order of the answers is the library's too, after what the directory says: a user of another
//! organization, an inactive user, an unknown one. Who is asked about is checked before anything is
//! told, and every refusal leaves the same `public_answer` behind where the policy hides failures.

mod answer;
mod gate;
mod id;
mod table;

use std::fmt::Display;
use std::sync::Arc;

use metrics::counter;
use portcullis::durable::Attempt;
use portcullis::{AttemptInfo, LockError, OrgId, PublicAnswer, UserId, Verdict, WriteError};

use super::auth::{Auth, unavailable};
use super::error::{ApiError, Code};
use super::roles::Permission::{AttemptWrite, ClientWrite, UserRead};
use super::{Api, Meta, Settings};
use crate::directory::Standing;
use crate::proto::portcullis::v1 as proto;
use answer::{factor_of, outcome_of};
use gate::{Gate, Stands, admit, hidden_unless_shown, stands};
use id::{AttemptId, Node};
use table::{Attempts, End, Found, Open, Settled};

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
            let end = end(api, attempt, &org, outcome).await?;
            let policy = api.engine.resolve(&org).policy;
            let public = match &end {
                End::Verdict(verdict) => verdict.public(&policy),
                End::Cancelled => hidden_unless_shown(PublicAnswer::TryAgain, &policy),
                End::Inactive => hidden_unless_shown(PublicAnswer::Locked, &policy),
            };
            let settled = Settled { org, end, public };
            turn.end(settled.clone());
            Some(settled)
        }
    };
    let response = answer::settled(settled.as_ref());
    count_verdict(&response);
    Ok(response)
}

fn count_verdict(response: &proto::SettleAttemptResponse) {
    counter!("portcullis_verdicts_total", "verdict" => answer::verdict_name(response)).increment(1);
}

/// Ends an attempt: what the directory says now goes before the engine's verdict, as at its begin.
async fn end(
    api: &Api,
    attempt: Attempt<'static>,
    org: &OrgId,
    outcome: Outcome,
) -> Result<End, ApiError> {
    if outcome == Outcome::Cancelled {
        attempt.cancel();
        return Ok(End::Cancelled);
    }
    match stands(api, org, attempt.user()).await? {
        Stands::Well => {}
        Stands::Inactive => return Ok(End::Inactive),
        Stands::Unknown | Stands::Elsewhere | Stands::Machine => {
            return Ok(End::Verdict(Verdict::Superseded));
        }
    }
    let verdict = match outcome {
        Outcome::Success => attempt.succeed().await,
        Outcome::Failure | Outcome::Cancelled => attempt.fail().await,
    };
    Ok(End::Verdict(verdict.map_err(unavailable)?))
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
    let settled = Settled { org, end: End::Verdict(verdict), public };
    count_verdict(&answer::settled(Some(&settled)));
    Ok(answer::recorded(&settled))
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
    let Standing { org, is_active, .. } = known_user(api, &auth, &user).await?;
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
