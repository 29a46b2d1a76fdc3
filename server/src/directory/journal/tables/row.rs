//! A row, and what its columns say.

use portcullis::InvalidId;
use portcullis::journal::JournalError;

use super::Value;

/// A row that a query has answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::directory::journal) struct Row(pub(super) Vec<Value>);

impl Row {
    pub(in crate::directory::journal) fn text(
        &self,
        column: usize,
    ) -> Result<String, JournalError> {
        match self.0.get(column) {
            Some(Value::Text(text)) => Ok(text.clone()),
            other => Err(not("a text", column, other)),
        }
    }

    pub(in crate::directory::journal) fn number(&self, column: usize) -> Result<i64, JournalError> {
        match self.0.get(column) {
            Some(Value::Integer(number)) => Ok(*number),
            other => Err(not("a number", column, other)),
        }
    }

    /// A number that there may be none of.
    pub(in crate::directory::journal) fn number_if_any(
        &self,
        column: usize,
    ) -> Result<Option<i64>, JournalError> {
        match self.0.get(column) {
            Some(Value::Null) => Ok(None),
            _ => self.number(column).map(Some),
        }
    }

    pub(in crate::directory::journal) fn flag(&self, column: usize) -> Result<bool, JournalError> {
        Ok(self.number(column)? != 0)
    }

    pub(in crate::directory::journal) fn id<T>(&self, column: usize) -> Result<T, JournalError>
    where
        T: TryFrom<String, Error = InvalidId>,
    {
        T::try_from(self.text(column)?).map_err(|error| corrupt(error.to_string()))
    }
}

fn not(what: &str, column: usize, found: Option<&Value>) -> JournalError {
    corrupt(format!("column {column} is not {what}: {found:?}"))
}

fn corrupt(cause: String) -> JournalError {
    JournalError::Corrupt { journal: String::from("the directory's tables"), position: 0, cause }
}
