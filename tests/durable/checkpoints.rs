//! Checkpoints and prunings beside the work (M10): none of them changes what anybody is told.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::{Duration, SystemTime};

use futures_util::FutureExt;
use futures_util::future::join_all;
use portcullis::journal::{Journal, JournalError, MemoryJournal, Position, SqliteJournal};
use portcullis::{
    Aggregate, Details, DurableEngine, LockoutPolicy, OrgId, UserId, UserStatus, Verdict,
};

use super::watched::{Call, Watched};
use super::{begin, fail, failures, org, succeed, until, user};

/// Later than all events: prune whatever may be pruned.
fn later() -> SystemTime {
    SystemTime::now() + Duration::from_hours(1)
}

fn other_org() -> OrgId {
    "other".parse().unwrap()
}

async fn open_with_checkpoints(
    every: u64,
    limit: u32,
    journal: impl Journal,
) -> Arc<DurableEngine> {
    let builder = DurableEngine::builder().checkpoint_every(every);
    let policy = LockoutPolicy::new(limit, limit);
    Arc::new(builder.open("main".parse().unwrap(), policy, journal).await.unwrap())
}

async fn covered(journal: &impl Journal) -> Position {
    journal.checkpoint().await.unwrap().map_or(0, |checkpoint| checkpoint.position)
}

/// Where sequences are counted by ones.
fn levels() -> [Aggregate; 2] {
    [Aggregate::Instance("main".parse().unwrap()), Aggregate::Org(org())]
}

/// Whatever can be asked of an engine about these users.
fn state(engine: &DurableEngine, users: &[UserId]) -> impl PartialEq + std::fmt::Debug + use<> {
    let statuses: Vec<UserStatus> = users.iter().map(|user| engine.status(user)).collect();
    let policies = (engine.instance_policy(), engine.policy(&org()), engine.policy(&other_org()));
    let locked: Vec<_> = engine.locked_users().collect();
    (statuses, policies, locked, engine.tracked_users(), engine.health().position)
}

/// While each part of a checkpoint is written, users in earlier and later parts fail, come, go, are
/// locked and unlocked, and policies change. Each of these is appended before the next part, and the
/// checkpoint with what follows it is the engine's state.
#[tokio::test(flavor = "multi_thread")]
async fn d2_m10_no_append_waits_for_more_than_a_part_of_a_checkpoint_and_each_counts_once() {
    const USERS: u64 = 2_500;
    let users: Arc<[UserId]> = (0..USERS).map(|number| user(&number.to_string())).collect();
    let (calls, asked) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let engine = Arc::new(OnceLock::<Weak<DurableEngine>>::new());
    let meanwhile = {
        let (calls, asked) = (Arc::clone(&calls), Arc::clone(&asked));
        let (engine, users) = (Arc::clone(&engine), Arc::clone(&users));
        move |call| {
            if !matches!(call, Call::Read { .. }) {
                calls.lock().unwrap().push(call);
            }
            let Call::Part(number) = call else { return };
            let Some(engine) = engine.get().and_then(Weak::upgrade) else { return };
            let mut asked = asked.lock().unwrap();
            let picked = |nth: usize| users.iter().skip(number as usize * 6 + nth).step_by(100);
            let mut settle = |user: &UserId, right| {
                let attempt = begin(&engine, user);
                asked.push(if right { attempt.succeed().boxed() } else { attempt.fail().boxed() });
            };
            picked(0).for_each(|user| settle(user, false));
            picked(1).for_each(|user| settle(user, true));
            settle(&user(&format!("newcomer {number}")), false);
            for user in picked(2) {
                drop(engine.lock(&org(), user));
            }
            for user in picked(3) {
                drop(engine.lock(&org(), user));
                drop(engine.unlock(user));
            }
            drop(engine.put_override(&org(), LockoutPolicy::new(9, number)));
            drop(engine.put_override(&other_org(), LockoutPolicy::new(8, number)));
            drop(engine.set_instance_policy(LockoutPolicy::new(7, number)));
            for level in levels() {
                drop(engine.record(level, "a.host.event", None));
            }
        }
    };
    let journal = MemoryJournal::new();
    let opened = open_with_checkpoints(USERS, 9, Watched::new(journal.clone(), meanwhile)).await;
    assert!(engine.set(Arc::downgrade(&opened)).is_ok());
    opened.put_override(&org(), LockoutPolicy::new(9, 9)).await.unwrap();
    for settled in join_all(users.iter().map(|user| begin(&opened, user).fail())).await {
        assert!(matches!(settled, Ok(Verdict::Rejected { .. })));
    }
    // Whoever is answered now was taken after the checkpoint was begun.
    let _ = fail(&opened, "the first after it").await.unwrap();
    assert!(calls.lock().unwrap().contains(&Call::Part(0)), "no checkpoint was begun");
    until(|| calls.lock().unwrap().iter().any(|call| matches!(call, Call::Finish(_)))).await;
    let asked = std::mem::take(&mut *asked.lock().unwrap());
    for settled in join_all(asked).await {
        assert!(matches!(settled, Ok(Verdict::Rejected { .. } | Verdict::Accepted)), "{settled:?}");
    }
    // One more answer, so that all that was asked before it is in memory.
    let _ = fail(&opened, "the last").await.unwrap();

    let calls = calls.lock().unwrap().clone();
    let begun = calls.iter().position(|call| *call == Call::Part(0)).unwrap();
    let ended = calls.iter().position(|call| matches!(call, Call::Finish(_))).unwrap();
    assert_eq!(calls[ended], Call::Finish(5), "the default, the overrides, three of users");
    for between in calls[begun..=ended].windows(2) {
        assert!(between.contains(&Call::Append), "{between:?} and no append between them");
    }
    let covered = covered(&journal).await;
    assert_eq!(journal.prune(later()).await, Ok(covered));
    let again = DurableEngine::open_existing(journal).await.unwrap();
    assert!(again.health().position > covered + 4 * 100, "much has happened meanwhile");
    assert_eq!(state(&again, &users), state(&opened, &users));
    for level in levels() {
        let number = async |engine: &DurableEngine| {
            engine.record(level.clone(), "a.host.event", None).await.unwrap().sequence
        };
        assert_eq!(number(&opened).await + 1, number(&again).await, "{level:?}");
    }
}

