//! Lockout policies: the instance's and the overrides.

use std::time::SystemTime;

use portcullis::{Details, LockoutPolicy, OrgId, Origin, PolicyError, Resolved, WriteError};
use prost_types::Timestamp;

use super::auth::unavailable;
use super::error::{ApiError, Code};
use super::roles::Permission::{
    IamPolicyRead, IamPolicyWrite, PolicyDelete, PolicyRead, PolicyWrite,
};
use super::{Api, Meta};
use crate::proto::zitadel::management::v1::{
    AddCustomLockoutPolicyRequest, AddCustomLockoutPolicyResponse, GetDefaultLockoutPolicyRequest,
    GetDefaultLockoutPolicyResponse, GetLockoutPolicyRequest, GetLockoutPolicyResponse,
    ResetLockoutPolicyToDefaultRequest, ResetLockoutPolicyToDefaultResponse,
    UpdateCustomLockoutPolicyRequest, UpdateCustomLockoutPolicyResponse,
};
use crate::proto::zitadel::object::v2::Details as DetailsV2;
use crate::proto::zitadel::object::v2::request_context::ResourceOwner;
use crate::proto::zitadel::settings::v2::{
    GetLockoutSettingsRequest, GetLockoutSettingsResponse, LockoutSettings, ResourceOwnerType,
};
use crate::proto::zitadel::v1::ObjectDetails;
use crate::proto::zitadel::{admin, policy};

/// The policy in force for the organization.
///
/// # Errors
///
/// The caller's, of [`super::auth`]'s rules.
pub async fn get_lockout_policy(
    api: &Api,
    meta: &Meta,
    _request: GetLockoutPolicyRequest,
) -> Result<GetLockoutPolicyResponse, ApiError> {
    let auth = api.authorize(meta, PolicyRead).await?;
    let (resolved, details) = api.engine.policy(&auth.org);
    Ok(GetLockoutPolicyResponse {
        policy: Some(policy_message(resolved, details)),
        is_default: resolved.is_default(),
    })
}

/// The instance's policy.
///
/// # Errors
///
/// The caller's.
pub async fn get_default_lockout_policy(
    api: &Api,
    meta: &Meta,
    _request: GetDefaultLockoutPolicyRequest,
) -> Result<GetDefaultLockoutPolicyResponse, ApiError> {
    api.authorize(meta, PolicyRead).await?;
    Ok(GetDefaultLockoutPolicyResponse { policy: Some(default_policy(api)) })
}

/// Adds an override.
///
/// # Errors
///
/// The caller's, `ORG-0olDf` where there is one, the journal's.
pub async fn add_custom_lockout_policy(
    api: &Api,
    meta: &Meta,
    request: AddCustomLockoutPolicyRequest,
) -> Result<AddCustomLockoutPolicyResponse, ApiError> {
    let auth = api.authorize(meta, PolicyWrite).await?;
    let AddCustomLockoutPolicyRequest { max_password_attempts, max_otp_attempts } = request;
    let policy = LockoutPolicy::new(max_password_attempts, max_otp_attempts);
    let added = api.engine.add_override_by(&auth.actor(), &auth.org, policy).await;
    let Details { sequence, created_at, resource_owner, .. } =
        added.map_err(of_org("ORG-ADfs1"))?;
    Ok(AddCustomLockoutPolicyResponse {
        details: Some(ObjectDetails {
            sequence,
            creation_date: Some(timestamp(created_at)),
            change_date: None,
            resource_owner,
        }),
    })
}

/// Replaces both limits of an override; the flag that no field has stays as it is.
///
/// # Errors
///
/// The caller's, `ORG-ADfs1` where there is none, `ORG-0JFSr` where nothing would change, the
/// journal's.
pub async fn update_custom_lockout_policy(
    api: &Api,
    meta: &Meta,
    request: UpdateCustomLockoutPolicyRequest,
) -> Result<UpdateCustomLockoutPolicyResponse, ApiError> {
    let auth = api.authorize(meta, PolicyWrite).await?;
    let UpdateCustomLockoutPolicyRequest { max_password_attempts, max_otp_attempts } = request;
    let policy = LockoutPolicy {
        show_lockout_failures: api.engine.resolve(&auth.org).policy.show_lockout_failures,
        ..LockoutPolicy::new(max_password_attempts, max_otp_attempts)
    };
    let changed = api.engine.change_override_by(&auth.actor(), &auth.org, policy).await;
    let details = changed.map_err(of_org("ORG-ADfs1"))?;
    Ok(UpdateCustomLockoutPolicyResponse { details: Some(change_details(details)) })
}

/// Deletes an override: the instance's policy is in force from now on.
///
/// # Errors
///
/// The caller's, `ORG-D4zuz` where there is none, the journal's.
pub async fn reset_lockout_policy_to_default(
    api: &Api,
    meta: &Meta,
    _request: ResetLockoutPolicyToDefaultRequest,
) -> Result<ResetLockoutPolicyToDefaultResponse, ApiError> {
    let auth = api.authorize(meta, PolicyDelete).await?;
    let reset = api.engine.reset_to_default_by(&auth.actor(), &auth.org).await;
    let details = reset.map_err(of_org("ORG-D4zuz"))?;
    Ok(ResetLockoutPolicyToDefaultResponse { details: Some(change_details(details)) })
}

/// The instance's policy, for its administrators.
///
/// # Errors
///
/// The caller's.
pub async fn admin_get_lockout_policy(
    api: &Api,
    meta: &Meta,
    _request: admin::v1::GetLockoutPolicyRequest,
) -> Result<admin::v1::GetLockoutPolicyResponse, ApiError> {
    api.authorize(meta, IamPolicyRead).await?;
    Ok(admin::v1::GetLockoutPolicyResponse { policy: Some(default_policy(api)) })
}

