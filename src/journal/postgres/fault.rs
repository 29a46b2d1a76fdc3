//! What errors of the database mean, above all: whether it is sure that nothing was written.

use std::error::Error as _;
use std::fmt::Write;
use std::future::Future;
use std::time::Duration;

use deadpool_postgres::{HookError, PoolError};
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, Severity, SqlState};

use super::server::Server;
use crate::journal::JournalError;

/// The longest to wait for an answer. The server gives up sooner, see `connection::SESSION`.
pub(super) const ANSWER_LIMIT: Duration = Duration::from_secs(3);

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Fault {
    /// The server said no, or was not asked: nothing was changed.
    Refused(String),
    /// There was no answer, or none to be sure of.
    Lost(String),
    /// Something that asking again does not cure.
    Told(JournalError),
}

/// Waits for an answer, but not for ever: the connection may be dead without anybody saying so.
pub(super) fn answered<T, E: Into<Fault>>(
    answer: impl Future<Output = Result<T, E>>,
) -> impl Future<Output = Result<T, Fault>> {
    answered_within(ANSWER_LIMIT, answer)
}

/// The same for what may take longer.
pub(super) async fn answered_within<T, E: Into<Fault>>(
    limit: Duration,
    answer: impl Future<Output = Result<T, E>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer.map_err(Into::into),
        Err(_) => Err(Fault::Lost(format!("no answer within {limit:?}"))),
    }
}

impl Fault {
    /// For what was asked before anything that writes: whatever went wrong, nothing was written.
    pub(super) fn unsent(self) -> Self {
        match self {
            Self::Lost(cause) => Self::Refused(cause),
            other => other,
        }
    }

    /// For a question of which an earlier call's fate hangs.
    pub(super) fn in_doubt(self) -> Self {
        match self {
            Self::Refused(cause) => Self::Lost(cause),
            Self::Told(fault) => Self::Lost(fault.to_string()),
            lost @ Self::Lost(_) => lost,
        }
    }

    /// Of a call that commits on its way: what it has met after that is no refusal.
    pub(super) fn of_call(error: Error) -> Self {
        let late = [SqlState::QUERY_CANCELED, SqlState::OUT_OF_MEMORY];
        let may_be_late = error.code().is_some_and(|code| late.contains(code));
        let fault = Self::from(error);
        if may_be_late { fault.in_doubt() } else { fault }
    }

    /// As callers see it.
    pub(super) fn of(self, server: &Server) -> JournalError {
        match self {
            Self::Refused(cause) | Self::Lost(cause) => {
                JournalError::Unavailable(format!("{server}: {cause}"))
            }
            Self::Told(fault) => fault,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        if error.as_db_error().is_some_and(is_sure) {
            Self::Refused(told(&error))
        } else {
            Self::Lost(told(&error))
        }
    }
}

/// What an error says, and what its causes say.
pub(super) fn told(error: &Error) -> String {
    if let Some(error) = error.as_db_error() {
        return error.to_string();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}

/// Whether a transaction that ended with this error has certainly changed nothing. An error of the
/// severity ERROR comes before the commit. One that ends the session may come at any moment; and those
/// of the classes 08 (connection) and 57P (shutdown) may be a pooler's, who knows no more than we do.
fn is_sure(error: &DbError) -> bool {
    if *error.code() == SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT {
        return true; // the server ends only what was not to be committed yet
    }
    let code = error.code().code();
    error.parsed_severity() == Some(Severity::Error)
        && !code.starts_with("08")
        && !code.starts_with("57P")
}

/// There is no connection: nothing was asked.
impl From<PoolError> for Fault {
    fn from(error: PoolError) -> Self {
        match error {
            // A setting is refused, see `connection::check`.
            PoolError::PostCreateHook(HookError::Message(cause)) => Self::Refused(cause.into()),
            PoolError::PostCreateHook(HookError::Backend(error)) | PoolError::Backend(error) => {
                Self::Refused(told(&error))
            }
            PoolError::Timeout(_) => {
                Self::Refused(format!("no connection within {ANSWER_LIMIT:?}"))
            }
            other => Self::Refused(other.to_string()),
        }
    }
}
