//! Many at the same time.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::future::join_all;
use portcullis::Event;
use portcullis_server::proto::portcullis::v1 as proto;

use super::said::Said;
use super::wires::{self, How};
use super::{World, begin, record, settle};
/// How often each first word was said.
fn counted(said: Vec<String>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in said {
        *counts.entry(one.split(' ').next().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

/// Runs so many of one kind, each as a task of its own, over all transports.
async fn at_once<F: Future<Output = String> + Send + 'static>(
    number: usize,
    mut one: impl FnMut(How) -> F,
) -> Vec<String> {
    let tasks = (0..number).map(|at| tokio::spawn(one(How::ALL[at % How::ALL.len()])));
    join_all(tasks.collect::<Vec<_>>()).await.into_iter().map(Result::unwrap).collect()
}

/// How many events of a type the trail has, of those that the feed tells.
async fn told(world: &World, name: &str) -> usize {
    let head = world.engine.health().position;
    let mut events = Box::pin(world.engine.events_after(0));
    let mut found = 0;
    loop {
        let recorded = events.next().await.unwrap().unwrap();
        found += usize::from(recorded.event.type_name() == name);
        assert!(!matches!(recorded.event, Event::Unlocked));
        if recorded.position == head {
            return found;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m01_m02_of_a_hundred_failures_at_once_the_limit_is_rejected_and_one_lock_is_told() {
    let world = World::new().await;
    let said = at_once(100, |how| {
        let (router, token) = (world.router.clone(), world.login.clone());
        async move {
            loop {
                let begun =
                    wires::call(&router, how, &token, &begin("acme", "ada", "password")).await;
                match begun.unwrap().admission.unwrap() {
                    proto::begin_attempt_response::Admission::Admitted(it) => {
                        let settled = settle(&it.attempt_id, "failure");
                        return wires::call(&router, how, &token, &settled).await.said();
                    }
                    proto::begin_attempt_response::Admission::Busy(_) => {
                        tokio::task::yield_now().await;
                    }
                    other => return format!("refused {other:?}"),
                }
            }
        }
    })
    .await;
    let counts = counted(said);
    assert_eq!(counts["rejected"], 5, "{counts:?}");
    assert_eq!(told(&world, "user.locked").await, 1);
    assert_eq!(told(&world, "user.human.password.check.failed").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m01_m02_of_a_hundred_records_at_once_the_limit_is_rejected_and_one_lock_is_told() {
    let world = World::new().await;
    let said = at_once(100, |how| {
        let (router, token) = (world.router.clone(), world.login.clone());
        async move {
            loop {
                let request = record("acme", "ada", "password", "failure");
                let said = wires::call(&router, how, &token, &request).await.said();
                if !said.starts_with("busy") {
                    return said;
                }
                tokio::task::yield_now().await;
            }
        }
    })
    .await;
    let counts = counted(said);
    assert_eq!(counts, [("locked".to_owned(), 95), ("rejected".to_owned(), 5)].into());
    assert_eq!(told(&world, "user.locked").await, 1);
    assert_eq!(told(&world, "user.human.password.check.failed").await, 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn m27_m35_of_a_hundred_settlings_of_one_attempt_one_counts_and_all_are_answered_alike() {
    let world = World::new().await;
    for _ in 0..5 {
        let id = world.begun("bob").await;
        let before = world.engine.health().position;
        let said = at_once(100, |how| {
            let (router, token, id) = (world.router.clone(), world.login.clone(), id.clone());
            let what = if how == How::Connect { "success" } else { "failure" };
            async move { wires::call(&router, how, &token, &settle(&id, what)).await.said() }
        })
        .await;
        assert!(said.iter().all(|one| *one == said[0]), "{said:?}");
        assert!(world.engine.health().position - before <= 1, "{said:?}");
        world.record("bob", "password", "success").await;
    }
}
