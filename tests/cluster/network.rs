//! Connections that are cut, and connections that are dead without anybody saying so.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use portcullis::journal::{Journal, PostgresJournal};
use portcullis::{Event, Factor, Verdict};

use super::proxy::{Mode, Proxy};
use super::storm::Storm;
use super::{batch, begin, failures, open, org, postgres, until, until_async, user};

/// A database, a proxy to it, and the URL by way of the proxy.
pub(crate) async fn by_proxy(server: &postgres::Cluster) -> (String, Proxy, String) {
    let url = server.database().await;
    let proxy = Proxy::to(server.port);
    let name = url.rsplit('/').next().unwrap();
    let by_proxy = postgres::url(proxy.port, name);
    (url, proxy, by_proxy)
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_m28_connections_that_are_cut_lose_nothing_and_count_nothing_twice() {
    let Some(server) = postgres::shared() else { return };
    let (url, proxy, cut) = by_proxy(server).await;
    let nodes = [open(&cut, 1_000_000).await, open(&url, 1_000_000).await];
    let storm = Storm::over(&nodes, 5);
    for _ in 0..20 {
        let before = storm.told();
        until("the storm to rage", || storm.told() > before + 50).await;
        proxy.cut();
    }
    until("the node to recover", || nodes[0].health().writable).await;
    storm.end(&url, &nodes).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_has_few_connections_and_none_when_it_is_gone() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let client = postgres::client(&url).await;
    let count = async || -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity
                   WHERE datname = current_database() AND application_name = 'portcullis'";
        client.query_one(sql, &[]).await.unwrap().get(0)
    };
    let journal = PostgresJournal::connect(&url).await.unwrap();
    assert_eq!(journal.append(0, &batch(1, 1, 0, 1)).await, Ok(1));
    journal.changed(0).await;
    let reads = (0..50).map(|_| journal.read_after(0, 10));
    let heads = (0..50).map(|_| journal.head());
    let (reads, heads) = join(join_all(reads), join_all(heads)).await;
    assert!(reads.iter().all(Result::is_ok) && heads.iter().all(Result::is_ok));
    assert!((1..=7).contains(&count().await), "{}", count().await);
    let gone = async |what: &str| {
        until_async(what, async || count().await == 0).await;
    };
    journal.release();
    gone("no connections after the release").await;
    assert_eq!(journal.head().await, Ok(1));
    journal.changed(0).await;
    drop(journal);
    gone("no connections after the end").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_d3_an_engine_whose_answers_are_lost_tells_nothing_and_counts_once() {
    let Some(server) = postgres::shared() else { return };
    let (url, proxy, half_open) = by_proxy(server).await;
    let engine = open(&half_open, 5).await;
    let _ = begin(&engine, "ada").fail().await.unwrap();
    proxy.set(Mode::Mute);
    let told = begin(&engine, "ada").fail().await;
    assert!(told.is_err(), "{told:?}");
    assert!(!engine.health().writable);
    proxy.set(Mode::Open);
    until("the engine to recover", || engine.health().writable).await;
    // The answer was lost and the failure was not.
    until("the failure to be seen", || failures(&engine, "ada") == 2).await;
    let trail = PostgresJournal::connect(&url).await.unwrap().read_after(0, 100).await.unwrap();
    let failed = Event::CheckFailed { factor: Factor::Password, info: None };
    assert_eq!(trail.iter().filter(|recorded| recorded.event == failed).count(), 2);
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_d7_a_success_whose_look_is_not_answered_is_not_accepted_and_ends() {
    let Some(server) = postgres::shared() else { return };
    let (_, proxy, half_open) = by_proxy(server).await;
    let engine = open(&half_open, 5).await;
    for mode in [Mode::Mute, Mode::Frozen] {
        for _ in 0..20 {
            assert_eq!(begin(&engine, "ada").succeed().await, Ok(Verdict::Accepted));
        }
        proxy.set(mode);
        let settled = begin(&engine, "ada").succeed().await;
        assert!(settled.is_err(), "{mode:?}: {settled:?}");
        proxy.set(Mode::Open);
        until("the engine to recover", || engine.health().writable).await;
        until("the slot to be free", || engine.tracked_users() == 0).await;
    }
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_success_ends_though_the_runtime_of_earlier_ones_stands_still_or_has_ended() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let (engine, other) = (open(&url, 5).await, open(&url, 5).await);
    let runtime = || tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let apart = |work: &(dyn Fn() + Sync)| {
        std::thread::scope(|scope| scope.spawn(work).join().unwrap());
    };
    let (first, second) = (runtime(), runtime());
    apart(&|| {
        for _ in 0..20 {
            let settled = first.block_on(async { begin(&engine, "ada").succeed().await });
            assert_eq!(settled, Ok(Verdict::Accepted));
        }
        let settled = second.block_on(async { begin(&engine, "eve").succeed().await });
        assert_eq!(settled, Ok(Verdict::Accepted));
    });
    let ended = first.handle().clone();
    first.shutdown_background();
    apart(&|| {
        let entered = ended.enter();
        let settling = begin(&other, "eve").succeed();
        drop(entered);
        assert_eq!(second.block_on(settling), Ok(Verdict::Accepted));
    });
    second.shutdown_background();
    engine.close().await;
    other.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_node_that_was_deaf_hears_of_a_lock_by_itself() {
    let Some(server) = postgres::shared() else { return };
    let (url, proxy, half_open) = by_proxy(server).await;
    let (deaf, other) = (open(&half_open, 5).await, open(&url, 5).await);
    proxy.set(Mode::Mute);
    other.lock(&org(), &user("ada")).await.unwrap();
    // It notices without being asked, for it looks.
    until("the node to notice", || !deaf.health().writable).await;
    proxy.set(Mode::Open);
    until("the lock to be heard", || deaf.is_locked("ada")).await;
    until("the node to recover", || deaf.health().writable).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_comes_to_an_end_though_the_server_is_silent() {
    let Some(server) = postgres::shared() else { return };
    let (_, proxy, half_open) = by_proxy(server).await;
    let engine = open(&half_open, 5).await;
    proxy.set(Mode::Frozen);
    let settling = tokio::spawn(begin(&engine, "ada").fail());
    let started = Instant::now();
    engine.close().await;
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert!(settling.await.unwrap().is_err());
    drop(Arc::into_inner(engine).unwrap());
}
