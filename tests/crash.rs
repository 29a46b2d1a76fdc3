//! Crashes of the file journal: by design (what is durable stops at each sync in turn), and for real
//! (a child process killed at random moments, a file that cannot grow). Damage done to the file.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "crash/damage.rs"]
mod damage;
#[path = "crash/full.rs"]
mod full;
#[path = "crash/kill.rs"]
mod kill;
#[path = "crash/log.rs"]
mod log;
#[path = "crash/processes.rs"]
mod processes;
#[path = "crash/replayed.rs"]
mod replayed;
#[path = "crash/syncs.rs"]
mod syncs;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use portcullis::journal::SqliteJournal;
use portcullis::{DurableEngine, LockoutPolicy, OrgId};

fn org() -> OrgId {
    "acme".parse().unwrap()
}

async fn open(file: &Path, limit: u32) -> Arc<DurableEngine> {
    let journal = SqliteJournal::open(file).await.unwrap();
    let policy = LockoutPolicy::new(limit, limit);
    Arc::new(DurableEngine::open("main".parse().unwrap(), policy, journal).await.unwrap())
}

/// This test program again, as another process that runs one of its tests with a file to work on.
/// That test does nothing when it is run without one.
fn child(test: &str, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env("PORTCULLIS_CRASH_FILE", file)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// The file that a parent process gave to a child.
fn given_file() -> Option<std::path::PathBuf> {
    std::env::var_os("PORTCULLIS_CRASH_FILE").map(Into::into)
}
