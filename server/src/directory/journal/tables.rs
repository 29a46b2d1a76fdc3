//! Where the tables are, and how they are read and written: one way for both databases.
//!
//! Statements are written once, in what both understand; where they must differ there is a method of
//! [`Sql`]. All of this blocks its thread.

mod database;
mod file;
mod row;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use portcullis::journal::{JournalError, Position, PostgresTables, PostgresValue};

pub(super) use database::Database;
pub(super) use file::File;
pub(super) use row::Row;

/// What is bound to a statement, and what it answers with. SQLite has the same.
pub(super) type Value = PostgresValue;

/// Where the tables of a directory are: in the file of an SQLite journal, or in the database of a
/// PostgreSQL one. Clones are the same tables.
#[derive(Clone)]
pub struct Tables(Place);

#[derive(Clone)]
enum Place {
    File(Arc<File>),
    Database(PostgresTables),
}

/// What a transaction can do. Parameters are written `?1`, `?2` …
pub(super) trait Sql {
    /// The rows that a query answers with.
    fn query(&self, sql: &'static str, values: &[Value]) -> Result<Vec<Row>, JournalError>;

    /// The same for a statement that is made of what somebody asks for, and so is not kept.
    fn query_once(&self, sql: &str, values: &[Value]) -> Result<Vec<Row>, JournalError>;

    /// Runs a statement that answers nothing. Its error may be told by what comes after it.
    fn execute(&self, sql: &'static str, values: Vec<Value>) -> Result<(), JournalError>;

    /// The condition that a column is one of the JSON array of texts that is bound as that parameter.
    fn is_one_of(&self, column: &str, parameter: usize) -> String;

    /// Whether there are tables.
    fn are_there(&self) -> Result<bool, JournalError>;

    /// Makes the tables, empty, whatever there was of this journal's.
    fn make_anew(&self) -> Result<(), JournalError>;

    /// The journal's head, and up to which position events were pruned.
    fn extent(&self) -> Result<(Position, Position), JournalError>;
}

impl Tables {
    /// Reads them as they are at one moment.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&dyn Sql) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match &self.0 {
            Place::File(file) => file.read(|transaction| work(transaction)),
            Place::Database(tables) => tables.read(|transaction| work(&Database(transaction))),
        }
    }

    /// Writes, all or nothing, while nobody else does in any process.
    pub(super) fn write<T>(
        &self,
        work: impl FnOnce(&dyn Sql) -> Result<T, JournalError>,
    ) -> Result<T, JournalError> {
        match &self.0 {
            Place::File(file) => file.write(|transaction| work(transaction)),
            Place::Database(tables) => tables.write(|transaction| work(&Database(transaction))),
        }
    }

    /// Whether the journal can be trusted to have told what others did: from a file, whatever there is
    /// can be read; over a network nothing may come any more. Does not block.
    pub(super) fn current(&self) -> Result<(), JournalError> {
        match &self.0 {
            Place::File(_) => Ok(()),
            Place::Database(tables) => tables.current(),
        }
    }

    /// Says that the journal holds at a position what it should not.
    pub(super) fn corrupt(&self, position: Position, cause: String) -> JournalError {
        JournalError::Corrupt { journal: self.to_string(), position, cause }
    }

    /// The tables became another program's while they were in use.
    pub(super) fn foreign(&self) -> JournalError {
        let cause =
            String::from("another version of this program has made the directory's tables anew");
        JournalError::Foreign { journal: self.to_string(), cause }
    }
}

/// Any number of texts as one parameter, a JSON array, see [`Sql::is_one_of`]. No text that is stored has a
/// NUL, and PostgreSQL would refuse to be asked for one.
pub(super) fn list<'t>(texts: impl IntoIterator<Item = &'t str>) -> Value {
    let texts: Vec<&str> = texts.into_iter().filter(|text| !text.contains('\0')).collect();
    Value::Text(serde_json::json!(texts).to_string())
}

impl From<&Path> for Tables {
    fn from(file: &Path) -> Self {
        Self(Place::File(Arc::new(File::new(file))))
    }
}

impl From<&PathBuf> for Tables {
    fn from(file: &PathBuf) -> Self {
        Self::from(file.as_path())
    }
}

impl From<PostgresTables> for Tables {
    fn from(tables: PostgresTables) -> Self {
        Self(Place::Database(tables))
    }
}

impl fmt::Display for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::File(file) => file.path().display().fmt(f),
            Place::Database(tables) => tables.fmt(f),
        }
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tables").field(&self.to_string()).finish()
    }
}
