//! A copy in memory of what every request asks for: organizations, tokens, and their owners' roles.

use std::collections::{HashMap, HashSet};
use std::time::SystemTime;

use portcullis::{OrgId, UserId};
use rusqlite::{Connection, OptionalExtension};

use super::project::INSTANCE;
use super::rows::{id, time};
use super::secret::{Hash, from_hex, is_of};
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

impl Known {
    /// Reads all of it anew.
    pub(super) fn load(&mut self, from: &Connection) -> rusqlite::Result<()> {
        let mut known = Self { changes: self.changes, ..Self::default() };
        let mut orgs = from.prepare("SELECT id FROM directory_org")?;
        for org in orgs.query_map([], |row| id(row, 0))? {
            known.orgs.insert(org?);
        }
        let mut owners = from.prepare("SELECT DISTINCT user FROM directory_token")?;
        for owner in owners.query_map([], |row| id(row, 0))? {
            known.refresh(from, &owner?)?;
        }
        *self = known;
        Ok(())
    }

    /// Reads what there is of a user again.
    pub(super) fn refresh(&mut self, from: &Connection, user: &UserId) -> rusqlite::Result<()> {
        if let Some(owner) = self.owners.remove(user) {
            for token in owner.tokens {
                self.tokens.remove(&token);
            }
        }
        let mut statement = from.prepare_cached(
            "SELECT id, hash, expires, created FROM directory_token WHERE user = ?1",
        )?;
        let rows = statement.query_map([user.as_str()], |row| {
            let hash = from_hex(&row.get::<_, String>(1)?).unwrap_or_default();
            let expires = row.get::<_, Option<i64>>(2)?.map(time);
            let token = Token { user: user.clone(), hash, expires, created: time(row.get(3)?) };
            Ok((row.get::<_, String>(0)?, token))
        })?;
        let tokens = rows.collect::<rusqlite::Result<Vec<_>>>()?;
        if tokens.is_empty() {
            return Ok(());
        }
        let found = from
            .prepare_cached("SELECT org, is_active FROM directory_user WHERE id = ?1")?
            .query_row([user.as_str()], |row| Ok((id(row, 0)?, row.get(1)?)))
            .optional()?;
        let Some((org, is_active)) = found else { return Ok(()) };
        let memberships = memberships(from, user)?;
        let ids = tokens.iter().map(|(id, _)| id.clone()).collect();
        self.owners.insert(user.clone(), Owner { org, is_active, memberships, tokens: ids });
        self.tokens.extend(tokens);
        Ok(())
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
pub(super) fn memberships(from: &Connection, user: &UserId) -> rusqlite::Result<Vec<Membership>> {
    let mut statement = from.prepare_cached(
        "SELECT org, role FROM directory_member WHERE user = ?1 ORDER BY org, role",
    )?;
    let rows = statement.query_map([user.as_str()], |row| {
        let org = match row.get_ref(0)?.as_str()? {
            INSTANCE => None,
            _ => Some(id(row, 0)?),
        };
        let role = row.get_ref(1)?.as_str()?.parse::<Role>().ok();
        Ok(role.map(|role| Membership { role, org }))
    })?;
    rows.filter_map(Result::transpose).collect()
}