/// What four tasks and an administrator were told while they worked.
#[derive(Default)]
struct Told {
    /// Failures of a user whom all tasks share; its organization locks nobody.
    shared: AtomicU32,
    /// What each other user has come to: failures and whether locked.
    own: Mutex<HashMap<String, (u32, bool)>>,
    policy: Mutex<Option<Details>>,
    newest_sequence: Mutex<u64>,
    /// Whether there was enough to see.
    enough: AtomicBool,
}

/// More than ever needed: rather an assertion fails than that a test does not end.
const MOST_ROUNDS: u32 = 1_000;

impl Told {
    fn rounds(&self) -> impl Iterator<Item = u32> {
        (0..MOST_ROUNDS).take_while(|_| !self.enough.load(SeqCst))
    }

    /// One of the tasks: users who fail, some up to the lock, of whom some are let in again.
    async fn settle(self: Arc<Self>, engine: Arc<DurableEngine>, task: u32) {
        for round in self.rounds() {
            let id = format!("user {task} {round}");
            let tries = 1 + round % 3;
            for expected in 1..=tries {
                let verdict = fail(&engine, &id).await.unwrap();
                let told = matches!(verdict, Verdict::Rejected { failures, locked, .. }
                    if failures == expected && locked == (expected == 3));
                assert!(told, "{id}: {verdict:?}");
            }
            let mut end = (tries, tries == 3);
            match round % 4 {
                0 if end.1 => {
                    let details = engine.unlock(&user(&id)).await.unwrap();
                    let mut newest = self.newest_sequence.lock().unwrap();
                    *newest = details.sequence.max(*newest);
                    end = (0, false);
                }
                1 if !end.1 => {
                    assert_eq!(succeed(&engine, &id).await, Ok(Verdict::Accepted));
                    end = (0, false);
                }
                _ => {}
            }
            self.own.lock().unwrap().insert(id, end);
            let attempt = super::begin_in(&engine, &other_org(), "shared");
            let verdict = attempt.fail().await.unwrap();
            assert!(matches!(verdict, Verdict::Rejected { locked: false, .. }), "{verdict:?}");
            self.shared.fetch_add(1, SeqCst);
        }
    }

    /// The administrator: an override that only changes.
    async fn administer(self: Arc<Self>, engine: Arc<DurableEngine>) {
        for round in self.rounds() {
            let policy = LockoutPolicy::new(0, round);
            let details = engine.put_override(&other_org(), policy).await.unwrap();
            let before = self.policy.lock().unwrap().replace(details.clone());
            assert_eq!(details.sequence, before.map_or(1, |it| it.sequence) + u64::from(round > 0));
        }
    }
}

