//! Several servers on one PostgreSQL database, the commands on it, and what they do while it is away.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

#[path = "../../../tests/common/postgres.rs"]
mod postgres;
#[path = "../../../tests/cluster/proxy.rs"]
#[allow(dead_code, reason = "other tests use more of it")]
mod proxy;

mod away;
mod commands;
mod grants;
mod node;
mod passwords;
mod shared;
mod stale;
mod start;

use std::future::Future;
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

/// How soon a node hears of what another one did.
const SOON: Duration = Duration::from_millis(100);

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

/// A database of the test's own; `None` where there is no PostgreSQL.
fn database() -> Option<String> {
    postgres::shared().map(|server| wait(server.database()))
}

/// Runs statements in a database as its owner.
fn sql(url: &str, statements: &str) {
    wait(async { postgres::client(url).await.batch_execute(statements).await.unwrap() });
}

/// Waits until something holds, and tells how long that took.
#[track_caller]
fn until(what: &str, mut holds: impl FnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(2));
    }
    started.elapsed()
}

/// Most of several times are short: a machine that does other things as well makes some of them long.
#[track_caller]
fn mostly_soon(what: &str, mut times: Vec<Duration>) {
    times.sort();
    assert!(times[times.len() / 2] <= SOON, "{what}: {times:?}");
}
