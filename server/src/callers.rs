//! Callers: whose token a request brings, and what that user may do.
//!
//! The directory knows its own tokens; [`oidc`](crate::oidc) puts those of an issuer beside them.

use portcullis::journal::{BoxFuture, JournalError};
use portcullis::{OrgId, UserId};

use crate::api::roles::Role;

/// Knows callers by their tokens.
pub trait Callers: Send + Sync + 'static {
    /// The caller of a token; `None` for one that is unknown, expired or revoked, or whose user is
    /// inactive or removed. Locks are the engine's to tell.
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Caller>, CallerError>>;
}

/// Why nobody can tell now whose token it is. The call is refused, and may be tried again.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallerError {
    /// The journal cannot answer.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The keys that the token could be checked with are not at hand, or too old.
    #[error("the keys of the token's issuer cannot be had, try again later")]
    IssuerAway,
}

/// Who calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The user.
    pub user: UserId,
    /// The user's own organization.
    pub org: OrgId,
    /// The user's roles.
    pub memberships: Vec<Membership>,
}

/// A role, and where it holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Membership {
    /// The role.
    pub role: Role,
    /// The organization; `None` for the instance, and so for every organization.
    pub org: Option<OrgId>,
}
