//! The tables: where they are, how they are made, and what their faults mean.

use std::path::Path;
use std::time::{Duration, SystemTime};

use portcullis::UserId;
use portcullis::journal::{JournalError, Position};
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::rows::{nanoseconds, time};

/// The version of the tables. Tables of another version are made anew from the journal.
const VERSION: i64 = 1;

const TABLES: &str = "
    CREATE TABLE directory (
        only     INTEGER PRIMARY KEY CHECK (only = 1),
        version  INTEGER NOT NULL,
        position INTEGER NOT NULL,   -- of the journal, that the tables reflect
        at       INTEGER NOT NULL    -- its time, as all times here in nanoseconds since 1970
    ) STRICT;
    CREATE TABLE directory_org (
        id       TEXT PRIMARY KEY,
        name     TEXT NOT NULL,
        number   INTEGER NOT NULL,   -- the position of its first event
        created  INTEGER NOT NULL
    ) STRICT;
    CREATE TABLE directory_user (
        number      INTEGER PRIMARY KEY,  -- the position of its first event
        id          TEXT NOT NULL UNIQUE,
        org         TEXT NOT NULL,
        user_name   TEXT NOT NULL,
        lower_name  TEXT NOT NULL,
        is_human    INTEGER NOT NULL,
        name        TEXT NOT NULL,        -- a human's first name
        last_name   TEXT NOT NULL,
        email       TEXT NOT NULL,
        description TEXT NOT NULL,
        is_active   INTEGER NOT NULL,
        is_locked   INTEGER NOT NULL,
        sequence    INTEGER NOT NULL,
        created     INTEGER NOT NULL,
        changed     INTEGER NOT NULL,
        UNIQUE (org, user_name)
    ) STRICT;
    CREATE INDEX directory_user_of_org ON directory_user (org, number);
    CREATE INDEX directory_user_by_name ON directory_user (lower_name, number);
    CREATE INDEX directory_user_locked ON directory_user (number) WHERE is_locked = 1;
    -- Those who are locked and not in the directory, or not yet.
    CREATE TABLE directory_stranger (id TEXT PRIMARY KEY) STRICT;
    CREATE TABLE directory_member (
        user     TEXT NOT NULL,
        org      TEXT NOT NULL,           -- empty for the instance
        role     TEXT NOT NULL,
        PRIMARY KEY (user, org, role)
    ) STRICT;
    CREATE TABLE directory_token (
        id       TEXT PRIMARY KEY,
        user     TEXT NOT NULL,
        hash     TEXT NOT NULL,           -- of the secret, SHA-256 in hexadecimal digits
        expires  INTEGER,
        created  INTEGER NOT NULL
    ) STRICT;
    CREATE INDEX directory_token_of_user ON directory_token (user);
";

/// What the tables reflect.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reflected {
    pub(super) position: Position,
    pub(super) at: SystemTime,
}

/// Waits for another's lock in short sleeps, for 2 s in all, as the journal does.
fn wait_for_lock(tries: i32) -> bool {
    std::thread::sleep(Duration::from_micros(50));
    tries < 20_000
}

/// A connection to a file that exists.
pub(super) fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Whether a file has a directory's tables.
pub(super) fn are_there(connection: &Connection) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'directory'")?
        .exists([])
}

/// What the tables reflect, if they are there and of our version.
pub(super) fn reflected(connection: &Connection) -> rusqlite::Result<Option<Reflected>> {
    connection
        .prepare_cached("SELECT position, at FROM directory WHERE version = ?1")?
        .query_row([VERSION], |row| {
            let position = row.get::<_, i64>(0)?.cast_unsigned();
            Ok(Reflected { position, at: time(row.get(1)?) })
        })
        .optional()
}

pub(super) fn set_reflected(connection: &Connection, to: Reflected) -> rusqlite::Result<()> {
    connection
        .prepare_cached("UPDATE directory SET position = ?1, at = ?2")?
        .execute(params![to.position.cast_signed(), nanoseconds(to.at)])
        .map(drop)
}

