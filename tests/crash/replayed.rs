//! Recorded attempts, settled in three ways that must come to the same: by an engine in memory, by a
//! durable one in one go, and by processes that are killed one after the other, each going on where
//! the journal says that the last one was.
//!
//! `PORTCULLIS_ATTEMPTS` names another file of attempts, in the format of `portcullis replay`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::Child;
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use portcullis::durable::Admission;
use portcullis::journal::{Journal, SqliteJournal};
use portcullis::{
    AttemptInfo, DurableEngine, Engine, Event, Factor, LockCause, LockoutPolicy, ManualClock,
    Observer, OrgId, Recorded, UserId, Verdict,
};

use super::{child, given_file};

/// How often the recordings are interrupted.
const KILLS: usize = 7;

struct Recording {
    at: SystemTime,
    org: OrgId,
    user: UserId,
    factor: Factor,
    right: bool,
}

fn recordings() -> Vec<Recording> {
    let given = std::env::var_os("PORTCULLIS_ATTEMPTS");
    let ours = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/attempts.jsonl");
    let text = std::fs::read_to_string(given.unwrap_or(ours.into())).unwrap();
    let recording = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let field = |name: &str| line[name].as_str().unwrap();
        let at: jiff::Timestamp = field("at").parse().unwrap();
        let factor = Factor::ALL.into_iter().find(|factor| factor.name() == field("factor"));
        Recording {
            at: at.try_into().unwrap(),
            org: field("org").parse().unwrap(),
            user: field("user").parse().unwrap(),
            factor: factor.unwrap(),
            right: field("outcome") == "success",
        }
    };
    text.lines().map(recording).collect()
}

/// The number of an attempt goes into its event, so that the trail tells where it ends.
fn numbered(number: usize) -> AttemptInfo {
    AttemptInfo { request_id: Some(number.to_string()), ..AttemptInfo::default() }
}

/// How many attempts are over for sure, by the trail. What came after the last one in it has
/// written nothing, was refused or changed nothing, and would again.
fn settled(trail: &[Recorded]) -> usize {
    let number = |recorded: &Recorded| match &recorded.event {
        Event::CheckFailed { info, .. } | Event::CheckSucceeded { info, .. } => {
            info.as_ref()?.request_id.as_ref()?.parse().ok()
        }
        _ => None,
    };
    trail.iter().rev().find_map(number).map_or(0, |number: usize| number + 1)
}

/// Lock time, organization, user, factor, failures of it.
type Locked = (SystemTime, OrgId, UserId, Factor, u32);

/// What attempts came to.
#[derive(Debug, PartialEq)]
struct Outcome {
    locks: Vec<Locked>,
    /// Of each user in the recordings, by factor.
    failures: Vec<[u32; 5]>,
    trail: Vec<Recorded>,
}

#[derive(Clone, Default)]
struct Seen(Arc<Mutex<Vec<Recorded>>>);

impl Observer for Seen {
    fn event(&self, recorded: &Recorded) {
        self.0.lock().unwrap().push(recorded.clone());
    }
}

/// Reads an engine's outcome; both kinds have the same names.
macro_rules! outcome {
    ($engine:expr, $recordings:expr, $trail:expr) => {{
        let status = |recording: &Recording| $engine.status(&recording.user);
        let lock = |(user, lock): (UserId, portcullis::Lock)| {
            let LockCause::Failures(factor) = lock.cause else { panic!("{lock:?}") };
            let failures = $engine.status(&user).failures(factor);
            (lock.since, lock.org, user, factor, failures)
        };
        Outcome {
            locks: $engine.locked_users().map(lock).collect(),
            failures: $recordings
                .iter()
                .map(|it| Factor::ALL.map(|factor| status(it).failures(factor)))
                .collect(),
            trail: $trail,
        }
    }};
}

/// What is in force: a limit for all, and a stricter or looser one for the first organization.
#[derive(Clone, Copy, Debug)]
struct Policies {
    default: LockoutPolicy,
    overriding: Option<LockoutPolicy>,
}

fn in_memory(policies: Policies, recordings: &[Recording]) -> Outcome {
    let (clock, seen) = (ManualClock::at(recordings[0].at), Seen::default());
    let engine = Engine::builder("main".parse().unwrap(), policies.default)
        .clock(clock.clone())
        .observer(seen.clone())
        .build();
    if let Some(policy) = policies.overriding {
        engine.add_override(&recordings[0].org, policy).unwrap();
    }
    for (number, it) in recordings.iter().enumerate() {
        clock.set(it.at);
        let admission = engine.begin(&it.org, &it.user, it.factor);
        if let portcullis::Admission::Admitted(attempt) = admission {
            let attempt = attempt.with_info(numbered(number));
            let _ = if it.right { attempt.succeed() } else { attempt.fail() };
        }
    }
    let trail = seen.0.lock().unwrap().clone();
    outcome!(engine, recordings, trail)
}

/// Makes a journal with the policies in it.
async fn found(file: &Path, policies: Policies, recordings: &[Recording]) {
    let journal = SqliteJournal::open(file).await.unwrap();
    let builder = DurableEngine::builder().clock(ManualClock::at(recordings[0].at));
    let engine = builder.open("main".parse().unwrap(), policies.default, journal).await.unwrap();
    if let Some(policy) = policies.overriding {
        engine.add_override(&recordings[0].org, policy).await.unwrap();
    }
    engine.close().await;
}

