//! The durable engine on its file journal, beside what one would write instead and beside what the
//! disk can do at best.
//!
//! The times are a disk's: they mean nothing where files are kept in memory, so there nothing is
//! measured.
//!
//! `cargo bench --bench journal -- ratios` measures the claims alone.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod common;

#[path = "journal/clean.rs"]
mod clean;
#[path = "journal/opening.rs"]
mod opening;
#[path = "journal/settle.rs"]
mod settle;
#[path = "journal/sharing.rs"]
mod sharing;

use std::env;
use std::fs;
use std::path::Path;
use std::process::Command;

use common::{claim, test_mode};
use portcullis::journal::SqliteJournal;
use portcullis::{DurableEngine, LockoutPolicy, OrgId, UserId};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// No number of failures locks, so no user is ever locked or busy.
const POLICY: LockoutPolicy = LockoutPolicy::new(0, 0);

/// A new folder beside what cargo builds, which is on a disk far more often than the system's
/// folder for temporary files is.
fn folder() -> TempDir {
    tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// The file system that a folder is on, as the system calls it; where it does not tell, `None`.
fn file_system(folder: &Path) -> Option<String> {
    let folder = folder.canonicalize().unwrap();
    let mounts = fs::read_to_string("/proc/mounts").ok()?;
    let places = mounts.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        Some((words.next()?, words.next()?))
    });
    let around = places.filter(|(place, _)| folder.starts_with(place));
    // Of two at one place the later one hides the other.
    around.max_by_key(|(place, _)| place.len()).map(|(_, kind)| String::from(kind))
}

async fn open(file: &Path) -> DurableEngine {
    let journal = SqliteJournal::open(file).await.unwrap();
    DurableEngine::open("bench".parse().unwrap(), POLICY, journal).await.unwrap()
}

fn user(i: u64) -> UserId {
    common::id(i).parse().unwrap()
}

fn org(user: u64) -> OrgId {
    common::id(50_000_000 + user % 1_000).parse().unwrap()
}

/// A runtime as a server has it: a worker for each core.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

/// This program again, as a process that does one thing with a file or a number.
fn child(role: &str, with: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(env::current_exe().unwrap());
    command.arg(role).arg(with);
    command
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [role, with] = arguments.as_slice() {
        match role.as_str() {
            sharing::SETTLE => return sharing::settle(with),
            opening::OPEN => return opening::open(with),
            opening::CLOSE => return opening::close(with),
            opening::REMEMBER => return opening::remember(with),
            _ => {}
        }
    }
    let kind = file_system(folder().path());
    if kind.as_deref().is_some_and(|kind| matches!(kind, "tmpfs" | "ramfs")) && !test_mode() {
        println!("THE JOURNAL IS NOT MEASURED: the build's folder is in memory, not on a disk.");
        return;
    }
    let mut criterion = common::criterion();
    settle::criterion_group(&mut criterion);
    clean::criterion_group(&mut criterion);
    criterion.final_summary();
    if common::wants_ratios() || test_mode() {
        println!("\non {}", kind.as_deref().unwrap_or("a disk"));
        settle::ratios();
        clean::ratios();
        sharing::ratios();
        opening::ratios();
    }
}