/// Replaces both limits of the instance's policy; the flag that no field has stays as it is.
///
/// # Errors
///
/// The caller's, `INSTANCE-0psjF` where nothing would change, the journal's.
pub async fn admin_update_lockout_policy(
    api: &Api,
    meta: &Meta,
    request: admin::v1::UpdateLockoutPolicyRequest,
) -> Result<admin::v1::UpdateLockoutPolicyResponse, ApiError> {
    let auth = api.authorize(meta, IamPolicyWrite).await?;
    let policy = LockoutPolicy {
        show_lockout_failures: api.engine.instance_policy().0.show_lockout_failures,
        ..LockoutPolicy::new(request.max_password_attempts, request.max_otp_attempts)
    };
    let changed = api.engine.set_instance_policy_by(&auth.actor(), policy).await;
    let details = changed.map_err(|error| match error {
        WriteError::Refused(_) => ApiError::new(
            Code::FailedPrecondition,
            "INSTANCE-0psjF",
            "Errors.Instance.LockoutPolicy.NotChanged",
        ),
        WriteError::Journal(error) => unavailable(error),
    })?;
    Ok(admin::v1::UpdateLockoutPolicyResponse { details: Some(change_details(details)) })
}

/// The policy in force for an organization, or the instance's: as the request's context asks. The
/// permission is looked at for the organization of the header, as ZITADEL does it.
///
/// # Errors
///
/// The caller's, and a context that asks for no instance.
pub async fn get_lockout_settings(
    api: &Api,
    meta: &Meta,
    request: GetLockoutSettingsRequest,
) -> Result<GetLockoutSettingsResponse, ApiError> {
    let auth = api.authorize(meta, PolicyRead).await?;
    let (resolved, details) = match request.ctx.and_then(|context| context.resource_owner) {
        None => api.engine.policy(&auth.org),
        Some(ResourceOwner::Instance(true)) => instance_policy(api),
        Some(ResourceOwner::Instance(false)) => {
            return Err(ApiError::plain(
                Code::InvalidArgument,
                "invalid GetLockoutSettingsRequest.Ctx: embedded message failed validation | caused \
                 by: invalid RequestContext.Instance: value must equal true",
            ));
        }
        // An organization that does not exist has the instance's policy.
        Some(ResourceOwner::OrgId(org)) => match OrgId::try_from(org) {
            Ok(org) => api.engine.policy(&org),
            Err(_) => instance_policy(api),
        },
    };
    let owner = match resolved.origin {
        Origin::InstanceDefault => ResourceOwnerType::Instance,
        Origin::OrgOverride => ResourceOwnerType::Org,
    };
    Ok(GetLockoutSettingsResponse {
        details: Some(DetailsV2 {
            sequence: details.sequence,
            change_date: Some(timestamp(details.changed_at)),
            resource_owner: details.resource_owner,
            creation_date: Some(timestamp(details.created_at)),
        }),
        settings: Some(LockoutSettings {
            max_password_attempts: resolved.policy.max_password_attempts.get().into(),
            resource_owner_type: owner.into(),
            max_otp_attempts: resolved.policy.max_otp_attempts.get().into(),
        }),
    })
}

fn instance_policy(api: &Api) -> (Resolved, Details) {
    let (policy, details) = api.engine.instance_policy();
    (Resolved { policy, origin: Origin::InstanceDefault }, details)
}

fn default_policy(api: &Api) -> policy::v1::LockoutPolicy {
    let (resolved, details) = instance_policy(api);
    policy_message(resolved, details)
}

fn policy_message(resolved: Resolved, details: Details) -> policy::v1::LockoutPolicy {
    let Details { sequence, created_at, changed_at, resource_owner } = details;
    policy::v1::LockoutPolicy {
        details: Some(ObjectDetails {
            sequence,
            creation_date: Some(timestamp(created_at)),
            change_date: Some(timestamp(changed_at)),
            resource_owner,
        }),
        max_password_attempts: resolved.policy.max_password_attempts.get().into(),
        max_otp_attempts: resolved.policy.max_otp_attempts.get().into(),
        is_default: resolved.is_default(),
    }
}

/// What a change answers with.
pub(super) fn change_details(details: Details) -> ObjectDetails {
    ObjectDetails {
        sequence: details.sequence,
        creation_date: None,
        change_date: Some(timestamp(details.changed_at)),
        resource_owner: details.resource_owner,
    }
}

/// A time in microseconds, as ZITADEL keeps them.
pub(crate) fn timestamp(at: SystemTime) -> Timestamp {
    let Timestamp { seconds, nanos } = Timestamp::from(at);
    Timestamp { seconds, nanos: nanos.saturating_sub(nanos.checked_rem(1_000).unwrap_or(0)) }
}

/// The error of a change of an override; `not_found` is the id where there is none.
fn of_org(not_found: &'static str) -> impl FnOnce(WriteError<PolicyError>) -> ApiError {
    move |error| match error {
        WriteError::Refused(PolicyError::AlreadyExists) => ApiError::new(
            Code::AlreadyExists,
            "ORG-0olDf",
            "Errors.ORG.LockoutPolicy.AlreadyExists",
        ),
        WriteError::Refused(PolicyError::NotChanged) => ApiError::new(
            Code::FailedPrecondition,
            "ORG-0JFSr",
            "Errors.Org.LockoutPolicy.NotChanged",
        ),
        WriteError::Refused(PolicyError::NotFound) => {
            ApiError::new(Code::NotFound, not_found, "Errors.Org.LockoutPolicy.NotFound")
        }
        WriteError::Journal(error) => unavailable(error),
    }
}
