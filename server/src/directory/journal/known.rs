//! A copy in memory of what every request asks for: organizations, tokens, and their owners' roles.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use portcullis::journal::JournalError;
use portcullis::{OrgId, UserId};

use super::project::INSTANCE;
use super::rows::time;
use super::secret::{Hash, from_hex, is_of};
use super::tables::Sql;
use crate::api::roles::Role;
use crate::callers::{Caller, Membership};

/// The copy.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// Goes up with each change that is taken over.
    pub(super) changes: u64,
    pub(super) orgs: HashSet<OrgId>,
    tokens: HashMap<String, Token>,
    /// Those who have a token.
    owners: HashMap<UserId, Owner>,
}

#[derive(Debug)]
struct Token {
    user: UserId,
    hash: Hash,
    expires: Option<SystemTime>,
    created: SystemTime,
}

#[derive(Debug)]
struct Owner {
    org: OrgId,
    is_active: bool,
    memberships: Vec<Membership>,
    tokens: Vec<String>,
}

/// A token, as much of it as may be shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenInfo {
    /// The id, the part of its text before the point.
    pub id: String,
    /// Its user.
    pub user: UserId,
    /// The user's organization.
    pub org: OrgId,
    /// What the user may do, and where.
    pub memberships: Vec<Membership>,
    /// When it was made.
    pub created_at: SystemTime,
    /// When it expires, if it does.
    pub expires_at: Option<SystemTime>,
}

/// What the tables say of a user that the copy is to have: nothing of who has no token.
#[derive(Debug)]
pub(super) struct Found(Option<(Owner, Vec<(String, Token)>)>);

impl Found {
    pub(super) fn of(user: &UserId, from: &dyn Sql) -> Result<Self, JournalError> {
        let tokens = from.query(
            "SELECT id, hash, expires, created FROM directory_token WHERE \"user\" = ?1",
            &[user.as_str().into()],
        )?;
        if tokens.is_empty() {
            return Ok(Self(None));
        }
        let owner = from.query(
            "SELECT org, is_active FROM directory_user WHERE id = ?1",
            &[user.as_str().into()],
        )?;
        let Some(owner) = owner.first() else { return Ok(Self(None)) };
        let mut list = Vec::with_capacity(tokens.len());
        for row in &tokens {
            let hash = from_hex(&row.text(1)?).unwrap_or_default();
            let (expires, created) = (row.number_if_any(2)?.map(time), time(row.number(3)?));
            list.push((row.text(0)?, Token { user: user.clone(), hash, expires, created }));
        }
        let owner = Owner {
            org: owner.id(0)?,
            is_active: owner.flag(1)?,
            memberships: memberships(from, user)?,
            tokens: list.iter().map(|(id, _)| id.clone()).collect(),
        };
        Ok(Self(Some((owner, list))))
    }
}

impl Known {
    /// Reads all of it.
    pub(super) fn of(from: &dyn Sql) -> Result<Self, JournalError> {
        let mut known = Self::default();
        for row in from.query("SELECT id FROM directory_org", &[])? {
            known.orgs.insert(row.id(0)?);
        }
        for row in from.query("SELECT DISTINCT \"user\" FROM directory_token", &[])? {
            let owner = row.id(0)?;
            let found = Found::of(&owner, from)?;
            known.put(owner, found);
        }
        Ok(known)
    }

    /// Has what was found of a user in the place of what there was.
    pub(super) fn put(&mut self, user: UserId, found: Found) {
        if let Some(owner) = self.owners.remove(&user) {
            for token in owner.tokens {
                self.tokens.remove(&token);
            }
        }
        if let Found(Some((owner, tokens))) = found {
            self.owners.insert(user, owner);
            self.tokens.extend(tokens);
        }
    }

    /// Whose token it is, if it holds at that time.
    pub(super) fn caller(&self, id: &str, secret: &str, now: SystemTime) -> Option<Caller> {
        let token = self.tokens.get(id);
        // A secret is hashed also where there is nothing to compare it with.
        let is_right = is_of(secret, &token.map(|token| token.hash).unwrap_or_default());
        let token = token.filter(|token| is_right && token.expires.is_none_or(|end| now < end))?;
        let owner = self.owners.get(&token.user).filter(|owner| owner.is_active)?;
        Some(Caller {
            user: token.user.clone(),
            org: owner.org.clone(),
            memberships: owner.memberships.clone(),
        })
    }

    /// All tokens, or those of a user, oldest first.
    pub(super) fn list(&self, of: Option<&UserId>) -> Vec<TokenInfo> {
        let shown = self.tokens.iter().filter(|(_, it)| of.is_none_or(|user| it.user == *user));
        let mut list: Vec<_> = shown.filter_map(|(id, token)| self.info(id, token)).collect();
        list.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        list
    }

    /// A token by its id.
    pub(super) fn token(&self, id: &str) -> Option<TokenInfo> {
        self.tokens.get(id).and_then(|token| self.info(id, token))
    }

    pub(super) fn has_tokens(&self) -> bool {
        !self.tokens.is_empty()
    }

    fn info(&self, id: &str, token: &Token) -> Option<TokenInfo> {
        let owner = self.owners.get(&token.user)?;
        Some(TokenInfo {
            id: String::from(id),
            user: token.user.clone(),
            org: owner.org.clone(),
            memberships: owner.memberships.clone(),
            created_at: token.created,
            expires_at: token.expires,
        })
    }
}

/// A user's roles. One that this version does not know permits nothing.
pub(super) fn memberships(from: &dyn Sql, user: &UserId) -> Result<Vec<Membership>, JournalError> {
    let rows = from.query(
        "SELECT org, role FROM directory_member WHERE \"user\" = ?1 ORDER BY org, role",
        &[user.as_str().into()],
    )?;
    let mut memberships = Vec::with_capacity(rows.len());
    for row in rows {
        let org = if row.text(0)? == INSTANCE { None } else { Some(row.id(0)?) };
        if let Ok(role) = row.text(1)?.parse::<Role>() {
            memberships.push(Membership { role, org });
        }
    }
    Ok(memberships)
}
