//! Organizations and users come and go.

use portcullis::UserId;

use super::attempts::{invalid, org_id, user_id};
use super::auth::{Auth, unavailable};
use super::error::{ApiError, Code};
use super::roles::Permission::{OrgWrite, UserRegister, UserWrite};
use super::{Api, Meta};
use crate::directory::{DirectoryError, Outcome, UserKind};
use crate::proto::portcullis::v1 as proto;

/// Adds an organization; one that is there with the same name is no error.
///
/// # Errors
///
/// The caller's, the directory's, the journal's.
pub async fn register_org(
    api: &Api,
    meta: &Meta,
    request: proto::RegisterOrgRequest,
) -> Result<proto::RegisterOrgResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    auth.require_everywhere(OrgWrite)?;
    let org = org_id(&request.org_id)?;
    let name = or_id(&request.name, &org);
    let outcome = api.directory.register_org(&auth.actor(), &org, name).await;
    let created = Some(outcome.map_err(refusal)? == Outcome::Changed);
    Ok(proto::RegisterOrgResponse { created })
}

/// Removes an organization with its users, all that was counted of them, and its override.
///
/// # Errors
///
/// The caller's, of the caller's own organization, the directory's, the journal's.
pub async fn remove_org(
    api: &Api,
    meta: &Meta,
    request: proto::RemoveOrgRequest,
) -> Result<proto::RemoveOrgResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    auth.require_everywhere(OrgWrite)?;
    let org = org_id(&request.org_id)?;
    if org == auth.caller.org {
        return Err(own("organization"));
    }
    api.directory.remove_org(&auth.actor(), &org).await.map_err(refusal)?;
    Ok(proto::RemoveOrgResponse {})
}

/// Adds a user; one who is there with the same values is no error.
///
/// # Errors
///
/// The caller's, the directory's, the journal's.
pub async fn register_user(
    api: &Api,
    meta: &Meta,
    request: proto::RegisterUserRequest,
) -> Result<proto::RegisterUserResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let (org, user) = (org_id(&request.org_id)?, user_id(&request.user_id)?);
    auth.require(UserRegister, &org)?;
    let kind = match (request.human, request.machine) {
        (Some(_), Some(_)) => return Err(invalid("Human", "a user is a human or a machine")),
        (None, Some(proto::Machine { name, description })) => {
            UserKind::Machine { name, description }
        }
        (human, None) => {
            let proto::Human { first_name, last_name, email } = human.unwrap_or_default();
            UserKind::Human { first_name, last_name, email }
        }
    };
    let user_name = or_id(&request.user_name, &user);
    let outcome = api.directory.register_user(&auth.actor(), &org, &user, user_name, kind).await;
    // Whoever may not see other organizations is not told which one has the user.
    let told = |error: DirectoryError| match error {
        DirectoryError::OtherOrg { ref org, .. } if !auth.may(UserRegister, org) => {
            let text = "the user is there already, of another organization";
            ApiError::plain(Code::AlreadyExists, text)
        }
        error => refusal(error),
    };
    let created = Some(outcome.map_err(told)? == Outcome::Changed);
    Ok(proto::RegisterUserResponse { created })
}

/// Removes a user and all that was counted of that user.
///
/// # Errors
///
/// The caller's, of the caller itself, the directory's, the journal's.
pub async fn remove_user(
    api: &Api,
    meta: &Meta,
    request: proto::RemoveUserRequest,
) -> Result<proto::RemoveUserResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let user = user_id(&request.user_id)?;
    may_remove(api, &auth, &user).await?;
    if user == auth.caller.user {
        return Err(own("user"));
    }
    api.directory.remove_user(&auth.actor(), &user).await.map_err(refusal)?;
    Ok(proto::RemoveUserResponse {})
}

async fn may_remove(api: &Api, auth: &Auth, user: &UserId) -> Result<(), ApiError> {
    if let Some(standing) = api.directory.standing(user).await.map_err(unavailable)? {
        return auth.require(UserWrite, &standing.org);
    }
    auth.require(UserWrite, &auth.org)?;
    Err(refusal(DirectoryError::NoSuchUser(user.clone())))
}

fn or_id<'t>(text: &'t str, id: &'t str) -> &'t str {
    if text.is_empty() { id } else { text }
}

/// Nobody may saw off the branch: the last one who may call could be gone.
fn own(what: &str) -> ApiError {
    let text = format!("a caller cannot remove its own {what}");
    ApiError::plain(Code::FailedPrecondition, text)
}

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn refusal(error: DirectoryError) -> ApiError {
    let code = match &error {
        DirectoryError::Journal(fault) => return unavailable(fault.clone()),
        DirectoryError::NoSuchOrg(_)
        | DirectoryError::NoSuchUser(_)
        | DirectoryError::NoSuchToken(_) => Code::NotFound,
        DirectoryError::OrgDiffers { .. }
        | DirectoryError::OtherOrg { .. }
        | DirectoryError::UserDiffers { .. }
        | DirectoryError::UserNameTaken { .. } => Code::AlreadyExists,
        DirectoryError::BadText { .. }
        | DirectoryError::RoleOfInstance(_)
        | DirectoryError::RoleOfOrg(_) => Code::InvalidArgument,
        DirectoryError::ReadOnly => Code::Unimplemented,
    };
    ApiError::plain(code, error.to_string())
}
