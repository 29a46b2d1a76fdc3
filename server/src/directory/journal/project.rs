//! What a change does to the tables.
//!
//! Changes are facts: they are applied, not judged. Where two processes recorded what does not go
//! together, such as one user name for two users, the first one holds and the other does nothing.

use std::time::SystemTime;

use portcullis::{OrgId, UserId};
use rusqlite::{Connection, params};

use super::events::Step;
use super::events::{Change, Fact};
use super::rows::{lower, nanoseconds};
use super::secret::{Hash, to_hex};
use crate::directory::UserKind;

/// How an instance stands in the place of an organization: no id is empty.
pub(super) const INSTANCE: &str = "";

/// Applies a change.
pub(super) fn apply(to: &Connection, step: &Step) -> rusqlite::Result<()> {
    let at = At { number: step.position.cast_signed(), time: nanoseconds(step.at) };
    match &step.change {
        Change::Locked(user) => set_locked(to, at, user),
        Change::Unlocked(user) => set_unlocked(to, at, user),
        Change::Removed { org, user } => remove(to, at, org, user),
        Change::Fact(fact) => match fact {
            Fact::OrgAdded { org, name } => add_org(to, at, org, name),
            Fact::OrgRemoved { org } => remove_org(to, org),
            Fact::UserAdded { org, user, user_name, kind } => {
                add_user(to, at, org, user, user_name, kind)
            }
            Fact::Active { org, user, active } => set_active(to, at, org, user, *active),
            Fact::MemberAdded { org, user, roles } => add_roles(to, org.as_ref(), user, roles),
            Fact::TokenAdded { org, user, token, hash, expires } => {
                add_token(to, at, org, user, token, hash, *expires)
            }
            Fact::TokenRemoved { user, token, .. } => remove_token(to, user, token),
        },
    }
}

/// Of whom a copy in memory may be out of date.
pub(super) enum Touched<'a> {
    /// Of nobody: locks are the engine's, and of those who were not there is no copy.
    Nobody,
    /// Of an organization that is new.
    Org(&'a OrgId),
    /// Of a user.
    User(&'a UserId),
    /// Of many.
    Everybody,
}

/// Whose standing, tokens or memberships a change touches.
pub(super) fn touched(change: &Change) -> Touched<'_> {
    match change {
        Change::Locked(_) | Change::Unlocked(_) | Change::Fact(Fact::UserAdded { .. }) => {
            Touched::Nobody
        }
        Change::Fact(Fact::OrgAdded { org, .. }) => Touched::Org(org),
        Change::Fact(Fact::OrgRemoved { .. }) => Touched::Everybody,
        Change::Removed { user, .. }
        | Change::Fact(
            Fact::Active { user, .. }
            | Fact::MemberAdded { user, .. }
            | Fact::TokenAdded { user, .. }
            | Fact::TokenRemoved { user, .. },
        ) => Touched::User(user),
    }
}

#[derive(Clone, Copy)]
struct At {
    number: i64,
    time: i64,
}

fn add_org(to: &Connection, at: At, org: &OrgId, name: &str) -> rusqlite::Result<()> {
    to.prepare_cached("INSERT OR IGNORE INTO directory_org VALUES (?1, ?2, ?3, ?4)")?
        .execute(params![org.as_str(), name, at.number, at.time])
        .map(drop)
}

/// The users are gone by then, but for those whom another process has added meanwhile.
fn remove_org(to: &Connection, org: &OrgId) -> rusqlite::Result<()> {
    for statement in [
        "DELETE FROM directory_token WHERE user IN (SELECT id FROM directory_user WHERE org = ?1)",
        "DELETE FROM directory_member
         WHERE org = ?1 OR user IN (SELECT id FROM directory_user WHERE org = ?1)",
        "DELETE FROM directory_user WHERE org = ?1",
        "DELETE FROM directory_org WHERE id = ?1",
    ] {
        to.prepare_cached(statement)?.execute([org.as_str()])?;
    }
    Ok(())
}

