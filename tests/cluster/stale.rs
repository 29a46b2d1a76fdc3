//! How old what a clean success has seen may be, where the head is on a server that can be out of reach.

use std::sync::Arc;
use std::time::{Duration, Instant};

use portcullis::journal::PostgresJournal;
use portcullis::{DurableEngine, LockoutPolicy, Verdict};

use super::network::by_proxy;
use super::proxy::Mode;
use super::{begin, open, org, postgres, until, user};

const SOON: Duration = Duration::from_millis(100);

async fn open_stale(url: &str, limit: Duration) -> Arc<DurableEngine> {
    let journal = PostgresJournal::connect(url).await.unwrap();
    let builder = DurableEngine::builder().stale_success(limit);
    let policy = LockoutPolicy::new(5, 5);
    Arc::new(builder.open("main".parse().unwrap(), policy, journal).await.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_success_out_of_the_servers_reach_is_accepted_only_where_and_as_long_as_was_asked_for()
{
    let Some(server) = postgres::shared() else { return };
    let (url, proxy, by_proxy) = by_proxy(server).await;
    let beside = open(&url, 5).await;
    let exact = open(&by_proxy, 5).await;
    let soon = open_stale(&by_proxy, SOON).await;
    let long = open_stale(&by_proxy, Duration::from_hours(1)).await;
    let begun = [&exact, &soon, &long].map(|engine| begin(engine, "ada"));

    proxy.set(Mode::Frozen);
    let frozen = Instant::now();
    beside.lock(&org(), &user("ada")).await.unwrap();
    let [of_exact, of_soon, of_long] = begun;
    // This is what is given up: the lock is not seen.
    assert_eq!(of_long.succeed().await, Ok(Verdict::Accepted));
    until("it to be too long ago", || frozen.elapsed() > SOON).await;
    let settled = of_soon.succeed().await;
    assert!(settled.is_err(), "{settled:?}");
    let settled = of_exact.succeed().await;
    assert!(settled.is_err(), "{settled:?}");

    proxy.set(Mode::Open);
    for engine in [exact, soon, long, beside] {
        until("the lock to be seen", || engine.is_locked("ada")).await;
        engine.close().await;
    }
}
