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
use std::sync::Arc;

use portcullis::journal::{Journal, JournalError, Position};
use portcullis::{DurableEngine, InstanceId, WriteError};

use crate::cli::journal::JournalArgs;
use crate::directory::{DirectoryError, Tables};
use crate::exit::Failure;
use crate::place::{Opened, Place};
use view::View;

/// Runs a command's future to its end.
pub(crate) fn run<T>(command: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(Failure::fault)?.block_on(command)
}

/// A journal that exists: a mistyped place must not become a new one.
pub(crate) async fn journal(
    place: &Place,
    instance: Option<&InstanceId>,
) -> Result<Opened, Failure> {
    let missing = |cause: &str| {
        Failure::bad_input(format!(
            "there is no journal at {place}: {cause}; `portcullis policy set --create` makes one"
        ))
    };
    let opened = match place.open(instance, false).await {
        Err(JournalError::Missing { cause, .. }) => return Err(missing(&cause)),
        opened => opened.map_err(failure)?,
    };
    match opened.journal.head().await.map_err(failure)? {
        0 => Err(match (place, instance) {
            (Place::File(_), _) => missing("the file is empty"),
            (Place::Database(_), None) => missing("the database has none yet"),
            (Place::Database(_), Some(instance)) => {
                missing(&format!("the database has none of the instance {instance}"))
            }
        }),
        _ => Ok(opened),
    }
}

async fn opened(args: &JournalArgs) -> Result<Opened, Failure> {
    journal(&args.journal, args.instance.as_ref()).await
}

/// An engine that reads a journal as it is now, and writes nothing; and where its directory's tables are.
async fn read(args: &JournalArgs) -> Result<(DurableEngine, Tables), Failure> {
    let Opened { journal, tables } = opened(args).await?;
    let mut tries = 0..TRIES;
    loop {
        let view = View::of(Arc::clone(&journal)).await.map_err(failure)?;
        match DurableEngine::open_existing(view).await {
            Err(JournalError::Pruned { .. }) if tries.next().is_some() => {}
            opened => return Ok((opened.map_err(failure)?, tables)),
        }
    }
}

/// How often to look again where another process removes events while they are read.
const TRIES: u32 = 3;

/// An engine that writes to a journal; and where its directory's tables are.
async fn write(args: &JournalArgs) -> Result<(DurableEngine, Tables), Failure> {
    let Opened { journal, tables } = opened(args).await?;
    Ok((DurableEngine::open_existing(journal).await.map_err(failure)?, tables))
}

/// The position after which a trail begins: not 0 where its beginning was pruned.
pub(crate) async fn trail_start(journal: &dyn Journal) -> Result<Position, JournalError> {
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
