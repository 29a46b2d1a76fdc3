//! Who calls, about which organization, and whether that is permitted: in this order, so that nobody is
//! told of what comes later.

use std::sync::atomic::Ordering;

use portcullis::journal::JournalError;
use portcullis::{Actor, OrgId};

use super::error::{ApiError, Code};
use super::roles::Permission;
use super::{Api, Meta};
use crate::callers::{Caller, CallerError};
use crate::limits::Limit;

/// A caller whose token is good, and the organization that the request is about.
#[derive(Clone, Debug)]
pub(crate) struct Auth {
    pub(crate) caller: Caller,
    pub(crate) org: OrgId,
}

impl Api {
    /// Knows the caller; what a call about a user needs is checked on that user's organization.
    pub(crate) async fn authenticate(&self, meta: &Meta) -> Result<Auth, ApiError> {
        let token = bearer(&meta.authorization)?;
        let invalid = || ApiError::new(Code::Unauthenticated, "AUTH-7fs1e", "Errors.Token.Invalid");
        let caller = self.callers.caller(token).await.map_err(|error| {
            meta.is_excused.store(true, Ordering::Relaxed);
            nobody_knows(error)
        })?;
        let caller = caller.ok_or_else(invalid)?;
        if self.engine.is_locked(&caller.user) {
            return Err(invalid());
        }
        meta.is_excused.store(true, Ordering::Relaxed);
        self.rates.call(&caller.user).map_err(|wait| {
            Limit::CallerRate.refused();
            ApiError::too_often(wait)
        })?;
        let org = match meta.org.as_deref() {
            None | Some("") => caller.org.clone(),
            Some(org) => self.existing_org(org).await?,
        };
        Ok(Auth { caller, org })
    }

    /// Knows the caller, who must have a permission for the organization that the request is about.
    pub(crate) async fn authorize(
        &self,
        meta: &Meta,
        permission: Permission,
    ) -> Result<Auth, ApiError> {
        let auth = self.authenticate(meta).await?;
        if auth.may(permission, &auth.org) {
            return Ok(auth);
        }
        let is_member = |org: &Option<OrgId>| org.as_ref().is_none_or(|org| *org == auth.org);
        if auth.caller.memberships.iter().any(|membership| is_member(&membership.org)) {
            return Err(denied("AUTH-5mWD2"));
        }
        Err(ApiError::new(Code::NotFound, "AUTHZ-cdgFk", "membership not found"))
    }

    async fn existing_org(&self, org: &str) -> Result<OrgId, ApiError> {
        let missing =
            || ApiError::new(Code::PermissionDenied, "AUTH-Bs7Ds", "Organisation doesn't exist");
        let org = OrgId::try_from(org).map_err(|_| missing())?;
        let exists = self.directory.has_org(&org).await.map_err(unavailable)?;
        if exists { Ok(org) } else { Err(missing()) }
    }
}

impl Auth {
    /// Whether the caller has a permission for an organization: a role there, or on the instance.
    pub(crate) fn may(&self, permission: Permission, org: &OrgId) -> bool {
        self.caller.memberships.iter().any(|membership| {
            membership.role.permits(permission)
                && membership.org.as_ref().is_none_or(|of| of == org)
        })
    }

    /// Whether the caller has a permission for every organization, and for the instance.
    pub(crate) fn may_everywhere(&self, permission: Permission) -> bool {
        let mut memberships = self.caller.memberships.iter();
        memberships.any(|it| it.org.is_none() && it.role.permits(permission))
    }

    /// A permission for whatever a call may turn out to be about, anywhere.
    pub(crate) fn require_somewhere(&self, permission: Permission) -> Result<(), ApiError> {
        let mut memberships = self.caller.memberships.iter();
        let has = memberships.any(|membership| membership.role.permits(permission));
        if has { Ok(()) } else { Err(denied("AUTH-AWfge")) }
    }

    /// One of several permissions for an organization.
    pub(crate) fn require_any(
        &self,
        permissions: &[Permission],
        org: &OrgId,
    ) -> Result<(), ApiError> {
        let has = permissions.iter().any(|permission| self.may(*permission, org));
        if has { Ok(()) } else { Err(denied("AUTH-AWfge")) }
    }

    /// A permission for the instance.
    pub(crate) fn require_everywhere(&self, permission: Permission) -> Result<(), ApiError> {
        if self.may_everywhere(permission) { Ok(()) } else { Err(denied("AUTH-AWfge")) }
    }

    /// The permission that a call needs for the organization of the user whom it is about.
    pub(crate) fn require(&self, permission: Permission, org: &OrgId) -> Result<(), ApiError> {
        if self.may(permission, org) { Ok(()) } else { Err(denied("AUTH-AWfge")) }
    }

    /// Whom the trail names.
    pub(crate) fn actor(&self) -> Actor {
        Actor::from(&self.caller.user)
    }
}

/// The token of the one header that brings one.
fn bearer(headers: &[String]) -> Result<&str, ApiError> {
    let header = match headers {
        [] => return Err(ApiError::plain(Code::Unauthenticated, "auth header missing")),
        [header] => header,
        _ => return Err(bad_header()),
    };
    match header.strip_prefix("Bearer ") {
        Some(token) if !token.is_empty() && !token.contains("Bearer ") => Ok(token),
        _ => Err(bad_header()),
    }
}

fn bad_header() -> ApiError {
    ApiError::new(Code::Unauthenticated, "AUTH-toLo1", "invalid auth header")
}

fn denied(id: &'static str) -> ApiError {
    ApiError::new(Code::PermissionDenied, id, "No matching permissions found")
}

/// Whose token it is cannot be told now: neither yes nor no, so that the client tries again.
fn nobody_knows(error: CallerError) -> ApiError {
    match error {
        CallerError::Journal(error) => unavailable(error),
        CallerError::IssuerAway => ApiError::plain(Code::Unavailable, error.to_string()),
    }
}

/// A journal that cannot answer: nothing was changed, and the cause is the operator's to read.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
pub(crate) fn unavailable(error: JournalError) -> ApiError {
    if matches!(error, JournalError::Overloaded { .. }) {
        Limit::Journal.refused();
    }
    match error {
        JournalError::Unavailable(_) | JournalError::Overloaded { .. } | JournalError::Closed => {
            ApiError::plain(Code::Unavailable, "the journal is unavailable, try again later")
        }
        _ => ApiError::plain(Code::Internal, "An internal error occurred"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_header_with_one_token() {
        let id = |headers: &[&str]| {
            let headers: Vec<_> = headers.iter().map(|header| (*header).to_owned()).collect();
            bearer(&headers).map(str::to_owned).map_err(|error| error.to_string())
        };
        assert_eq!(id(&["Bearer abc"]), Ok(String::from("abc")));
        assert_eq!(id(&[]), Err(String::from("auth header missing")));
        for bad in [
            &["abc"][..],
            &[""],
            &["Bearer "],
            &["bearer abc"],
            &["Basic abc"],
            &[" Bearer abc"],
            &["Bearer Bearer abc"],
            &["Bearer abc", "Bearer abc"],
        ] {
            assert_eq!(id(bad), Err(String::from("invalid auth header (AUTH-toLo1)")), "{bad:?}");
        }
    }
}
