//! What attempts ask of users, from memory: of those who were asked for, up to a number.

use std::sync::PoisonError;

use portcullis::UserId;
use portcullis::journal::JournalError;
use quick_cache::sync::Cache;

use super::known::Known;
use super::{JournalDirectory, rows};
use crate::directory::Standing;

/// How many users are kept: about 100 bytes each.
const MOST: usize = 1 << 18;

/// The users that were asked for. Who is unknown is not kept: anybody can make up names.
///
/// INVARIANT: an entry says what the directory said when [`Known::changes`] had the value that it has
/// now, or the user has not changed since. Entries come and go under the lock of [`Known`]: to read it
/// to add one, to write it to remove one.
pub(super) type Standings = Cache<UserId, Standing>;

pub(super) fn none_yet() -> Standings {
    Cache::new(MOST)
}

impl JournalDirectory {
    /// What the directory says of a user, as of the position that it reflects.
    pub(super) async fn standing_now(
        &self,
        user: &UserId,
    ) -> Result<Option<Standing>, JournalError> {
        if let Some(found) = self.0.standings.get(user) {
            return Ok(Some(found));
        }
        let before = self.known().changes;
        let found = {
            let user = user.clone();
            self.read(move |from| rows::user_of_id(from, &user)).await?
        };
        let Some(found) = found else { return Ok(None) };
        let standing = Standing::from(found);
        let known = self.known();
        // What has changed since may be this user.
        if known.changes == before {
            self.0.standings.insert(user.clone(), standing.clone());
        }
        drop(known);
        Ok(Some(standing))
    }
}

impl super::Shared {
    /// Memory is about to take changes over: nothing that is being read now is to be kept.
    pub(super) fn known_to_change(&self) -> std::sync::RwLockWriteGuard<'_, Known> {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.changes = known.changes.wrapping_add(1);
        known
    }
}
