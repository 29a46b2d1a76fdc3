//! What a change does to the tables.
//!
//! Changes are facts: they are applied, not judged. Where two processes recorded what does not go
//! together, such as one user name for two users, the first one holds and the other does nothing.

use std::time::SystemTime;

use portcullis::journal::JournalError;
use portcullis::{OrgId, UserId};

use super::events::Step;
use super::events::{Change, Fact};
use super::rows::{lower, nanoseconds};
use super::secret::{Hash, to_hex};
use super::tables::Sql;
use crate::directory::UserKind;

/// How an instance stands in the place of an organization: no id is empty.
pub(super) const INSTANCE: &str = "";

/// Applies a change.
pub(super) fn apply(to: &dyn Sql, step: &Step) -> Result<(), JournalError> {
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

fn add_org(to: &dyn Sql, at: At, org: &OrgId, name: &str) -> Result<(), JournalError> {
    let values = vec![org.as_str().into(), name.into(), at.number.into(), at.time.into()];
    to.execute("INSERT INTO directory_org VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING", values)
}

/// The users are gone by then, but for those whom another process has added meanwhile.
fn remove_org(to: &dyn Sql, org: &OrgId) -> Result<(), JournalError> {
    for statement in [
        "DELETE FROM directory_token
         WHERE \"user\" IN (SELECT id FROM directory_user WHERE org = ?1)",
        "DELETE FROM directory_member
         WHERE org = ?1 OR \"user\" IN (SELECT id FROM directory_user WHERE org = ?1)",
        "DELETE FROM directory_user WHERE org = ?1",
        "DELETE FROM directory_org WHERE id = ?1",
    ] {
        to.execute(statement, vec![org.as_str().into()])?;
    }
    Ok(())
}

fn add_user(
    to: &dyn Sql,
    at: At,
    org: &OrgId,
    user: &UserId,
    user_name: &str,
    kind: &UserKind,
) -> Result<(), JournalError> {
    let (is_human, name, last_name, email, description) = match kind {
        UserKind::Human { first_name, last_name, email } => {
            (1, first_name.as_str(), last_name.as_str(), email.as_str(), "")
        }
        UserKind::Machine { name, description } => (0, name.as_str(), "", "", &**description),
    };
    to.execute(
        "INSERT INTO directory_user VALUES
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 1,
          (SELECT count(*) FROM directory_stranger WHERE id = ?2), ?1, ?11, ?11)
         ON CONFLICT DO NOTHING",
        vec![
            at.number.into(),
            user.as_str().into(),
            org.as_str().into(),
            user_name.into(),
            lower(user_name).as_str().into(),
            is_human.into(),
            name.into(),
            last_name.into(),
            email.into(),
            description.into(),
            at.time.into(),
        ],
    )?;
    to.execute(
        "DELETE FROM directory_stranger
         WHERE id = ?1 AND EXISTS (SELECT 1 FROM directory_user WHERE id = ?1)",
        vec![user.as_str().into()],
    )
}

fn set_active(
    to: &dyn Sql,
    at: At,
    org: &OrgId,
    user: &UserId,
    active: bool,
) -> Result<(), JournalError> {
    to.execute(
        "UPDATE directory_user SET is_active = ?1, sequence = ?2, changed = ?3
         WHERE id = ?4 AND org = ?5",
        vec![
            i64::from(active).into(),
            at.number.into(),
            at.time.into(),
            user.as_str().into(),
            org.as_str().into(),
        ],
    )
}

fn set_locked(to: &dyn Sql, at: At, user: &UserId) -> Result<(), JournalError> {
    to.execute(
        "UPDATE directory_user SET is_locked = 1, sequence = ?1, changed = ?2 WHERE id = ?3",
        vec![at.number.into(), at.time.into(), user.as_str().into()],
    )?;
    to.execute(
        "INSERT INTO directory_stranger SELECT CAST(?1 AS text)
         WHERE NOT EXISTS (SELECT 1 FROM directory_user WHERE id = ?1) ON CONFLICT DO NOTHING",
        vec![user.as_str().into()],
    )
}

fn set_unlocked(to: &dyn Sql, at: At, user: &UserId) -> Result<(), JournalError> {
    to.execute(
        "UPDATE directory_user SET is_locked = 0, sequence = ?1, changed = ?2 WHERE id = ?3",
        vec![at.number.into(), at.time.into(), user.as_str().into()],
    )?;
    forget_stranger(to, user)
}

/// The engine forgets a user whichever organization is named; the directory, if it is the user's.
fn remove(to: &dyn Sql, at: At, org: &OrgId, user: &UserId) -> Result<(), JournalError> {
    for statement in [
        "DELETE FROM directory_member
         WHERE \"user\" IN (SELECT id FROM directory_user WHERE id = ?1 AND org = ?2)",
        "DELETE FROM directory_token
         WHERE \"user\" IN (SELECT id FROM directory_user WHERE id = ?1 AND org = ?2)",
        "DELETE FROM directory_user WHERE id = ?1 AND org = ?2",
    ] {
        to.execute(statement, vec![user.as_str().into(), org.as_str().into()])?;
    }
    to.execute(
        "UPDATE directory_user SET is_locked = 0, sequence = ?1, changed = ?2
         WHERE id = ?3 AND is_locked = 1",
        vec![at.number.into(), at.time.into(), user.as_str().into()],
    )?;
    forget_stranger(to, user)
}

fn forget_stranger(to: &dyn Sql, user: &UserId) -> Result<(), JournalError> {
    to.execute("DELETE FROM directory_stranger WHERE id = ?1", vec![user.as_str().into()])
}

fn add_roles(
    to: &dyn Sql,
    org: Option<&OrgId>,
    user: &UserId,
    roles: &[String],
) -> Result<(), JournalError> {
    let on = org.map_or(INSTANCE, OrgId::as_str);
    for role in roles {
        to.execute(
            "INSERT INTO directory_member
             SELECT id, ?2, ?3 FROM directory_user WHERE id = ?1 ON CONFLICT DO NOTHING",
            vec![user.as_str().into(), on.into(), role.as_str().into()],
        )?;
    }
    Ok(())
}

fn add_token(
    to: &dyn Sql,
    at: At,
    org: &OrgId,
    user: &UserId,
    token: &str,
    hash: &Hash,
    expires: Option<SystemTime>,
) -> Result<(), JournalError> {
    to.execute(
        "INSERT INTO directory_token
         SELECT ?1, id, ?3, ?4, ?5 FROM directory_user WHERE id = ?2 AND org = ?6
         ON CONFLICT DO NOTHING",
        vec![
            token.into(),
            user.as_str().into(),
            to_hex(hash).as_str().into(),
            expires.map(nanoseconds).into(),
            at.time.into(),
            org.as_str().into(),
        ],
    )
}

fn remove_token(to: &dyn Sql, user: &UserId, token: &str) -> Result<(), JournalError> {
    let sql = "DELETE FROM directory_token WHERE id = ?1 AND \"user\" = ?2";
    to.execute(sql, vec![token.into(), user.as_str().into()])
}