/// The next event that is no check, and up to which position events were pruned. The condition is
/// that of the journal's index `event_but_checks`, word for word, or the index is not used.
pub(super) fn next_but_checks(
    connection: &Connection,
    after: Position,
    up_to: Position,
) -> rusqlite::Result<(Option<Position>, Position)> {
    connection
        .prepare_cached(
            "SELECT (SELECT position FROM event INDEXED BY event_but_checks
                     WHERE position > ?1 AND position <= ?2 AND instr(type, '.check.') = 0
                     ORDER BY position LIMIT 1),
                    pruned FROM journal",
        )?
        .query_row(params![after.cast_signed(), up_to.cast_signed()], |row| {
            let next: Option<i64> = row.get(0)?;
            Ok((next.map(i64::cast_unsigned), row.get::<_, i64>(1)?.cast_unsigned()))
        })
}

/// What was found in a file, and what is to be done about it.
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
    file: &Path,
    connection: &mut Connection,
    locked: impl FnOnce() -> Vec<UserId>,
) -> Result<Reflected, JournalError> {
    let fault = |error: rusqlite::Error| fault(file, &error);
    // Nothing is written where there is nothing to do.
    let (found, _) = connection.transaction().and_then(|it| look(&it)).map_err(fault)?;
    if let Found::Good(reflected) = found {
        return Ok(reflected);
    }
    let transaction =
        connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(fault)?;
    let (found, pruned) = look(&transaction).map_err(fault)?;
    let start = match found {
        Found::Good(reflected) => return Ok(reflected),
        Found::Bad if pruned > 0 => {
            return Err(JournalError::Pruned { oldest: pruned.saturating_add(1) });
        }
        Found::Bad => {
            drop_all(&transaction).map_err(fault)?;
            0
        }
        Found::None => pruned,
    };
    let strangers = if start > 0 { locked() } else { Vec::new() };
    let reflected = Reflected { position: start, at: SystemTime::UNIX_EPOCH };
    make(&transaction, reflected, &strangers).map_err(fault)?;
    transaction.commit().map_err(fault)?;
    Ok(reflected)
}

/// What there is, and up to where the journal was pruned.
fn look(connection: &Connection) -> rusqlite::Result<(Found, Position)> {
    let journal = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
    let (head, pruned) =
        connection.query_row("SELECT position, pruned FROM journal", [], journal)?;
    let found = if are_there(connection)? {
        match reflected(connection)? {
            Some(it) if it.position <= head.cast_unsigned() => Found::Good(it),
            _ => Found::Bad,
        }
    } else {
        Found::None
    };
    Ok((found, pruned.cast_unsigned()))
}

fn make(connection: &Connection, at: Reflected, strangers: &[UserId]) -> rusqlite::Result<()> {
    connection.execute_batch(TABLES)?;
    connection.execute(
        "INSERT INTO directory VALUES (1, ?1, ?2, ?3)",
        params![VERSION, at.position.cast_signed(), nanoseconds(at.at)],
    )?;
    for user in strangers {
        connection.execute("INSERT INTO directory_stranger VALUES (?1)", [user.as_str()])?;
    }
    Ok(())
}

fn drop_all(connection: &Connection) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(
        "SELECT name FROM sqlite_schema
         WHERE type = 'table' AND (name = 'directory' OR substr(name, 1, 10) = 'directory_')",
    )?;
    let names = statement.query_map([], |row| row.get::<_, String>(0))?;
    for name in names.collect::<rusqlite::Result<Vec<_>>>()? {
        connection.execute_batch(&format!("DROP TABLE \"{}\"", name.replace('"', "\"\"")))?;
    }
    Ok(())
}

/// What an error of SQLite's means.
pub(super) fn fault(file: &Path, error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => corrupt(file, 0, error.to_string()),
        _ => JournalError::Unavailable(format!("{}: {error}", file.display())),
    }
}

pub(super) fn corrupt(file: &Path, position: Position, cause: String) -> JournalError {
    JournalError::Corrupt { journal: file.display().to_string(), position, cause }
}

/// The tables became another program's while they were in use.
pub(super) fn foreign(file: &Path) -> JournalError {
    let cause =
        String::from("another version of this program has made the directory's tables anew");
    JournalError::Foreign { journal: file.display().to_string(), cause }
}