/// Settles attempts from where the journal in a file ends. Asks before each and tells of each.
async fn go_on(
    file: &Path,
    recordings: &[Recording],
    mut may: impl FnMut(),
    mut told: impl FnMut(usize, Option<Verdict>),
) -> DurableEngine {
    let journal = SqliteJournal::open(file).await.unwrap();
    let first = settled(&journal.read_after(0, usize::MAX).await.unwrap());
    let clock = ManualClock::default();
    // Checkpoints of a few events each, so that a killed process leaves unfinished ones.
    let builder = DurableEngine::builder().clock(clock.clone()).checkpoint_every(5);
    let engine = builder.open_existing(journal).await.unwrap();
    for (number, it) in recordings.iter().enumerate().skip(first) {
        may();
        clock.set(it.at);
        let verdict = match engine.begin(&it.org, &it.user, it.factor) {
            Admission::Admitted(attempt) => {
                let attempt = attempt.with_info(numbered(number));
                let right = it.right;
                Some(if right { attempt.succeed().await } else { attempt.fail().await }.unwrap())
            }
            _ => None,
        };
        told(number, verdict);
    }
    engine
}

async fn of_file(file: &Path, recordings: &[Recording]) -> Outcome {
    let journal = SqliteJournal::open(file).await.unwrap();
    let trail = journal.read_after(0, usize::MAX).await.unwrap();
    let engine = DurableEngine::open_existing(journal).await.unwrap();
    let outcome = outcome!(engine, recordings, trail);
    engine.close().await;
    outcome
}

async fn in_one_go(policies: Policies, recordings: &[Recording]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    found(&file, policies, recordings).await;
    go_on(&file, recordings, || {}, |_, _| {}).await.close().await;
    of_file(&file, recordings).await
}

/// The child: a line on its input is the leave to settle one attempt more.
#[tokio::test(flavor = "multi_thread")]
async fn settles_until_killed() {
    let Some(file) = given_file() else { return };
    let mut leave = std::io::stdin().lines();
    let may = || drop(leave.next().unwrap().unwrap());
    // One write a line, whole or not at all.
    let mut output = std::io::stdout();
    let told = |number, verdict: Option<Verdict>| {
        let counted = matches!(verdict, Some(Verdict::Rejected { .. }));
        let line = format!("TOLD {number} {counted}\n");
        output.write_all(line.as_bytes()).unwrap();
    };
    go_on(&file, &recordings(), may, told).await.close().await;
}

/// Kills each process when it has told of all that it had leave for, or of all but one: that one is
/// then anywhere between not begun and told.
async fn killed(policies: Policies, recordings: &[Recording]) -> Outcome {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    found(&file, policies, recordings).await;
    let each = (recordings.len() / KILLS).max(2);
    for end in (each..recordings.len()).step_by(each) {
        let before = settled_in(&file).await;
        let (mut process, lines) = go_on_up_to(end, before, &file);
        let fatal = end - 1 - (end / each) % 2;
        let mut counted_last = None;
        for line in lines {
            let Some((_, told)) = line.split_once("TOLD ") else { continue };
            let (number, counted) = told.split_once(' ').unwrap();
            let number: usize = number.parse().unwrap();
            if counted == "true" {
                counted_last = Some(number);
            }
            if number == fatal {
                process.kill().unwrap();
            }
        }
        assert!(!process.wait().unwrap().success(), "it ended by itself");
        // Whatever was told to be counted is over for the next one, and nothing without leave.
        let after = settled_in(&file).await;
        assert!(counted_last.is_none_or(|last| last < after), "{counted_last:?} of {after}");
        assert!((before..=end).contains(&after), "{after} after {before}, up to {end}");
    }
    let before = settled_in(&file).await;
    let (mut process, lines) = go_on_up_to(recordings.len(), before, &file);
    lines.for_each(drop);
    assert!(process.wait().unwrap().success());
    of_file(&file, recordings).await
}

/// A child that goes on behind `before` and has leave for the attempts up to `end`.
fn go_on_up_to(end: usize, before: usize, file: &Path) -> (Child, impl Iterator<Item = String>) {
    let mut process = child("replayed::settles_until_killed", file);
    let leave = "\n".repeat(end - before);
    process.stdin.as_mut().unwrap().write_all(leave.as_bytes()).unwrap();
    let lines = BufReader::new(process.stdout.take().unwrap()).lines();
    (process, lines.map_while(Result::ok))
}

async fn settled_in(file: &Path) -> usize {
    let journal = SqliteJournal::open(file).await.unwrap();
    settled(&journal.read_after(0, usize::MAX).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_m07_recorded_attempts_come_to_the_same_in_memory_in_one_go_and_by_killed_processes() {
    let recordings = recordings();
    let override_of = |limit| Some(LockoutPolicy::new(limit, limit + 1));
    for (limit, overriding) in [(1, None), (3, None), (5, None), (5, override_of(2))] {
        let policies = Policies { default: LockoutPolicy::new(limit, limit), overriding };
        let expected = in_memory(policies, &recordings);
        assert!(!expected.locks.is_empty(), "{policies:?} lock nobody");
        assert_eq!(in_one_go(policies, &recordings).await, expected, "{policies:?}");
        assert_eq!(killed(policies, &recordings).await, expected, "{policies:?}");
    }
}
