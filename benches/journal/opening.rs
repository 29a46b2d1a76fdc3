//! Opening a long journal, from its first event on and through a checkpoint; and the memory that the
//! engine then takes.
//!
//! Each opening has a process of its own, so that none finds memory that another has freed.

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime};

use portcullis::journal::{Batch, Journal, SqliteJournal};
use portcullis::{
    Actor, Admission, Aggregate, Engine, Event, Factor, PolicyEvent, Recorded, Verdict,
};
use rusqlite::Connection;

use super::common::{Bound, median, test_mode};
use super::{POLICY, child, claim, folder, org, runtime, user};

/// The first arguments of processes that open a journal and tell how long it took, open and close
/// one, and remember so many users in memory alone.
pub(crate) const OPEN: &str = "--open";
pub(crate) const CLOSE: &str = "--close";
pub(crate) const REMEMBER: &str = "--remember";

const ROUNDS: usize = 3;
/// How often each user has failed.
const FAILURES: u64 = 10;
/// How many events are appended at a time.
const BATCH: usize = 20_000;

/// Makes a journal in which each user has failed so often, straight through the journal. Those of a
/// user follow each other: that is the kindest order to who replays them.
pub(crate) async fn fill(file: &Path, users: u64, failures: u64) {
    let journal = SqliteJournal::open(file).await.unwrap();
    let start = SystemTime::now() - Duration::from_secs(1 << 24);
    let recorded = |position: u64, actor, aggregate, event| Recorded {
        position,
        sequence: position,
        at: start + Duration::from_micros(position * 1_003),
        actor,
        aggregate,
        event,
    };
    let first = Event::InstancePolicy(PolicyEvent::Added(POLICY));
    let instance = Aggregate::Instance("bench".parse().unwrap());
    let mut batch =
        Batch { writer: 1, number: 0, events: vec![recorded(1, Actor::system(), instance, first)] };
    let mut head = 0;
    for i in 0..users {
        let (org, user) = (org(i), user(i));
        for failure in 0..failures {
            let position = 2 + i * failures + failure;
            let aggregate = Aggregate::User { org: org.clone(), user: user.clone() };
            let event = Event::CheckFailed { factor: Factor::Password, info: None };
            batch.events.push(recorded(position, Actor::from(&user), aggregate, event));
        }
        if batch.events.len() >= BATCH || i + 1 == users {
            head = journal.append(head, &batch).await.unwrap();
            batch.number += 1;
            batch.events.clear();
        }
    }
    journal.release();
}

/// A child: opens, and tells the seconds, the bytes in memory and how many users there are.
pub(crate) fn open(file: &str) {
    runtime().block_on(async {
        let start = Instant::now();
        let engine = super::open(Path::new(file)).await;
        let seconds = start.elapsed().as_secs_f64();
        println!("{seconds} {} {}", resident(), engine.tracked_users());
        // It ends as a process that is killed does: an engine that is dropped writes a checkpoint.
        std::process::exit(0);
    });
}

/// A child: opens and closes, which writes a checkpoint.
pub(crate) fn close(file: &str) {
    runtime().block_on(async { super::open(Path::new(file)).await.close().await });
}

/// A child: the engine without a journal, with the same users.
pub(crate) fn remember(users: &str) {
    let engine = Engine::new("bench".parse().unwrap(), POLICY);
    for i in 0..users.parse().unwrap() {
        let (org, user) = (org(i), user(i));
        for _ in 0..FAILURES {
            let Admission::Admitted(attempt) = engine.begin(&org, &user, Factor::Password) else {
                unreachable!("without a limit everybody is admitted")
            };
            assert!(matches!(attempt.fail(), Verdict::Rejected { .. }));
        }
    }
    println!("0 {} {}", resident(), engine.tracked_users());
}

/// The bytes of this process that are in memory. The system counts in KiB.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.map_or(0, |kib| kib.parse::<u64>().unwrap() * 1024)
}

/// What a child told: the seconds, the bytes, the users.
fn told(role: &str, with: impl AsRef<std::ffi::OsStr>) -> [f64; 3] {
    let output = child(role, with).stderr(Stdio::inherit()).output().unwrap();
    assert!(output.status.success());
    let words = String::from_utf8(output.stdout).unwrap();
    let numbers: Vec<f64> = words.split_whitespace().map(|it| it.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

/// Takes the finished checkpoint for one that was not finished, or the other way round.
fn show_checkpoint(file: &Path, shown: bool) {
    let connection = Connection::open(file).unwrap();
    let parts = if shown { "(SELECT count(*) FROM checkpoint_part)" } else { "NULL" };
    let changed = connection.execute(&format!("UPDATE checkpoint SET parts = {parts}"), []);
    assert_eq!(changed, Ok(1), "there is no checkpoint");
}

/// Measures and prints the claims.
pub(crate) fn ratios() {
    let (rounds, users, size) =
        if test_mode() { (1, 1_000, "1k") } else { (ROUNDS, 1_000_000, "1M") };
    println!(
        "opening a journal of {size} users with {FAILURES} failures each, medians of {rounds} rounds"
    );
    let folder = folder();
    let file = folder.path().join("journal.db");
    let start = Instant::now();
    runtime().block_on(fill(&file, users, FAILURES));
    let filled = start.elapsed().as_secs_f64();
    let start = Instant::now();
    assert!(child(CLOSE, &file).status().unwrap().success());
    let closed = start.elapsed().as_secs_f64();
    println!("  made in {filled:.1} s, opened and closed with a checkpoint in {closed:.1} s");

    let measured: Vec<_> = (0..rounds)
        .map(|_| {
            show_checkpoint(&file, false);
            let replay = told(OPEN, &file);
            show_checkpoint(&file, true);
            let checkpoint = told(OPEN, &file);
            let memory = told(REMEMBER, users.to_string());
            for [_, _, tracked] in [replay, checkpoint, memory] {
                assert_eq!(tracked as u64, users);
            }
            [replay, checkpoint, memory]
        })
        .collect();
    let of = |value: &dyn Fn(&[[f64; 3]; 3]) -> f64| median(measured.iter().map(value).collect());
    let mib = |which: usize| of(&|it| it[which][1]) / f64::from(1 << 20);
    let seconds = |which: usize| of(&|it| it[which][0]);
    println!(
        "  replay {:.2} s, {:.0} MiB  checkpoint {:.2} s, {:.0} MiB  in memory {:.0} MiB",
        seconds(0),
        mib(0),
        seconds(1),
        mib(1),
        mib(2)
    );
    let faster = of(&|it| it[0][0] / it[1][0]);
    claim(&format!("opening {size} users, replay/checkpoint"), faster, &Bound::AtLeast(4.0));
    let larger = of(&|it| it[1][1] / it[2][1]);
    let label = format!("resident at {size} users, after a checkpoint/in memory");
    claim(&label, larger, &Bound::AtMost(1.2));
}
