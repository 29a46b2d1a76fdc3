//! A success that changes nothing: what it costs to look at the journal's head first.
//!
//! SQLite looks at its log before the file. An engine that has just opened a file that was closed
//! well finds the log empty, and each look then also asks for the length of the file; with its first
//! append that ends. Both are measured.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use criterion::Criterion;
use futures_util::FutureExt;
use portcullis::durable::Admission as DurableAdmission;
use portcullis::{Admission, DurableEngine, Engine, Factor, OrgId, UserId, Verdict};
use rusqlite::{Connection, OpenFlags};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::common::{Bound, ROUNDS, Rounds, Subject, bench, random, test_mode, time};
use super::{POLICY, claim, folder, open, opening, org, runtime, settle, user};

/// How many users are on record. Those who succeed are others.
const TRACKED: u64 = 10_000;
const FIRST_CLEAN: u64 = 20_000_000;

/// The subjects: the engine without a journal, with one, and with one whose log is empty.
const NAMES: [&str; 3] = ["in memory", "durable", "durable, empty log"];

struct OnJournal {
    engine: Arc<DurableEngine>,
    file: PathBuf,
    _folder: TempDir,
}

impl OnJournal {
    async fn new(users: u64, with_log: bool) -> Self {
        let folder = folder();
        let file = folder.path().join("journal.db");
        opening::fill(&file, users, 1).await;
        let engine = Arc::new(open(&file).await);
        if with_log {
            settle::fail(&engine, &org(0), &user(0)).await;
        }
        Self { engine, file, _folder: folder }
    }

    fn subject<'a>(&'a self, name: &'static str, logins: &'a [(OrgId, UserId)]) -> Subject<'a> {
        Subject::new(name, logins, |(org, user)| {
            match self.engine.begin(org, user, Factor::Password) {
                // It waits for nobody, so its first answer is there at once.
                DurableAdmission::Admitted(it) => {
                    let settled = it.succeed().now_or_never().unwrap();
                    u64::from(settled == Ok(Verdict::Accepted))
                }
                _ => 0,
            }
        })
    }

    /// All that a write would change: the head, and the length and time of the file and its log.
    fn traces(&self) -> (i64, [(u64, SystemTime); 2]) {
        let trace = |file: &Path| {
            let metadata = fs::metadata(file).unwrap();
            (metadata.len(), metadata.modified().unwrap())
        };
        let look = Connection::open_with_flags(&self.file, OpenFlags::SQLITE_OPEN_READ_ONLY);
        let head =
            look.unwrap().query_row("SELECT position FROM journal", [], |row| row.get(0)).unwrap();
        (head, [trace(&self.file), trace(&self.file.with_extension("db-wal"))])
    }
}

struct World {
    in_memory: Engine,
    durable: [OnJournal; 2],
    logins: Vec<(OrgId, UserId)>,
    runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let users = if test_mode() { 100 } else { TRACKED };
        let in_memory = Engine::new("bench".parse().unwrap(), POLICY);
        for i in 0..users {
            let Admission::Admitted(attempt) = in_memory.begin(&org(i), &user(i), Factor::Password)
            else {
                unreachable!("without a limit everybody is admitted")
            };
            assert!(matches!(attempt.fail(), Verdict::Rejected { .. }));
        }
        let runtime = runtime();
        let durable = [true, false].map(|log| runtime.block_on(OnJournal::new(users, log)));
        for durable in &durable {
            assert_eq!(durable.engine.tracked_users(), in_memory.tracked_users());
        }
        let clean = random(users).map(|i| FIRST_CLEAN + i);
        let logins = clean.map(|i| (org(i), user(i))).collect();
        Self { in_memory, durable, logins, runtime }
    }

    fn subjects(&self) -> [Subject<'_>; 3] {
        let Self { in_memory, durable, logins, .. } = self;
        [
            Subject::new(NAMES[0], logins, |(org, user)| {
                match in_memory.begin(org, user, Factor::Password) {
                    Admission::Admitted(it) => u64::from(it.succeed() == Verdict::Accepted),
                    _ => 0,
                }
            }),
            durable[0].subject(NAMES[1], logins),
            durable[1].subject(NAMES[2], logins),
        ]
    }
}

impl Drop for World {
    /// Waits for the committers, which else would be at work beside what is measured next.
    fn drop(&mut self) {
        for durable in &self.durable {
            self.runtime.block_on(durable.engine.close());
        }
    }
}

pub(crate) fn criterion_group(criterion: &mut Criterion) {
    let world = LazyLock::new(World::new);
    let mut group = criterion.benchmark_group("begin+succeed, clean user");
    for (subject, name) in NAMES.into_iter().enumerate() {
        bench(&mut group, name, |calls| time(&world.subjects()[subject], 1, calls));
    }
}

/// Measures and prints the claims.
pub(crate) fn ratios() {
    let world = World::new();
    let subjects = world.subjects();
    let traces = || world.durable.each_ref().map(OnJournal::traces);
    let before = traces();
    let [written, empty] = before.map(|(_, [_, (log, _)])| log > 0);
    assert!(written && !empty, "the logs are not as they should be");
    for subject in &subjects {
        assert_eq!(subject.sum(), world.logins.len() as u64, "{}", subject.name);
    }
    if !test_mode() {
        println!("ns per call (ratio to the first), medians of {ROUNDS} rounds");
        let rounds = Rounds::of(&subjects, 1);
        rounds.print("begin+succeed, clean user", &subjects);
        for (subject, name) in NAMES.iter().enumerate().skip(1) {
            let more = rounds.difference(subject, 0) / 1000.0;
            let label = format!("clean success, us more than in memory, {name}");
            claim(&label, more, &Bound::AtMost(3.0));
        }
    }
    assert_eq!(traces(), before, "a clean success wrote to the journal");
}
