//! Who may do what: memberships and tokens.

use std::pin::pin;
use std::time::SystemTime;

use futures_util::StreamExt;
use jiff::Timestamp;
use portcullis::journal::{JournalError, Position};
use portcullis::{Actor, Details, OrgId, UserId};

use super::events::{Change, Fact, Step};
use super::known::memberships;
use super::secret::{new_id, new_token};
use super::{JournalDirectory, TokenInfo, TokenText};
use crate::api::roles::Role;
use crate::callers::Membership;
use crate::directory::{Directory, DirectoryError, Outcome, User, UserKind};

/// A token that was just made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// The id, the part of its text before the point.
    pub id: String,
    /// Its text. It is kept nowhere.
    pub text: TokenText,
}

impl JournalDirectory {
    /// Adds a human. As [`JournalDirectory::add_user`].
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn add_human(
        &self,
        actor: &Actor,
        (org, user): (&OrgId, &UserId),
        user_name: &str,
        (first_name, last_name): (&str, &str),
        email: &str,
    ) -> Result<Outcome, DirectoryError> {
        let kind = UserKind::Human {
            first_name: String::from(first_name),
            last_name: String::from(last_name),
            email: String::from(email),
        };
        self.add_user(actor, org, user, user_name, kind).await
    }

    /// Adds a machine. As [`JournalDirectory::add_user`].
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn add_machine(
        &self,
        actor: &Actor,
        (org, user): (&OrgId, &UserId),
        user_name: &str,
        name: &str,
        description: &str,
    ) -> Result<Outcome, DirectoryError> {
        let (name, description) = (String::from(name), String::from(description));
        self.add_user(actor, org, user, user_name, UserKind::Machine { name, description }).await
    }

    /// Gives a user a role: one of the instance without an organization, any other on one. A role
    /// that the user has is no error.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn add_member(
        &self,
        actor: &Actor,
        user: &UserId,
        role: Role,
        org: Option<&OrgId>,
    ) -> Result<Outcome, DirectoryError> {
        let _turn = self.0.changing.lock().await;
        match org {
            None if !role.is_of_instance() => return Err(DirectoryError::RoleOfOrg(role)),
            Some(_) if role.is_of_instance() => return Err(DirectoryError::RoleOfInstance(role)),
            Some(org) if !self.has_org(org).await? => {
                return Err(DirectoryError::NoSuchOrg(org.clone()));
            }
            _ => {}
        }
        self.existing(user).await?;
        let has = {
            let user = user.clone();
            self.read(move |from| memberships(from, &user)).await?
        };
        if has.contains(&Membership { role, org: org.cloned() }) {
            return Ok(Outcome::Unchanged);
        }
        let (org, user, roles) = (org.cloned(), user.clone(), vec![String::from(role.name())]);
        self.record(actor, Fact::MemberAdded { org, user, roles }).await?;
        Ok(Outcome::Changed)
    }

    /// Makes a token for a user. Its text is told here and never again.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn add_token(
        &self,
        actor: &Actor,
        user: &UserId,
        expires: Option<SystemTime>,
    ) -> Result<NewToken, DirectoryError> {
        let _turn = self.0.changing.lock().await;
        let User { org, .. } = self.existing(user).await?;
        if expires.is_some_and(|at| Timestamp::try_from(at).is_err()) {
            let (what, rule) = ("the time of expiry", "is too far off to be written");
            return Err(DirectoryError::BadText { what, rule });
        }
        let id = self.unused_id().await?;
        let (text, hash) = new_token(&id)?;
        let (user, token) = (user.clone(), id.clone());
        self.record(actor, Fact::TokenAdded { org, user, token, hash, expires }).await?;
        Ok(NewToken { id, text })
    }

    /// Revokes a token.
    ///
    /// # Errors
    ///
    /// [`DirectoryError`].
    pub async fn revoke_token(&self, actor: &Actor, id: &str) -> Result<Details, DirectoryError> {
        let _turn = self.0.changing.lock().await;
        self.catch_up().await?;
        let found = self.known().token(id);
        let Some(TokenInfo { id: token, user, org, .. }) = found else {
            return Err(DirectoryError::NoSuchToken(String::from(id)));
        };
        Ok(self.record(actor, Fact::TokenRemoved { org, user, token }).await?)
    }

    /// All tokens, or those of a user, oldest first; also those that have expired.
    ///
    /// # Errors
    ///
    /// The journal's.
    pub async fn list_tokens(
        &self,
        user: Option<&UserId>,
    ) -> Result<Vec<TokenInfo>, DirectoryError> {
        self.catch_up().await?;
        Ok(self.known().list(user))
    }

    /// Whether there is any token.
    ///
    /// # Errors
    ///
    /// The journal's.
    pub async fn has_tokens(&self) -> Result<bool, DirectoryError> {
        self.catch_up().await?;
        Ok(self.known().has_tokens())
    }

    /// The id of the first token that was added after a position, if one was up to now.
    pub(in crate::directory) async fn first_token_after(
        &self,
        after: Position,
    ) -> Result<Option<String>, DirectoryError> {
        let (mut position, end) = (after, self.engine().health().position);
        let mut events = pin!(self.engine().events_after(after));
        while position < end {
            let recorded = events.next().await.unwrap_or(Err(JournalError::Closed))?;
            position = recorded.position;
            if let Ok(Some(Step { change: Change::Fact(Fact::TokenAdded { token, .. }), .. })) =
                Step::of(&recorded)
            {
                return Ok(Some(token));
            }
        }
        Ok(None)
    }

    /// A new id, that neither an organization, nor a user, nor a token has: 18 digits, as ZITADEL's.
    ///
    /// # Errors
    ///
    /// The journal's, or the system's if it gives no random bytes.
    pub async fn unused_id(&self) -> Result<String, DirectoryError> {
        self.catch_up().await?;
        loop {
            let id = new_id()?;
            let of_user = match UserId::try_from(id.as_str()) {
                Ok(user) => self.user(&user).await?.is_some(),
                Err(_) => true,
            };
            let known = self.known();
            if !of_user && !known.orgs.contains(id.as_str()) && known.token(&id).is_none() {
                return Ok(id);
            }
        }
    }

    pub(super) async fn existing(&self, user: &UserId) -> Result<User, DirectoryError> {
        let found = self.user(user).await?;
        found.ok_or_else(|| DirectoryError::NoSuchUser(user.clone()))
    }
}
