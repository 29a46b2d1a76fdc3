//! A process that settles failures as fast as it can is killed at random moments, again and again.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use portcullis::durable::Admission;
use portcullis::journal::{Journal, SqliteJournal};
use portcullis::{Aggregate, DurableEngine, Event, Factor, UserId, Verdict};

use super::{child, given_file, open, org};

const LIMIT: u32 = 40;
const USERS: u32 = 6;

/// How many times to kill: `PORTCULLIS_KILLS`, or 25.
fn kills() -> u32 {
    std::env::var("PORTCULLIS_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(25)
}

/// The child: prints each verdict as it is disclosed, one write a line.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn writes_until_killed() {
    let Some(file) = given_file() else { return };
    let engine = open(&file, LIMIT).await;
    let output = Arc::new(Mutex::new(std::io::stdout()));
    let mut tasks = Vec::new();
    for number in 0..USERS * 4 {
        let (engine, output) = (Arc::clone(&engine), Arc::clone(&output));
        tasks.push(tokio::spawn(async move {
            let user: UserId = format!("user{}", number % USERS).parse().unwrap();
            loop {
                match engine.begin_owned(&org(), &user, Factor::Password) {
                    Admission::Admitted(attempt) => {
                        // Now and then the right secret, so that counts are reset too.
                        let right = rand_bit(number);
                        let settled =
                            if right { attempt.succeed().await } else { attempt.fail().await };
                        if let Verdict::Rejected { failures, .. } = settled.unwrap() {
                            let line = format!("VERDICT {user} {failures}\n");
                            output.lock().unwrap().write_all(line.as_bytes()).unwrap();
                        }
                    }
                    Admission::Locked(_) => {
                        // Another task may have been quicker.
                        let _ = engine.unlock(&user).await;
                    }
                    _ => tokio::task::yield_now().await,
                }
            }
        }));
    }
    // None of them ends by itself.
    futures_util::future::join_all(tasks).await;
}

/// One in a hundred, differently in every process.
fn rand_bit(salt: u32) -> bool {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(salt).is_multiple_of(100)
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_m07_killed_at_any_moment_it_has_all_that_was_disclosed_and_no_limit_is_exceeded() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    // How often each verdict was printed, over all lives.
    let mut disclosed: HashMap<(String, u32), u64> = HashMap::new();
    for round in 0..kills() {
        let mut process = child("kill::writes_until_killed", &file);
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        // The number of verdicts after which it is killed is the random moment.
        let fatal = 1 + (u64::from(round) * 7919) % 1500;
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            let words: Vec<_> = line.split(' ').collect();
            let ["VERDICT", user, failures] = words[..] else { continue };
            *disclosed.entry((user.to_owned(), failures.parse().unwrap())).or_default() += 1;
            seen += 1;
            if seen == fatal {
                process.kill().unwrap();
            }
        }
        process.wait().unwrap();
        assert!(seen >= fatal, "the child ended by itself after {seen} verdicts");
        check(&file, &disclosed, round).await;
    }
    println!("{} kills, {} verdicts disclosed", kills(), disclosed.values().sum::<u64>());
}

/// Every printed verdict is in the trail, the trail never exceeds the limit between resets, and an
/// engine that opens it has counted the same.
async fn check(file: &Path, disclosed: &HashMap<(String, u32), u64>, round: u32) {
    let journal = SqliteJournal::open(file).await.unwrap();
    let events = journal.read_after(0, usize::MAX).await.unwrap();
    let mut users: HashMap<String, (u32, bool)> = HashMap::new();
    let mut recorded: HashMap<(String, u32), u64> = HashMap::new();
    for event in &events {
        let Aggregate::User { user, .. } = &event.aggregate else { continue };
        let (count, locked) = users.entry(user.to_string()).or_default();
        match event.event {
            Event::CheckFailed { .. } => {
                *count += 1;
                assert!(!*locked && *count <= LIMIT, "round {round}: {user} failed {count} times");
                *recorded.entry((user.to_string(), *count)).or_default() += 1;
            }
            Event::CheckSucceeded { .. } => *count = 0,
            Event::Locked(_) => *locked = true,
            Event::Unlocked => (*count, *locked) = (0, false),
            _ => {}
        }
    }
    for (verdict, times) in disclosed {
        let there = recorded.get(verdict).copied().unwrap_or(0);
        assert!(there >= *times, "round {round}: {verdict:?} disclosed {times}, recorded {there}");
    }
    let engine = DurableEngine::open_existing(journal).await.unwrap();
    assert_eq!(engine.health().position, events.len() as u64);
    for (user, (count, locked)) in users {
        let status = engine.status(&user.parse().unwrap());
        let found = (status.failures(Factor::Password), status.lock.is_some());
        assert_eq!(found, (count, locked), "round {round}: {user}");
    }
    engine.close().await;
}
