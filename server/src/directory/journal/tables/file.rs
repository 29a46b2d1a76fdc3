//! The tables in the file of an SQLite journal.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use portcullis::journal::{JournalError, Position};
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{
    CachedStatement, Connection, ErrorCode, OpenFlags, Statement, ToSql, Transaction,
    TransactionBehavior, params_from_iter,
};

use super::{Row, Sql, Value};

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

/// The file.
pub(in crate::directory::journal) struct File {
    path: PathBuf,
    /// Connections of those who are done well.
    idle: Mutex<Vec<Connection>>,
}

/// A transaction on it.
pub(in crate::directory::journal) struct InFile<'f> {
    path: &'f Path,
    transaction: Transaction<'f>,
}

impl File {
    pub(super) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), idle: Mutex::default() }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&InFile<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.run(TransactionBehavior::Deferred, work)
    }

    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&InFile<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        self.run(TransactionBehavior::Immediate, work)
    }

    fn run<T>(
        &self,
        behavior: TransactionBehavior,
        work: impl FnOnce(&InFile<'_>) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        let fault = |error: rusqlite::Error| fault(&self.path, &error);
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => connect(&self.path).map_err(fault)?,
        };
        let value = {
            let transaction = connection.transaction_with_behavior(behavior).map_err(fault)?;
            let in_file = InFile { path: &self.path, transaction };
            let value = work(&in_file)?;
            in_file.transaction.commit().map_err(fault)?;
            value
        };
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
        Ok(value)
    }
}

/// Waits for another's lock in short sleeps, for 2 s in all, as the journal does.
fn wait_for_lock(tries: i32) -> bool {
    std::thread::sleep(Duration::from_micros(50));
    tries < 20_000
}

/// A connection to a file that exists.
fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut connection = Connection::open_with_flags(file, flags)?;
    connection.busy_handler(Some(wait_for_lock))?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// What an error of SQLite's means.
fn fault(file: &Path, error: &rusqlite::Error) -> JournalError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt) => JournalError::Corrupt {
            journal: file.display().to_string(),
            position: 0,
            cause: error.to_string(),
        },
        _ => JournalError::Unavailable(format!("{}: {error}", file.display())),
    }
}

impl InFile<'_> {
    fn fault(&self, error: &rusqlite::Error) -> JournalError {
        fault(self.path, error)
    }

    fn kept(&self, sql: &str) -> Result<CachedStatement<'_>, JournalError> {
        self.transaction.prepare_cached(sql).map_err(|error| self.fault(&error))
    }

    fn rows(
        &self,
        statement: &mut Statement<'_>,
        values: &[Value],
    ) -> Result<Vec<Row>, JournalError> {
        let columns = statement.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            (0..columns).map(|column| row.get_ref(column).and_then(value)).collect()
        };
        let rows = statement.query_map(params_from_iter(values.iter().map(Bound)), row);
        let rows = rows.and_then(|rows| rows.map(|row| row.map(Row)).collect());
        rows.map_err(|error| self.fault(&error))
    }

    fn drop_all(&self) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare(
            "SELECT name FROM sqlite_schema
             WHERE type = 'table' AND (name = 'directory' OR substr(name, 1, 10) = 'directory_')",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        for name in names.collect::<rusqlite::Result<Vec<_>>>()? {
            let name = name.replace('"', "\"\"");
            self.transaction.execute_batch(&format!("DROP TABLE \"{name}\""))?;
        }
        Ok(())
    }
}

impl Sql for InFile<'_> {
    fn query(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, JournalError> {
        self.rows(&mut *self.kept(sql)?, values)
    }

    fn query_once(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, JournalError> {
        let statement = self.transaction.prepare(sql).map_err(|error| self.fault(&error));
        self.rows(&mut statement?, values)
    }

    fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<(), JournalError> {
        let done = self.kept(sql)?.execute(params_from_iter(values.iter().map(Bound)));
        done.map(drop).map_err(|error| self.fault(&error))
    }

    fn is_one_of(&self, column: &str, parameter: usize) -> String {
        format!("{column} IN (SELECT value FROM json_each(?{parameter}))")
    }

    fn are_there(&self) -> Result<bool, JournalError> {
        let sql = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'directory'";
        Ok(!self.query(sql, &[])?.is_empty())
    }

    fn make_anew(&self) -> Result<(), JournalError> {
        let made = self.drop_all().and_then(|()| self.transaction.execute_batch(TABLES));
        made.map_err(|error| self.fault(&error))
    }

    fn extent(&self) -> Result<(Position, Position), JournalError> {
        let found = self.query("SELECT position, pruned FROM journal", &[])?;
        let Some(row) = found.first() else { return Ok((0, 0)) };
        Ok((row.number(0)?.cast_unsigned(), row.number(1)?.cast_unsigned()))
    }
}

/// A value as SQLite is given it.
struct Bound<'v>(&'v Value);

impl ToSql for Bound<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self.0 {
            Value::Null => rusqlite::types::Null.into(),
            Value::Integer(number) => (*number).into(),
            Value::Text(text) => ToSqlOutput::Borrowed(text.as_str().into()),
        })
    }
}

fn value(of: ValueRef<'_>) -> rusqlite::Result<Value> {
    match of {
        ValueRef::Null => Ok(Value::Null),
        ValueRef::Integer(number) => Ok(Value::Integer(number)),
        other => Ok(Value::Text(String::from(other.as_str()?))),
    }
}
