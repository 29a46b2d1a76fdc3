//! `portcullis prune`: old events leave the trail.

use std::sync::Arc;

use portcullis::DurableEngine;
use portcullis::journal::Journal;
use serde::Serialize;

use super::{failure, journal, run};
use crate::cli::Output;
use crate::cli::journal::PruneArgs;
use crate::directory::JournalDirectory;
use crate::exit::Failure;
use crate::output::json;
use crate::output::{print, rfc3339};

#[derive(Serialize)]
struct Report {
    removed: u64,
    before: String,
}

/// Removes the events that are older and that a checkpoint covers, which it writes first.
///
/// # Errors
///
/// The journal's.
pub fn command(args: &PruneArgs) -> Result<(), Failure> {
    run(async {
        let file = &args.journal.journal;
        let builder = DurableEngine::builder().checkpoint_every(1);
        let engine = builder.open_existing(journal(file).await?).await.map_err(failure)?;
        let engine = Arc::new(engine);
        // What the directory has not seen yet must not go.
        if JournalDirectory::is_in(file).map_err(failure)? {
            let directory = JournalDirectory::open(Arc::clone(&engine), file).await;
            directory.map_err(failure)?.save().await.map_err(failure)?;
        }
        // An engine that closes writes the checkpoint.
        engine.close().await;
        let before = args.older_than.0;
        let removed = journal(file).await?.prune(before).await.map_err(failure)?;
        let before = rfc3339(before);
        print(|to| match args.journal.output {
            Output::Json => json::write(&Report { removed, before }, to),
            Output::Table => writeln!(to, "{removed} events of before {before} removed"),
        })
    })
}
