//! The file: what makes it a journal, how it is opened, and what its faults mean.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, OpenFlags, Transaction, TransactionBehavior};

use super::log;
use crate::journal::{JournalError, Position};

/// Marks the file as ours: "Port" in ASCII.
const APPLICATION_ID: i32 = 0x506f_7274;

/// Each version's step from the one before. Never changed, only added to.
const MIGRATIONS: [&str; 2] = [
    "
    CREATE TABLE journal (
        only     INTEGER PRIMARY KEY CHECK (only = 1),
        instance TEXT,
        position INTEGER NOT NULL,   -- of the newest event
        pruned   INTEGER NOT NULL    -- up to this one there are no events any more
    ) STRICT;
    INSERT INTO journal VALUES (1, NULL, 0, 0);
    CREATE TABLE event (
        position  INTEGER PRIMARY KEY,
        at        TEXT NOT NULL,
        actor     TEXT NOT NULL,
        type      TEXT NOT NULL,
        aggregate TEXT NOT NULL,     -- instance, org or user
        id        TEXT NOT NULL,     -- whose event it is
        org       TEXT,              -- a user's organization
        sequence  INTEGER NOT NULL,
        payload   TEXT,
        writer    INTEGER NOT NULL,  -- with batch: to settle what is in doubt
        batch     INTEGER NOT NULL,
        crc       INTEGER NOT NULL   -- of all the other columns
    ) STRICT;
    CREATE TABLE checkpoint (
        writer   INTEGER NOT NULL,
        begun    INTEGER NOT NULL,
        parts    INTEGER,            -- how many there are, once it is finished
        PRIMARY KEY (writer, begun)
    ) STRICT;
    CREATE TABLE checkpoint_part (
        writer   INTEGER NOT NULL,
        begun    INTEGER NOT NULL,
        number   INTEGER NOT NULL,
        position INTEGER NOT NULL,
        state    BLOB NOT NULL,
        crc      INTEGER NOT NULL,
        PRIMARY KEY (writer, begun, number)
    ) STRICT;
",
    "
    -- Most events are checks. Whoever looks for the others must not read them all.
    CREATE INDEX event_but_checks ON event (position) WHERE instr(type, '.check.') = 0;
",
];

/// Our version of the file.
fn version() -> usize {
    MIGRATIONS.len()
}

/// Waits for another process's lock in short sleeps, for 2 s in all. SQLite's own waits grow to
/// 100 ms, and a busy writer then never lets anybody else in.
fn wait_for_lock(tries: i32) -> bool {
    std::thread::sleep(Duration::from_micros(50));
    tries < 20_000
}

/// Looks at the place of a file before SQLite does.
pub(super) fn check_place(file: &Path) -> Result<(), JournalError> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return Err(missing(file, format!("there is no folder {}", folder.display())));
    }
    if file.is_dir() {
        return Err(foreign(file, "it is a folder"));
    }
    Ok(())
}

/// `None` where there is no file, or an empty one.
pub(super) fn open_to_read(file: &Path) -> Result<Option<Connection>, JournalError> {
    match std::fs::metadata(file) {
        Ok(metadata) if metadata.len() == 0 => return Ok(None),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unavailable(file, &error)),
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(file, flags).and_then(prepare);
    let connection = match opened {
        Ok(connection) => connection,
        // Where nothing can be written SQLite cannot make its helper files. If there is no log, nobody
        // who can write has the file open, so SQLite can be told to do without.
        Err(error) if is_read_only(&error) && log::is_empty(file) => {
            let uri = format!("file:{}?immutable=1", escaped(file));
            let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
            Connection::open_with_flags(uri, flags).map_err(|error| fault(file, &error))?
        }
        Err(error) => return Err(fault(file, &error)),
    };
    match state_of(&connection).map_err(|error| fault(file, &error))? {
        State::Ours(found) if found == version() => Ok(Some(connection)),
        State::Ours(found) if found > version() => Err(newer(file, found)),
        // A new file whose maker has not got further, or an old one: writing brings it up.
        State::New => Ok(None),
        State::Ours(_) => {
            drop(connection);
            open_to_write(file).map(Some)
        }
        State::Others => Err(foreign(file, "it is another program's SQLite file")),
    }
}

/// Opens a file to write, makes it if it is not there, and brings an old one up to our version.
pub(super) fn open_to_write(file: &Path) -> Result<Connection, JournalError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
        | OpenFlags::SQLITE_OPEN_CREATE
        | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)
        .and_then(prepare)
        .map_err(|it| fault(file, &it))?;
    let found = match state_of(&connection).map_err(|error| fault(file, &error))? {
        State::Ours(found) if found == version() => return Ok(connection),
        State::Ours(found) if found > version() => return Err(newer(file, found)),
        State::Others => return Err(foreign(file, "it is another program's SQLite file")),
        State::Ours(found) => found,
        State::New => 0,
    };
    migrate(&mut connection, found).map_err(|error| fault(file, &error))?;
    sync_folder(file).map_err(|error| unavailable(file, &error))?;
    Ok(connection)
}