fn add_user(
    to: &Connection,
    at: At,
    org: &OrgId,
    user: &UserId,
    user_name: &str,
    kind: &UserKind,
) -> rusqlite::Result<()> {
    let (is_human, name, last_name, email, description) = match kind {
        UserKind::Human { first_name, last_name, email } => {
            (true, first_name.as_str(), last_name.as_str(), email.as_str(), "")
        }
        UserKind::Machine { name, description } => (false, name.as_str(), "", "", &**description),
    };
    let added = to
        .prepare_cached(
            "INSERT OR IGNORE INTO directory_user VALUES
             (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1,
              EXISTS (SELECT 1 FROM directory_stranger WHERE id = ?2), ?1, ?11, ?11)",
        )?
        .execute(params![
            at.number,
            user.as_str(),
            org.as_str(),
            user_name,
            lower(user_name),
            is_human,
            name,
            last_name,
            email,
            description,
            at.time
        ])?;
    if added == 0 { Ok(()) } else { forget_stranger(to, user) }
}

fn set_active(
    to: &Connection,
    at: At,
    org: &OrgId,
    user: &UserId,
    active: bool,
) -> rusqlite::Result<()> {
    to.prepare_cached(
        "UPDATE directory_user SET is_active = ?1, sequence = ?2, changed = ?3
         WHERE id = ?4 AND org = ?5",
    )?
    .execute(params![active, at.number, at.time, user.as_str(), org.as_str()])
    .map(drop)
}

fn set_locked(to: &Connection, at: At, user: &UserId) -> rusqlite::Result<()> {
    let known = to
        .prepare_cached(
            "UPDATE directory_user SET is_locked = 1, sequence = ?1, changed = ?2 WHERE id = ?3",
        )?
        .execute(params![at.number, at.time, user.as_str()])?;
    if known > 0 {
        return Ok(());
    }
    to.prepare_cached("INSERT OR IGNORE INTO directory_stranger VALUES (?1)")?
        .execute([user.as_str()])
        .map(drop)
}

fn set_unlocked(to: &Connection, at: At, user: &UserId) -> rusqlite::Result<()> {
    to.prepare_cached(
        "UPDATE directory_user SET is_locked = 0, sequence = ?1, changed = ?2 WHERE id = ?3",
    )?
    .execute(params![at.number, at.time, user.as_str()])?;
    forget_stranger(to, user)
}

/// The engine forgets a user whichever organization is named; the directory, if it is the user's.
fn remove(to: &Connection, at: At, org: &OrgId, user: &UserId) -> rusqlite::Result<()> {
    let removed = to
        .prepare_cached("DELETE FROM directory_user WHERE id = ?1 AND org = ?2")?
        .execute([user.as_str(), org.as_str()])?;
    if removed > 0 {
        to.prepare_cached("DELETE FROM directory_member WHERE user = ?1")?
            .execute([user.as_str()])?;
        to.prepare_cached("DELETE FROM directory_token WHERE user = ?1")?
            .execute([user.as_str()])?;
    } else {
        to.prepare_cached(
            "UPDATE directory_user SET is_locked = 0, sequence = ?1, changed = ?2
             WHERE id = ?3 AND is_locked = 1",
        )?
        .execute(params![at.number, at.time, user.as_str()])?;
    }
    forget_stranger(to, user)
}

fn forget_stranger(to: &Connection, user: &UserId) -> rusqlite::Result<()> {
    to.prepare_cached("DELETE FROM directory_stranger WHERE id = ?1")?
        .execute([user.as_str()])
        .map(drop)
}

fn add_roles(
    to: &Connection,
    org: Option<&OrgId>,
    user: &UserId,
    roles: &[String],
) -> rusqlite::Result<()> {
    let mut statement = to.prepare_cached(
        "INSERT OR IGNORE INTO directory_member
         SELECT id, ?2, ?3 FROM directory_user WHERE id = ?1",
    )?;
    for role in roles {
        statement.execute([user.as_str(), org.map_or(INSTANCE, OrgId::as_str), role.as_str()])?;
    }
    Ok(())
}

fn add_token(
    to: &Connection,
    at: At,
    org: &OrgId,
    user: &UserId,
    token: &str,
    hash: &Hash,
    expires: Option<SystemTime>,
) -> rusqlite::Result<()> {
    to.prepare_cached(
        "INSERT OR IGNORE INTO directory_token
         SELECT ?1, id, ?3, ?4, ?5 FROM directory_user WHERE id = ?2 AND org = ?6",
    )?
    .execute(params![
        token,
        user.as_str(),
        to_hex(hash),
        expires.map(nanoseconds),
        at.time,
        org.as_str()
    ])
    .map(drop)
}

fn remove_token(to: &Connection, user: &UserId, token: &str) -> rusqlite::Result<()> {
    to.prepare_cached("DELETE FROM directory_token WHERE id = ?1 AND user = ?2")?
        .execute([token, user.as_str()])
        .map(drop)
}
