//! `portcullis prune`: old events leave the trail.

use std::sync::Arc;

use portcullis::DurableEngine;
use portcullis::journal::Journal as _;
use serde::Serialize;

use super::{failure, opened, run};
use crate::cli::Output;
use crate::cli::journal::PruneArgs;
use crate::directory::JournalDirectory;
use crate::exit::Failure;
use crate::output::json;
use crate::output::{print, rfc3339};
use crate::place::Opened;

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
        let Opened { journal, tables } = opened(&args.journal).await?;
        let builder = DurableEngine::builder().checkpoint_every(1);
        let engine = builder.open_existing(Arc::clone(&journal)).await.map_err(failure)?;
        let engine = Arc::new(engine);
        // What the directory has not seen yet must not go.
        if JournalDirectory::is_in(tables.clone()).await.map_err(failure)? {
            let directory = JournalDirectory::open(Arc::clone(&engine), tables).await;
            directory.map_err(failure)?.save().await.map_err(failure)?;
        }
        // An engine that closes writes the checkpoint.
        engine.close().await;
        let before = args.older_than.0;
        let removed = journal.prune(before).await.map_err(failure)?;
        let before = rfc3339(before);
        print(|to| match args.journal.output {
            Output::Json => json::write(&Report { removed, before }, to),
            Output::Table => writeln!(to, "{removed} events of before {before} removed"),
        })
    })
}