fn is_read_only(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly))
}

fn prepare(mut connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    // To have read something is to know whether the file and its helpers can be opened at all.
    connection.pragma_query(None, "schema_version", |_| Ok(()))?;
    Ok(connection)
}

/// Two who are at it at once have each a lock that the other needs. SQLite then refuses one of them without
/// having it wait.
fn set_log(connection: &Connection) -> rusqlite::Result<()> {
    let is_busy =
        |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
    let mut tries = 0;
    loop {
        match connection.pragma_update(None, "journal_mode", "WAL") {
            Err(error) if is_busy(&error) && wait_for_lock(tries) => {
                tries = tries.saturating_add(1);
            }
            done => return done,
        }
    }
}

fn migrate(connection: &mut Connection, from: usize) -> rusqlite::Result<()> {
    set_log(connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Another process may have been quicker.
    let from = match state(&transaction)? {
        State::Ours(found) => found,
        _ => from,
    };
    for step in MIGRATIONS.iter().skip(from) {
        transaction.execute_batch(step)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    transaction.pragma_update(
        None,
        "user_version",
        u32::try_from(version()).unwrap_or(u32::MAX),
    )?;
    transaction.commit()
}

enum State {
    New,
    Ours(usize),
    Others,
}

fn state_of(connection: &Connection) -> rusqlite::Result<State> {
    state(&connection.unchecked_transaction()?)
}

/// As of one moment: between two looks its maker might have finished it.
fn state(snapshot: &Transaction<'_>) -> rusqlite::Result<State> {
    let number = |name| snapshot.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    if number("application_id")? == APPLICATION_ID {
        let version = number("user_version")?;
        return Ok(State::Ours(usize::try_from(version).unwrap_or(usize::MAX)));
    }
    let tables: u32 =
        snapshot.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if tables == 0 { State::New } else { State::Others })
}

/// A file that is shorter than its own header says was cut. SQLite would not notice before it needs
/// what is missing. Where there is a log, pages may not have been copied from it yet, the header first of
/// all: by a process that is at it, or that was killed at it.
pub(super) fn check_length(file: &Path) -> Result<(), JournalError> {
    let Ok(opened) = File::open(file) else { return Ok(()) };
    let mut header = [0_u8; 100];
    let length = || opened.metadata().map_or(0, |metadata| metadata.len());
    match length() {
        0 => return Ok(()),
        1..100 => return Err(foreign(file, "it is too short to be an SQLite file")),
        _ => {}
    }
    if (&opened).read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Err(foreign(file, "it is not an SQLite file"));
    }
    let big_endian = |from: usize, bytes: usize| {
        header.iter().skip(from).take(bytes).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    let page = match big_endian(16, 2) {
        1 => 65_536,
        size => size,
    };
    let pages = big_endian(28, 4);
    let expected = pages.saturating_mul(page);
    // In this order: what the header counts is in the file by the time at which there is no log.
    if !log::is_empty(file) {
        return Ok(());
    }
    let length = length();
    if length < expected {
        let cause = format!("it is cut short: {length} bytes of {expected}");
        return Err(corrupt(file, 0, &cause));
    }
    Ok(())
}

/// A new file's name is durable only once its folder is.
fn sync_folder(file: &Path) -> std::io::Result<()> {
    let folder = match file.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    File::open(folder)?.sync_all()
}

fn escaped(file: &Path) -> String {
    file.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23")
}

/// What an error of SQLite's means.
pub(super) fn fault(file: &Path, error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => corrupt(file, 0, error),
        Some(ErrorCode::NotADatabase) => foreign(file, error),
        _ => unavailable(file, error),
    }
}

pub(super) fn unavailable(file: &Path, cause: &impl Display) -> JournalError {
    JournalError::Unavailable(format!("{}: {cause}", file.display()))
}

pub(super) fn corrupt(file: &Path, position: Position, cause: &impl Display) -> JournalError {
    let journal = file.display().to_string();
    JournalError::Corrupt { journal, position, cause: cause.to_string() }
}

pub(super) fn missing(file: &Path, cause: impl Display) -> JournalError {
    JournalError::Missing { journal: file.display().to_string(), cause: cause.to_string() }
}

fn foreign(file: &Path, cause: impl Display) -> JournalError {
    JournalError::Foreign { journal: file.display().to_string(), cause: cause.to_string() }
}

fn newer(file: &Path, found: usize) -> JournalError {
    let ours = version();
    foreign(file, format!("its version is {found} and this program knows versions up to {ours}"))
}
