//! Rows as values, and how they are looked up.

use std::time::{Duration, SystemTime};

use portcullis::journal::JournalError;
use portcullis::{OrgId, UserId};

use super::tables::{Row, Sql};
use crate::directory::{User, UserKind};

/// The columns of a user, in the order in which [`user`] reads them.
macro_rules! user_columns {
    () => {
        "id, org, user_name, is_human, name, last_name, email, description, is_active, is_locked, \
         sequence, created, changed"
    };
}
pub(super) const USER_COLUMNS: &str = user_columns!();

pub(super) fn user(row: &Row) -> Result<User, JournalError> {
    let kind = if row.flag(3)? {
        UserKind::Human { first_name: row.text(4)?, last_name: row.text(5)?, email: row.text(6)? }
    } else {
        UserKind::Machine { name: row.text(4)?, description: row.text(7)? }
    };
    Ok(User {
        id: row.id(0)?,
        org: row.id(1)?,
        user_name: row.text(2)?,
        kind,
        is_active: row.flag(8)?,
        is_locked: row.flag(9)?,
        sequence: row.number(10)?.cast_unsigned(),
        created_at: time(row.number(11)?),
        changed_at: time(row.number(12)?),
    })
}

pub(super) fn user_of_id(tables: &dyn Sql, id: &UserId) -> Result<Option<User>, JournalError> {
    let sql = concat!("SELECT ", user_columns!(), " FROM directory_user WHERE id = ?1");
    tables.query(sql, &[id.as_str().into()])?.first().map(user).transpose()
}

/// Some users of an organization.
pub(super) fn users_of_org(
    tables: &dyn Sql,
    org: &OrgId,
    most: usize,
) -> Result<Vec<UserId>, JournalError> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let sql = "SELECT id FROM directory_user WHERE org = ?1 LIMIT ?2";
    let found = tables.query(sql, &[org.as_str().into(), most.into()])?;
    found.iter().map(|row| row.id(0)).collect()
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
