//! Rows as values, and how they are looked up.

use std::time::{Duration, SystemTime};

use portcullis::{InvalidId, OrgId, UserId};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::directory::{User, UserKind};

/// The columns of a user, in the order in which [`user`] reads them.
pub(super) const USER_COLUMNS: &str = "id, org, user_name, is_human, name, last_name, email, \
     description, is_active, is_locked, sequence, created, changed";

pub(super) fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let kind = if row.get(3)? {
        UserKind::Human { first_name: row.get(4)?, last_name: row.get(5)?, email: row.get(6)? }
    } else {
        UserKind::Machine { name: row.get(4)?, description: row.get(7)? }
    };
    Ok(User {
        id: id(row, 0)?,
        org: id(row, 1)?,
        user_name: row.get(2)?,
        kind,
        is_active: row.get(8)?,
        is_locked: row.get(9)?,
        sequence: row.get::<_, i64>(10)?.cast_unsigned(),
        created_at: time(row.get(11)?),
        changed_at: time(row.get(12)?),
    })
}

/// An id of the column with that number.
pub(super) fn id<T: TryFrom<String, Error = InvalidId>>(
    row: &Row<'_>,
    column: usize,
) -> rusqlite::Result<T> {
    let text: String = row.get(column)?;
    T::try_from(text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error))
    })
}

pub(super) fn user_of_id(connection: &Connection, id: &UserId) -> rusqlite::Result<Option<User>> {
    connection
        .prepare_cached(&format!("SELECT {USER_COLUMNS} FROM directory_user WHERE id = ?1"))?
        .query_row([id.as_str()], user)
        .optional()
}

/// Who has a user name in an organization.
pub(super) fn holder(
    connection: &Connection,
    org: &OrgId,
    user_name: &str,
) -> rusqlite::Result<Option<UserId>> {
    connection
        .prepare_cached("SELECT id FROM directory_user WHERE org = ?1 AND user_name = ?2")?
        .query_row([org.as_str(), user_name], |row| id(row, 0))
        .optional()
}

/// Some users of an organization.
pub(super) fn users_of_org(
    connection: &Connection,
    org: &OrgId,
    most: usize,
) -> rusqlite::Result<Vec<UserId>> {
    let mut statement =
        connection.prepare_cached("SELECT id FROM directory_user WHERE org = ?1 LIMIT ?2")?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    statement.query_map(rusqlite::params![org.as_str(), most], |row| id(row, 0))?.collect()
}

pub(super) fn org_name(connection: &Connection, org: &OrgId) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT name FROM directory_org WHERE id = ?1")?
        .query_row([org.as_str()], |row| row.get(0))
        .optional()
}

/// The lower case of each character for itself, so that a part of a text has a part of its lower case.
pub(super) fn lower(text: &str) -> String {
    text.chars().flat_map(char::to_lowercase).collect()
}

/// A time as it is stored. One that is too far off becomes the nearest that can be.
pub(super) fn nanoseconds(at: SystemTime) -> i64 {
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
        Err(before) => {
            i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, i64::saturating_neg)
        }
    }
}

pub(super) fn time(nanoseconds: i64) -> SystemTime {
    let distance = Duration::from_nanos(nanoseconds.unsigned_abs());
    let time = if nanoseconds < 0 {
        SystemTime::UNIX_EPOCH.checked_sub(distance)
    } else {
        SystemTime::UNIX_EPOCH.checked_add(distance)
    };
    time.unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_as_it_was_stored() {
        for stored in [i64::MIN + 1, -1, 0, 1, 1_772_355_600_123_456_789, i64::MAX] {
            assert_eq!(nanoseconds(time(stored)), stored);
        }
        let far = SystemTime::UNIX_EPOCH + Duration::from_secs(1 << 40);
        assert_eq!(nanoseconds(far), i64::MAX);
    }

    #[test]
    fn the_lower_case_of_a_part_is_a_part_of_the_lower_case() {
        assert_eq!(
            lower("ÄΣİß"),
            format!("{}{}{}{}", lower("Ä"), lower("Σ"), lower("İ"), lower("ß"))
        );
        assert_eq!(lower("ODΥΣΣΕΥΣ"), "odυσσευσ");
    }
}
