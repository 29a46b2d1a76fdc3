//! Two nodes on one database: one limit, one truth.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Waker};

use portcullis::durable::Admission;
use portcullis::journal::{JournalError, PostgresJournal};
use portcullis::{DurableEngine, Factor, LockoutPolicy, Verdict};

use super::{begin, failures, open, org, postgres, until, user};

#[tokio::test(flavor = "multi_thread")]
async fn d6_m01_m28_a_storm_over_two_nodes_discloses_the_limit_and_no_more() {
    let Some(server) = postgres::shared() else { return };
    for limit in [1, 5, 40] {
        let url = server.database().await;
        let nodes = [open(&url, limit).await, open(&url, limit).await];
        let mut tasks = Vec::new();
        for number in 0..16 {
            let engine = Arc::clone(&nodes[number % 2]);
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
        for node in nodes {
            node.close().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_lock_and_a_policy_of_one_node_hold_on_the_other() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let (one, other) = (open(&url, 5).await, open(&url, 5).await);

    // What was begun before is stopped by a lock that was set elsewhere, at once.
    let begun = begin(&one, "ada");
    other.lock(&org(), &user("ada")).await.unwrap();
    assert!(matches!(begun.succeed().await, Ok(Verdict::Locked(_))));
    assert!(one.is_locked("ada"));
    // And without anything that is written here.
    other.unlock(&user("ada")).await.unwrap();
    until("the unlock to be heard", || !one.is_locked("ada")).await;

    let begun = begin(&other, "eve");
    one.put_override(&org(), LockoutPolicy::new(1, 1)).await.unwrap();
    let verdict = begun.fail().await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { failures: 1, locked: true, .. }), "{verdict:?}");
    until("the lock to be heard", || one.is_locked("eve")).await;
    assert_eq!(other.resolve("acme"), one.resolve("acme"));

    one.reset_to_default(&org()).await.unwrap();
    until("the reset to be heard", || other.resolve("acme").is_default()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_clean_success_has_seen_what_the_other_node_wrote_before() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let (one, other) = (open(&url, 5).await, open(&url, 5).await);
    for round in 0..30 {
        let id = format!("user {round}");
        let begun = begin(&one, &id);
        let _ = begin(&other, &id).fail().await.unwrap();
        // Here it looks clean; at the head it has a failure to reset.
        assert_eq!(begun.succeed().await, Ok(Verdict::Accepted));
        until("the success to be heard", || failures(&other, &id) == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_no_success_is_accepted_after_a_lock_of_another_node() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let (one, other) = (open(&url, 5).await, open(&url, 5).await);
    for round in 0..50 {
        let id = format!("user {round}");
        let begun = begin(&one, &id);
        other.lock(&org(), &user(&id)).await.unwrap();
        let settled = begun.succeed().await;
        assert!(matches!(settled, Ok(Verdict::Locked(_))), "{round}: {settled:?}");
        // One that may be accepted, so that the short way is open in the next round.
        let clean = begin(&one, &format!("clean {round}")).succeed().await;
        assert_eq!(clean, Ok(Verdict::Accepted));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_success_takes_effect_though_nobody_waits_for_it() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let (one, other) = (open(&url, 5).await, open(&url, 5).await);
    for round in 0..30 {
        let id = format!("user {round}");
        let begun = begin(&one, &id);
        let _ = begin(&other, &id).fail().await.unwrap();
        let mut settling = Box::pin(begun.succeed());
        let asked = settling.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        drop(settling);
        assert!(asked.is_pending(), "{asked:?}");
        until("the success to be heard", || failures(&other, &id) == 0).await;
        until("the slot to be free", || one.tracked_users() == 0).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn several_instances_in_one_database_know_nothing_of_each_other() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let policy = LockoutPolicy::new(2, 2);
    let open = async |name: &str| {
        let instance = name.parse().unwrap();
        let journal = PostgresJournal::connect_to(&url, &instance).await.unwrap();
        Arc::new(DurableEngine::open(instance, policy, journal).await.unwrap())
    };
    let (one, other) = (open("one").await, open("other").await);
    for _ in 0..2 {
        let _ = begin(&one, "ada").fail().await.unwrap();
    }
    let _ = begin(&other, "ada").fail().await.unwrap();
    assert_eq!((one.is_locked("ada"), other.is_locked("ada")), (true, false));
    // The policy, two failures and the lock; the policy and a failure.
    assert_eq!((one.health().position, other.health().position), (4, 2));

    // Nor do they take each other's news for theirs.
    for round in 0..10 {
        let id = format!("user {round}");
        let _ = begin(&one, &id).fail().await.unwrap();
        let _ = begin(&other, &id).fail().await.unwrap();
    }
    for engine in [&one, &other] {
        assert!(engine.health().writable);
        engine.close().await;
    }

    // Nobody is guessed for.
    let fault = PostgresJournal::connect(&url).await.unwrap_err();
    assert!(matches!(&fault, JournalError::Foreign { .. }), "{fault}");
    assert!(fault.to_string().contains("(one, other)"), "{fault}");
    let one = "one".parse().unwrap();
    let journal = PostgresJournal::connect_to(&url, &one).await.unwrap();
    let fault = DurableEngine::open("third".parse().unwrap(), policy, journal).await.unwrap_err();
    let asked = "third".parse().unwrap();
    assert_eq!(fault, JournalError::OtherInstance { found: one, asked });
}
