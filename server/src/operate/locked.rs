//! `portcullis locked`: who is locked, and how many.

use std::collections::BTreeMap;

use portcullis::{DurableEngine, Lock, LockCause, OrgId, UserId};
use serde::Serialize;

use super::{read, run};
use crate::cli::Output;
use crate::cli::journal::{LockFilter, LockedArgs};
use crate::exit::Failure;
use crate::output::json::{self, LockJson};
use crate::output::table::Columns;
use crate::output::{print, rfc3339};

/// Lists or counts the locked users.
///
/// # Errors
///
/// The journal's.
pub fn command(args: &LockedArgs) -> Result<(), Failure> {
    run(async {
        let (engine, _) = read(&args.journal).await?;
        let locked = select(&engine, &args.filter);
        let output = args.journal.output;
        if args.count { report_counts(&locked, output) } else { report_users(&locked, output) }
    })
}

/// The locked users that a filter lets through, oldest lock first.
pub(super) fn select(engine: &DurableEngine, filter: &LockFilter) -> Vec<(UserId, Lock)> {
    engine.locked_users().filter(|(_, lock)| matches(lock, filter)).collect()
}

pub(super) fn matches(lock: &Lock, LockFilter { org, since }: &LockFilter) -> bool {
    org.as_ref().is_none_or(|org| lock.org == *org)
        && since.is_none_or(|since| lock.since >= since.0)
}

/// What locked, in a word.
pub(super) fn cause(lock: &Lock) -> String {
    match lock.cause {
        LockCause::Failures(factor) => factor.to_string(),
        LockCause::Administrator => String::from("administrator"),
    }
}

/// The columns of locked users.
pub(super) const HEADER: [&str; 4] = ["locked since", "organization", "user", "cause"];

pub(super) fn cells((user, lock): &(UserId, Lock)) -> [String; 4] {
    [rfc3339(lock.since), lock.org.to_string(), user.to_string(), cause(lock)]
}

/// A locked user, for programs.
#[derive(Serialize)]
pub(super) struct LockedJson {
    user: String,
    org: String,
    #[serde(flatten)]
    lock: LockJson,
}

impl From<&(UserId, Lock)> for LockedJson {
    fn from((user, lock): &(UserId, Lock)) -> Self {
        Self { user: user.to_string(), org: lock.org.to_string(), lock: lock.into() }
    }
}

#[derive(Serialize)]
struct UsersReport {
    locked: Vec<LockedJson>,
    total: usize,
}

fn report_users(locked: &[(UserId, Lock)], output: Output) -> Result<(), Failure> {
    print(|to| match output {
        Output::Json => {
            let report = UsersReport {
                locked: locked.iter().map(LockedJson::from).collect(),
                total: locked.len(),
            };
            json::write(&report, to)
        }
        Output::Table if locked.is_empty() => writeln!(to, "No user is locked."),
        Output::Table => {
            Columns::new(HEADER, &[]).write_all(locked, cells, to)?;
            writeln!(to, "\n{} locked", locked.len())
        }
    })
}

#[derive(Serialize)]
struct OrgCount {
    org: String,
    locked: usize,
}

#[derive(Serialize)]
struct CountsReport {
    orgs: Vec<OrgCount>,
    total: usize,
}

fn report_counts(locked: &[(UserId, Lock)], output: Output) -> Result<(), Failure> {
    let mut counts: BTreeMap<&OrgId, usize> = BTreeMap::new();
    for (_, lock) in locked {
        let count = counts.entry(&lock.org).or_default();
        *count = count.saturating_add(1);
    }
    let mut orgs: Vec<_> = counts
        .iter()
        .map(|(org, locked)| OrgCount { org: org.to_string(), locked: *locked })
        .collect();
    // Most first: it is where to look. Equal counts stay in order of the ids.
    orgs.sort_by_key(|it| std::cmp::Reverse(it.locked));
    print(|to| match output {
        Output::Json => json::write(&CountsReport { orgs, total: locked.len() }, to),
        Output::Table if orgs.is_empty() => writeln!(to, "No user is locked."),
        Output::Table => {
            let row = |it: &OrgCount| [it.org.clone(), it.locked.to_string()];
            Columns::new(["organization", "locked"], &[1]).write_all(&orgs, row, to)?;
            writeln!(to, "\n{} locked", locked.len())
        }
    })
}
