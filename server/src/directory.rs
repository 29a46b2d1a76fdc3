//! The directory: which organizations and users exist. The engine knows only whom it counts; to lock
//! or unlock, a user who is unknown must be told from one who is not locked, and the permission is
//! checked on the organization that the user is of.
//!
//! [`JournalDirectory`] is one whose events are in the engine's own journal.

mod error;
mod journal;
mod start;

use std::future::ready;
use std::time::SystemTime;

use portcullis::journal::{BoxFuture, JournalError};
use portcullis::{Actor, Details, OrgId, UserId};

pub use error::DirectoryError;
pub use journal::{
    DryRun, JournalDirectory, NewEntry, NewToken, Tables, TokenInfo, TokenText, WantedState,
};
pub use start::{FirstStart, SecretFile, first_start, write_secret_file};

/// A directory. A service that mounts the API may bring its own.
pub trait Directory: Send + Sync + 'static {
    /// Whether an organization exists.
    fn has_org<'a>(&'a self, org: &'a OrgId) -> BoxFuture<'a, Result<bool, JournalError>>;

    /// A user, locked or not; `None` if there is no such user, or none any more.
    fn user<'a>(&'a self, user: &'a UserId) -> BoxFuture<'a, Result<Option<User>, JournalError>>;

    /// Users in the order of their creation, and how many there are of them in all.
    fn users<'a>(&'a self, query: &'a UserQuery) -> BoxFuture<'a, Result<UserPage, JournalError>>;

    /// What an attempt has to know of a user; `None` as for [`Directory::user`]. It is asked before
    /// each attempt, so a directory that can answers from memory.
    fn standing<'a>(
        &'a self,
        user: &'a UserId,
    ) -> BoxFuture<'a, Result<Option<Standing>, JournalError>> {
        Box::pin(async move {
            let user = self.user(user).await?;
            Ok(user.map(Standing::from))
        })
    }

    /// Deactivates a user who is active, or activates one who is inactive; `None` if the user is not
    /// as is asked for. A lock stays as it is.
    fn set_active<'a>(
        &'a self,
        actor: &'a Actor,
        user: &'a UserId,
        active: bool,
    ) -> BoxFuture<'a, Result<Option<Details>, JournalError>>;

    /// Adds an organization; one that is there with the same name is no error. This and what follows
    /// is [`DirectoryError::ReadOnly`] for a directory that is filled in another way.
    fn register_org<'a>(
        &'a self,
        _actor: &'a Actor,
        _org: &'a OrgId,
        _name: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, DirectoryError>> {
        Box::pin(ready(Err(DirectoryError::ReadOnly)))
    }

    /// Removes an organization with its users, all that was counted of them, and its override.
    fn remove_org<'a>(
        &'a self,
        _actor: &'a Actor,
        _org: &'a OrgId,
    ) -> BoxFuture<'a, Result<(), DirectoryError>> {
        Box::pin(ready(Err(DirectoryError::ReadOnly)))
    }

    /// Adds a user; one who is there with the same values is no error.
    fn register_user<'a>(
        &'a self,
        _actor: &'a Actor,
        _org: &'a OrgId,
        _user: &'a UserId,
        _user_name: &'a str,
        _kind: UserKind,
    ) -> BoxFuture<'a, Result<Outcome, DirectoryError>> {
        Box::pin(ready(Err(DirectoryError::ReadOnly)))
    }

    /// Removes a user and all that was counted of that user.
    fn remove_user<'a>(
        &'a self,
        _actor: &'a Actor,
        _user: &'a UserId,
    ) -> BoxFuture<'a, Result<(), DirectoryError>> {
        Box::pin(ready(Err(DirectoryError::ReadOnly)))
    }
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The directory has changed.
    Changed,
    /// It was so already.
    Unchanged,
}

/// As much of a user as decides who may attempt.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Standing {
    /// The organization.
    pub org: OrgId,
    /// Whether the user is active.
    pub is_active: bool,
    /// Whether the user is a person; programs bring tokens and make no attempts.
    pub is_human: bool,
}

impl From<User> for Standing {
    fn from(User { org, is_active, kind, .. }: User) -> Self {
        Self { org, is_active, is_human: matches!(kind, UserKind::Human { .. }) }
    }
}

/// A user as the directory knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The id.
    pub id: UserId,
    /// The organization.
    pub org: OrgId,
    /// The name to log in with, unique in the organization.
    pub user_name: String,
    /// What kind of user it is.
    pub kind: UserKind,
    /// Whether the user is active; one who is not may be locked as well.
    pub is_active: bool,
    /// Whether the user is locked, as the events up to now tell.
    pub is_locked: bool,
    /// The newest event of the user's that changed any of this, and when the first and it were.
    pub sequence: u64,
    /// When the user was added.
    pub created_at: SystemTime,
    /// When the user was changed last.
    pub changed_at: SystemTime,
}

impl User {
    /// The state to show: a lock goes before inactivity.
    #[must_use]
    pub fn state(&self) -> UserState {
        match (self.is_locked, self.is_active) {
            (true, _) => UserState::Locked,
            (false, true) => UserState::Active,
            (false, false) => UserState::Inactive,
        }
    }
}

/// What kind of user it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum UserKind {
    /// A person.
    Human {
        /// The first name.
        first_name: String,
        /// The last name.
        last_name: String,
        /// The email address.
        email: String,
    },
    /// A program.
    Machine {
        /// What it is called.
        name: String,
        /// What it is for.
        description: String,
    },
}

/// The state of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UserState {
    /// May log in.
    Active,
    /// Deactivated.
    Inactive,
    /// Locked, active or not.
    Locked,
}

/// How a text is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TextMatch {
    /// The same.
    Equals,
    /// The same, but for upper and lower case.
    EqualsIgnoreCase,
    /// Begins so.
    StartsWith,
    /// Begins so, but for case.
    StartsWithIgnoreCase,
    /// Has it in it.
    Contains,
    /// Has it in it, but for case.
    ContainsIgnoreCase,
    /// Ends so.
    EndsWith,
    /// Ends so, but for case.
    EndsWithIgnoreCase,
}

/// A condition on users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserFilter {
    /// In this state.
    State(UserState),
    /// One of these.
    Ids(Vec<String>),
    /// With such a user name.
    UserName(String, TextMatch),
    /// Human (`true`) or machine.
    IsHuman(bool),
    /// Of this organization.
    Org(String),
    /// No user at all: what the directory holds no such thing of.
    Nobody,
    /// All of these.
    And(Vec<UserFilter>),
    /// Any of these.
    Or(Vec<UserFilter>),
    /// Not this.
    Not(Box<UserFilter>),
}

/// Which users, and which part of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserQuery {
    /// Only users of these organizations; `None` for all.
    pub orgs: Option<Vec<OrgId>>,
    /// What all of them meet.
    pub filter: UserFilter,
    /// How many to pass over.
    pub offset: u64,
    /// The most to answer with; 0 for as many as the directory usually gives at once.
    pub limit: u32,
    /// Oldest first, or newest first.
    pub ascending: bool,
    /// In the order of their user names, not of their creation.
    pub by_user_name: bool,
}

/// A part of the users that were asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserPage {
    /// The part.
    pub users: Vec<User>,
    /// How many there are in all.
    pub total: u64,
    /// The position that the directory reflects, and when that was.
    pub position: u64,
    /// The time of that position.
    pub at: SystemTime,
}