/// Prunes until ten times something was removed; each time opens the journal as another process
/// would, which must find all that had been told. The number of events removed.
async fn prune_beside(told: &Told, file: &std::path::Path) -> u64 {
    let journal = SqliteJournal::open(file).await.unwrap();
    let (mut removed, mut times) = (0, 0);
    for _ in told.rounds() {
        let slice = journal.prune(later()).await.unwrap();
        removed += slice;
        assert!(removed <= covered(&journal).await, "{removed} removed, not all of it covered");
        let (shared, own) = (told.shared.load(SeqCst), told.own.lock().unwrap().clone());
        let existing = SqliteJournal::open(file).await.unwrap();
        let other = DurableEngine::open_existing(existing).await.unwrap();
        assert!(other.status(&user("shared")).failures(portcullis::Factor::Password) >= shared);
        for (id, (count, locked)) in own {
            assert_eq!((failures(&other, &id), other.is_locked(&id)), (count, locked), "{id}");
        }
        other.close().await;
        times += u32::from(slice > 0);
        told.enough.store(times == 10, SeqCst);
    }
    assert_eq!(times, 10, "too few prunings while there was work");
    removed
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d2_d4_m10_under_load_checkpoints_and_prunings_lose_no_count_no_lock_and_no_sequence() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&file).await.unwrap();
    let engine = open_with_checkpoints(40, 3, journal).await;
    let told = Arc::new(Told::default());
    engine.put_override(&other_org(), LockoutPolicy::new(0, 0)).await.unwrap();
    let mut tasks: Vec<_> = (0..4)
        .map(|task| tokio::spawn(Arc::clone(&told).settle(Arc::clone(&engine), task)))
        .collect();
    tasks.push(tokio::spawn(Arc::clone(&told).administer(Arc::clone(&engine))));
    let removed = prune_beside(&told, &file).await;
    for task in join_all(tasks).await {
        task.unwrap();
    }
    let position = engine.health().position;
    engine.close().await;

    let journal = SqliteJournal::open(&file).await.unwrap();
    assert_eq!(
        journal.read_after(removed, usize::MAX).await.unwrap().len() as u64,
        position - removed
    );
    let pruned = journal.read_after(removed - 1, 1).await;
    assert_eq!(pruned, Err(JournalError::Pruned { oldest: removed + 1 }));
    let again = open_with_checkpoints(40, 3, journal).await;
    assert_eq!(again.health().position, position);
    assert_eq!(failures(&again, "shared"), told.shared.load(SeqCst));
    let own = told.own.lock().unwrap().clone();
    for (id, (count, locked)) in &own {
        assert_eq!((failures(&again, id), again.is_locked(id)), (*count, *locked), "{id}");
    }
    assert_eq!(again.locked_users().count(), own.values().filter(|(_, locked)| *locked).count());
    let details = told.policy.lock().unwrap().clone().unwrap();
    assert_eq!(again.policy(&other_org()).1, details);
    let next = again.put_override(&other_org(), LockoutPolicy::new(1, 0)).await.unwrap();
    assert_eq!(next.sequence, details.sequence + 1);
    let newest = *told.newest_sequence.lock().unwrap();
    assert!(again.lock(&org(), &user("somebody")).await.unwrap().sequence > newest);
    again.close().await;
}

/// Between the reading of a checkpoint and of the events after it another process finishes a newer
/// one, and all that it covers is pruned.
#[tokio::test(flavor = "multi_thread")]
async fn d2_m10_an_opening_that_a_pruning_overtakes_begins_anew() {
    let journal = MemoryJournal::new();
    let work = async |journal: MemoryJournal| {
        let engine = open_with_checkpoints(1, 9, journal).await;
        let _ = fail(&engine, "ada").await.unwrap();
        engine.close().await;
    };
    work(journal.clone()).await;
    let mut reads = 0;
    let (other, runtime) = (journal.clone(), tokio::runtime::Handle::current());
    let overtaken = Watched::new(journal, move |call| {
        if let Call::Read { after } = call {
            reads += 1;
            if reads == 1 {
                // The committer's thread runs a runtime of its own and may not enter another.
                let work = || runtime.block_on(work(other.clone()));
                std::thread::scope(|scope| scope.spawn(work).join()).unwrap();
                let pruned = other.prune(later()).now_or_never().unwrap();
                assert!(pruned.unwrap() > after, "it covers more than the one that was read");
            }
        }
    });
    let engine = DurableEngine::open_existing(overtaken).await.unwrap();
    assert_eq!(failures(&engine, "ada"), 2);
}

/// Another process has written, made a checkpoint and pruned before this one read what came between.
#[tokio::test(flavor = "multi_thread")]
async fn d3_m10_an_engine_that_a_pruning_overtakes_goes_on_without_a_restart() {
    let journal = MemoryJournal::new();
    let work = async |journal: MemoryJournal| {
        let engine = open_with_checkpoints(1, 9, journal).await;
        let _ = fail(&engine, "ada").await.unwrap();
        engine.close().await;
    };
    work(journal.clone()).await;
    let probes = Arc::new(AtomicU32::new(0));
    let (mut reads, counted) = (0, Arc::clone(&probes));
    let (other, runtime) = (journal.clone(), tokio::runtime::Handle::current());
    let overtaken = Watched::new(journal.clone(), move |call| match call {
        Call::Probe => drop(counted.fetch_add(1, SeqCst)),
        Call::Read { .. } => {
            reads += 1;
            // The first is the opening's, the second that of the engine at work.
            if reads == 2 {
                let work = || runtime.block_on(work(other.clone()));
                std::thread::scope(|scope| scope.spawn(work).join()).unwrap();
                assert!(other.prune(later()).now_or_never().unwrap().unwrap() > 0);
            }
        }
        _ => {}
    });
    let engine = Arc::new(DurableEngine::open_existing(overtaken).await.unwrap());
    work(journal).await; // it hears of this, and is overtaken while it reads
    let now = || (failures(&engine, "ada"), engine.health().writable);
    until(|| now() == (3, true) || probes.load(SeqCst) == 5).await;
    assert_eq!(now(), (3, true));
    let verdict = fail(&engine, "ada").await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { failures: 4, .. }), "{verdict:?}");
}
