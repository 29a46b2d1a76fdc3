//! Who is locked, and unlocking many.

use std::collections::HashSet;
use std::time::SystemTime;

use portcullis::{Lock, LockCause, UserId};
use prost_types::Timestamp;

use super::attempts::{factor_message, invalid, lock_message, org_id};
use super::auth::{Auth, unavailable};
use super::error::{ApiError, Code};
use super::roles::Permission::{self, UserRead, UserWrite};
use super::{Api, Meta};
use crate::proto::portcullis::v1 as proto;
use crate::unlocking::unlock_all;

/// The most users that are told at once.
const MOST: usize = 1_000;
/// How many are told if nothing is said.
const USUAL: usize = 100;
/// The longest reason, in characters.
const LONGEST: usize = 1_000;

/// The locked users that a filter selects, oldest lock first.
///
/// # Errors
///
/// The caller's, of a bad filter.
pub async fn list_locked_users(
    api: &Api,
    meta: &Meta,
    request: proto::ListLockedUsersRequest,
) -> Result<proto::ListLockedUsersResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let selected = select(api, &auth, UserRead, request.filter)?;
    let limit = match usize::try_from(request.limit).unwrap_or(usize::MAX) {
        0 => USUAL,
        limit if limit <= MOST => limit,
        _ => return Err(invalid("Limit", format!("it is more than {MOST}"))),
    };
    let offset = usize::try_from(request.offset).unwrap_or(usize::MAX);
    let users = selected.iter().skip(offset).take(limit).map(message).collect();
    Ok(proto::ListLockedUsersResponse { users, total: number(selected.len()) })
}

/// Unlocks all that a filter selects.
///
/// # Errors
///
/// The caller's, of a bad filter or reason, the journal's: it may have taken some.
pub async fn unlock_users(
    api: &Api,
    meta: &Meta,
    request: proto::UnlockUsersRequest,
) -> Result<proto::UnlockUsersResponse, ApiError> {
    let auth = api.authenticate(meta).await?;
    let mut selected = select(api, &auth, UserWrite, request.filter)?;
    if request.reason.chars().count() > LONGEST {
        return Err(invalid("Reason", format!("it has more than {LONGEST} characters")));
    }
    if !request.dry_run {
        selected = unlock(api, &auth, &selected, &request.reason).await?;
    }
    let users = selected.iter().take(MOST).map(message).collect();
    Ok(proto::UnlockUsersResponse { users, total: Some(number(selected.len())) })
}

/// Those who were unlocked: not those whom another has unlocked meanwhile.
async fn unlock(
    api: &Api,
    auth: &Auth,
    selected: &[(UserId, Lock)],
    reason: &str,
) -> Result<Vec<(UserId, Lock)>, ApiError> {
    let mut unlocked = Vec::with_capacity(selected.len());
    let reason = (!reason.is_empty()).then_some(reason);
    let actor = auth.actor();
    let done = unlock_all(&api.engine, &actor, selected, reason, |one, done| {
        if done.is_ok() {
            unlocked.push(one.clone());
        }
    });
    done.await.map_err(unavailable)?;
    Ok(unlocked)
}

/// The locked users of whom the caller has the permission and whom the filter lets through.
fn select(
    api: &Api,
    auth: &Auth,
    permission: Permission,
    filter: Option<proto::LockFilter>,
) -> Result<Vec<(UserId, Lock)>, ApiError> {
    let filter = Filter::of(filter.unwrap_or_default())?;
    match &filter.org {
        Some(org) => auth.require(permission, org)?,
        None => auth.require_somewhere(permission)?,
    }
    let may = |lock: &Lock| auth.may(permission, &lock.org);
    let locked = api.engine.locked_users();
    Ok(locked.filter(|(user, lock)| filter.lets(user, lock) && may(lock)).collect())
}

/// A filter as it is meant.
struct Filter {
    org: Option<portcullis::OrgId>,
    users: HashSet<String>,
    cause: proto::LockCause,
    factor: proto::Factor,
    since: Option<SystemTime>,
    before: Option<SystemTime>,
}

impl Filter {
    fn of(filter: proto::LockFilter) -> Result<Self, ApiError> {
        let cause = proto::LockCause::try_from(filter.cause)
            .map_err(|_| invalid("LockFilter.Cause", "there is no such cause"))?;
        if cause == proto::LockCause::Inactive {
            let text = "who is inactive is not locked: reactivate the user";
            return Err(ApiError::plain(Code::InvalidArgument, text));
        }
        let factor = proto::Factor::try_from(filter.factor)
            .map_err(|_| invalid("LockFilter.Factor", "there is no such factor"))?;
        let org = (!filter.org_id.is_empty()).then(|| org_id(&filter.org_id)).transpose()?;
        let time = |at: Option<Timestamp>| {
            at.map(SystemTime::try_from)
                .transpose()
                .map_err(|error| invalid("LockFilter", format!("a time: {error}")))
        };
        let (since, before) = (time(filter.since)?, time(filter.before)?);
        Ok(Self { org, users: filter.user_ids.into_iter().collect(), cause, factor, since, before })
    }

    fn lets(&self, user: &UserId, lock: &Lock) -> bool {
        let (cause, factor) = match lock.cause {
            LockCause::Failures(factor) => {
                (proto::LockCause::Failures, Some(factor_message(factor)))
            }
            LockCause::Administrator => (proto::LockCause::Administrator, None),
        };
        self.org.as_ref().is_none_or(|org| lock.org == *org)
            && (self.users.is_empty() || self.users.contains(user.as_str()))
            && (self.cause == proto::LockCause::Unspecified || self.cause == cause)
            && (self.factor == proto::Factor::Unspecified || Some(self.factor) == factor)
            && self.since.is_none_or(|since| lock.since >= since)
            && self.before.is_none_or(|before| lock.since < before)
    }
}

fn message((user, lock): &(UserId, Lock)) -> proto::LockedUser {
    proto::LockedUser {
        user_id: String::from(user.as_str()),
        org_id: String::from(lock.org.as_str()),
        locked: Some(lock_message(lock)),
    }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
