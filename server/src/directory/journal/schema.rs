//! The tables as a whole: what they reflect, and how they are made ready.

use std::time::SystemTime;

use portcullis::UserId;
use portcullis::journal::{JournalError, Position};

use super::rows::{nanoseconds, time};
use super::tables::{Sql, Tables};

/// The version of the tables. Tables of another version are made anew from the journal.
const VERSION: i64 = 1;

/// What the tables reflect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reflected {
    pub(super) position: Position,
    pub(super) at: SystemTime,
}

/// What the tables reflect, if they are of our version.
pub(super) fn reflected(tables: &dyn Sql) -> Result<Option<Reflected>, JournalError> {
    let found =
        tables.query("SELECT position, at FROM directory WHERE version = ?1", &[VERSION.into()])?;
    let reflected = found.first().map(|row| {
        Ok(Reflected { position: row.number(0)?.cast_unsigned(), at: time(row.number(1)?) })
    });
    reflected.transpose()
}

pub(super) fn set_reflected(tables: &dyn Sql, to: Reflected) -> Result<(), JournalError> {
    let values = vec![to.position.cast_signed().into(), nanoseconds(to.at).into()];
    tables.execute("UPDATE directory SET position = ?1, at = ?2", values)
}

/// Whether there is a directory, of whichever version.
pub(super) fn is_there(tables: &dyn Sql) -> Result<bool, JournalError> {
    Ok(tables.are_there()? && !tables.query("SELECT version FROM directory", &[])?.is_empty())
}

/// What was found, and what is to be done about it.
enum Found {
    /// Tables to go on with.
    Good(Reflected),
    /// Tables of another version, or of a journal that is no longer this one.
    Bad,
    /// No table: there never was a directory here.
    None,
}

/// Makes the tables ready. They are made where there are none, and made anew, to be filled from the
/// journal's beginning, where they are of another version or reflect what is not in the journal.
///
/// Where there never was a directory and the journal's beginning was pruned, nothing of a directory
/// can have been pruned: it begins with what is left, and with those who are `locked` now.
pub(super) fn prepare(
    tables: &Tables,
    locked: impl FnOnce() -> Vec<UserId>,
) -> Result<Reflected, JournalError> {
    // Nothing is written where there is nothing to do.
    if let (Found::Good(reflected), _) = tables.read(look)? {
        return Ok(reflected);
    }
    tables.write(|tables| {
        let (found, pruned) = look(tables)?;
        let start = match found {
            Found::Good(reflected) => return Ok(reflected),
            Found::Bad if pruned > 0 => {
                return Err(JournalError::Pruned { oldest: pruned.saturating_add(1) });
            }
            Found::Bad => 0,
            Found::None => pruned,
        };
        let strangers = if start > 0 { locked() } else { Vec::new() };
        let reflected = Reflected { position: start, at: SystemTime::UNIX_EPOCH };
        make(tables, reflected, &strangers)?;
        Ok(reflected)
    })
}

/// What there is, and up to where the journal was pruned.
fn look(tables: &dyn Sql) -> Result<(Found, Position), JournalError> {
    let (head, pruned) = tables.extent()?;
    let found = if is_there(tables)? {
        match reflected(tables)? {
            Some(it) if it.position <= head => Found::Good(it),
            _ => Found::Bad,
        }
    } else {
        Found::None
    };
    Ok((found, pruned))
}

fn make(tables: &dyn Sql, at: Reflected, strangers: &[UserId]) -> Result<(), JournalError> {
    tables.make_anew()?;
    tables.execute(
        "INSERT INTO directory (version, position, at) VALUES (?1, ?2, ?3)",
        vec![VERSION.into(), at.position.cast_signed().into(), nanoseconds(at.at).into()],
    )?;
    for user in strangers {
        tables.execute("INSERT INTO directory_stranger VALUES (?1)", vec![user.as_str().into()])?;
    }
    Ok(())
}
