//! The operator's commands on a journal: they work while a server or a login service has it open, and
//! when none has.
//!
//! Commands that only read see the journal through `operate/view.rs`; the others open an engine on it, as any
//! other process would, so that the same rules decide and the trail names who it was.

pub mod check;
pub mod events;
pub mod import;
pub mod lock;
pub mod locked;
pub mod policy;
pub mod prune;
pub mod status;
pub mod token;
pub mod unlock;
mod view;

use std::fmt::Display;
use std::future::Future;
use std::path::Path;

use portcullis::journal::{Journal, JournalError, Position, SqliteJournal};
use portcullis::{DurableEngine, WriteError};

use crate::directory::DirectoryError;
use crate::exit::Failure;
use view::View;

/// Runs a command's future to its end.
pub(crate) fn run<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::fault)?.block_on(command)
}

/// The journal in a file that exists: a mistyped path must not become a new journal.
pub(crate) async fn journal(file: &Path) -> Result<SqliteJournal, Failure> {
    let missing = |cause: &dyn Display| {
        let file = file.display();
        Failure::bad_input(format!(
            "there is no journal at {file}: {cause}; `portcullis policy set --create` makes one"
        ))
    };
    std::fs::metadata(file).map_err(|error| missing(&error))?;
    let journal = SqliteJournal::open(file).await.map_err(failure)?;
    match journal.head().await.map_err(failure)? {
        0 => Err(missing(&"the file is empty")),
        _ => Ok(journal),
    }
}

/// An engine that reads a journal as it is now, and writes nothing.
async fn read(file: &Path) -> Result<DurableEngine, Failure> {
    let mut tries = 0..TRIES;
    loop {
        let view = View::of(journal(file).await?).await.map_err(failure)?;
        match DurableEngine::open_existing(view).await {
            Err(JournalError::Pruned { .. }) if tries.next().is_some() => {}
            opened => return opened.map_err(failure),
        }
    }
}

/// How often to look again where another process removes events while they are read.
const TRIES: u32 = 3;

/// An engine that writes to a journal.
async fn write(file: &Path) -> Result<DurableEngine, Failure> {
    DurableEngine::open_existing(journal(file).await?).await.map_err(failure)
}

/// The position after which a trail begins: not 0 where its beginning was pruned.
pub(crate) async fn trail_start(journal: &impl Journal) -> Result<Position, JournalError> {
    match journal.read_after(0, 1).await {
        Err(JournalError::Pruned { oldest }) => Ok(oldest.saturating_sub(1)),
        read => read.map(|_| 0),
    }
}

/// What a journal's error means for the command.
pub(crate) fn failure(error: JournalError) -> Failure {
    match error {
        JournalError::Foreign { .. }
        | JournalError::Missing { .. }
        | JournalError::OtherInstance { .. }
        | JournalError::Pruned { .. } => Failure::bad_input(error),
        _ => Failure::fault(error),
    }
}

/// What a change of the directory that was not made means for the command.
pub(crate) fn undone(error: DirectoryError) -> Failure {
    match error {
        DirectoryError::Journal(error) => failure(error),
        DirectoryError::BadText { .. } => Failure::bad_input(error),
        _ => Failure::refused(error),
    }
}

/// What a change that was not made means for the command; `what` is the thing to change.
fn unwritten<E: Display>(what: impl Display, error: WriteError<E>) -> Failure {
    match error {
        WriteError::Refused(rule) => Failure::refused(format!("{what}: {rule}")),
        WriteError::Journal(error) => failure(error),
    }
}
