//! Why the directory was not changed.

use portcullis::journal::JournalError;
use portcullis::{OrgId, UserId};

use crate::api::roles::Role;

/// Why the directory was not changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DirectoryError {
    /// An organization with this id has another name.
    #[error("the organization {org} is there already with the name {name:?}")]
    OrgDiffers {
        /// The id.
        org: OrgId,
        /// The name that it has.
        name: String,
    },
    /// There is no such organization.
    #[error("there is no organization {0}")]
    NoSuchOrg(OrgId),
    /// There is no such user.
    #[error("there is no user {0}")]
    NoSuchUser(UserId),
    /// A user with this id is of another organization.
    #[error("the user {user} is there already, of the organization {org}")]
    OtherOrg {
        /// The id.
        user: UserId,
        /// The organization that the user is of.
        org: OrgId,
    },
    /// A user with this id is there with other values.
    #[error("the user {user} is there already with {what}")]
    UserDiffers {
        /// The id.
        user: UserId,
        /// What is different, as it is in the directory.
        what: String,
    },
    /// Another user of the organization has this user name.
    #[error("the user name {user_name:?} is taken in the organization {org} by {user}")]
    UserNameTaken {
        /// The user name.
        user_name: String,
        /// The organization.
        org: OrgId,
        /// Who has it.
        user: UserId,
    },
    /// A text is not as it must be.
    #[error("{what} {rule}")]
    BadText {
        /// Which text.
        what: &'static str,
        /// What it has to be.
        rule: &'static str,
    },
    /// A role of the instance was to be given on an organization, or the other way round.
    #[error("{0} is a role of the instance, not of an organization")]
    RoleOfInstance(Role),
    /// A role of an organization was to be given without one.
    #[error("{0} is a role of an organization, not of the instance")]
    RoleOfOrg(Role),
    /// There is no such token.
    #[error("there is no token {0:?}")]
    NoSuchToken(String),
    /// The directory is filled in another way than by this API.
    #[error("this directory is not changed by this API")]
    ReadOnly,
    /// The journal's fault.
    #[error(transparent)]
    Journal(#[from] JournalError),
}
