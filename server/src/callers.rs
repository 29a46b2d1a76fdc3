//! Callers: whose token a request brings, and what that user may do.

use portcullis::journal::{BoxFuture, JournalError};
use portcullis::{OrgId, UserId};

use crate::api::roles::Role;

/// Knows callers by their tokens.
pub trait Callers: Send + Sync + 'static {
    /// The caller of a token; `None` for one that is unknown, expired or revoked, or whose user is
    /// inactive or removed. Locks are the engine's to tell.
    fn caller<'a>(&'a self, token: &'a str) -> BoxFuture<'a, Result<Option<Caller>, JournalError>>;
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
