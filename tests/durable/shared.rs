//! Several engines on one journal (D6, D7), as several processes on one file are.

use std::sync::Arc;

use portcullis::durable::Admission;
use portcullis::journal::MemoryJournal;
use portcullis::{DurableEngine, Factor, LockError, LockoutPolicy, Verdict, WriteError};

use super::{begin, fail, failures, open, org, succeed, until, user};

async fn two() -> (MemoryJournal, Arc<DurableEngine>, Arc<DurableEngine>) {
    let journal = MemoryJournal::new();
    let (one, other) = (open(&journal, 3).await, open(&journal, 3).await);
    (journal, one, other)
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_the_limit_is_one_over_both() {
    let (_, one, other) = two().await;
    for expected in 1..=3 {
        let engine = if expected == 2 { &other } else { &one };
        let verdict = fail(engine, "ada").await.unwrap();
        let told = matches!(verdict, Verdict::Rejected { failures, locked, .. }
            if failures == expected && locked == (expected == 3));
        assert!(told, "{expected}: {verdict:?}");
    }
    until(|| other.is_locked("ada")).await;
    let refused = other.begin(&org(), &user("ada"), Factor::Password);
    assert!(matches!(refused, Admission::Locked(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_m03_a_lock_elsewhere_stops_what_was_begun_here() {
    for right in [true, false] {
        let (_, one, other) = two().await;
        let begun = begin(&one, "ada");
        other.lock(&org(), &user("ada")).await.unwrap();
        // At once, before `one` can have heard of it by itself.
        let settled = if right { begun.succeed().await } else { begun.fail().await };
        assert!(matches!(settled, Ok(Verdict::Locked(_))), "{right} {settled:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_m33_what_voids_attempts_does_so_everywhere() {
    for voided in 0..3 {
        let (_, one, other) = two().await;
        let begun = begin(&one, "ada");
        match voided {
            0 => {
                other.lock(&org(), &user("ada")).await.unwrap();
                other.unlock(&user("ada")).await.unwrap();
            }
            1 => {
                let factor = Factor::Password;
                other.credential_changed(&org(), &user("ada"), factor).await.unwrap();
            }
            _ => {
                other.remove_user(&org(), &user("ada")).await.unwrap();
            }
        }
        assert_eq!(begun.succeed().await, Ok(Verdict::Superseded), "{voided}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_each_failure_is_judged_by_the_policy_at_its_position() {
    let (_, one, other) = two().await;
    let begun = begin(&one, "ada");
    other.put_override(&org(), LockoutPolicy::new(1, 1)).await.unwrap();
    let verdict = begun.fail().await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { failures: 1, locked: true, .. }), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_refusals_are_decided_against_the_head_too() {
    let (_, one, other) = two().await;
    one.lock(&org(), &user("ada")).await.unwrap();
    let again = other.lock(&org(), &user("ada")).await;
    assert_eq!(again, Err(WriteError::Refused(LockError::AlreadyLocked)));
    other.unlock(&user("ada")).await.unwrap();
    let again = one.unlock(&user("ada")).await;
    assert_eq!(again, Err(WriteError::Refused(LockError::NotLocked)));
    let policy = LockoutPolicy::new(7, 7);
    one.add_override(&org(), policy).await.unwrap();
    assert!(other.add_override(&org(), policy).await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_clean_success_has_seen_all_that_was_written_before_it_was_settled() {
    let (_, one, other) = two().await;
    for round in 0..50 {
        let id = format!("user {round}");
        let begun = begin(&one, &id);
        let _ = fail(&other, &id).await.unwrap();
        // Here it looks clean; at the head it has a failure to reset.
        assert_eq!(begun.succeed().await, Ok(Verdict::Accepted));
        until(|| failures(&other, &id) == 0).await;
    }
    assert_eq!(succeed(&one, "ada").await, Ok(Verdict::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_m01_m28_a_storm_over_two_engines_discloses_the_limit_and_no_more() {
    for limit in [1, 2, 5] {
        let journal = MemoryJournal::new();
        let engines = [open(&journal, limit).await, open(&journal, limit).await];
        let mut tasks = Vec::new();
        for number in 0..16 {
            let engine = Arc::clone(&engines[number % 2]);
            tasks.push(tokio::spawn(async move {
                let mut rejected = 0;
                loop {
                    match engine.begin_owned(&org(), &user("ada"), Factor::Password) {
                        Admission::Admitted(attempt) => match attempt.fail().await.unwrap() {
                            Verdict::Rejected { .. } => rejected += 1,
                            other => assert!(matches!(other, Verdict::Locked(_)), "{other:?}"),
                        },
                        Admission::Busy => tokio::task::yield_now().await,
                        Admission::Locked(_) => return rejected,
                        other @ Admission::Refused(_) => panic!("{other:?}"),
                    }
                }
            }));
        }
        let mut rejected = 0;
        for task in tasks {
            rejected += task.await.unwrap();
        }
        assert_eq!(rejected, limit);
    }
}
