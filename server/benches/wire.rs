//! The server over loopback, beside the least that it can do (`/debug/healthz`) and beside the durable
//! engine without a wire.
//!
//! Clients and server share the machine, so a request's time is that of both; what counts is the median
//! of the ratios within the rounds. `cargo bench -p portcullis-server --bench wire -- ratios` measures
//! the claims; with `--test` everything is tried once.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and stops at the first surprise"
)]

#[path = "wire/client.rs"]
mod client;
#[path = "wire/server.rs"]
mod server;

use std::env;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use client::Client;
use futures_util::future::join_all;
use portcullis::durable::Admission;
use portcullis::journal::SqliteJournal;
use portcullis::{DurableEngine, Factor, LockoutPolicy, OrgId, UserId};
use server::Server;

/// How many callers there are, each on a connection of its own.
const CALLERS: usize = 64;
const ROUNDS: usize = 5;

fn test_mode() -> bool {
    env::args().any(|arg| arg == "--test") || !env::args().any(|arg| arg == "--bench")
}

/// How long a subject runs in a round.
fn period() -> Duration {
    if test_mode() { Duration::from_millis(50) } else { Duration::from_millis(1_500) }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let server = Server::start(folder.path());
    runtime.block_on(measure(&server, folder.path()));
}

/// What a subject did: how many calls a second, of how many requests each.
async fn measure(server: &Server, folder: &Path) {
    server.register(CALLERS).await;
    let engine = in_process(&folder.join("beside.db")).await;
    let rounds = if test_mode() { 1 } else { ROUNDS };
    let mut rates = [const { Vec::new() }; 6];
    for _ in 0..rounds {
        rates[0].push(over_wire(server, Client::healthz).await);
        rates[1].push(over_wire(server, Client::policy).await);
        rates[2].push(over_wire(server, Client::clean_login).await);
        rates[3].push(over_wire(server, Client::failed_login).await);
        rates[4].push(over_wire(server, Client::recorded_failure).await);
        rates[5].push(without_wire(&engine).await);
    }
    engine.close().await;
    println!("{CALLERS} callers, calls a second, medians of {rounds} rounds");
    for (name, rates) in [
        ("GET /debug/healthz", &rates[0]),
        ("GET the policy in force", &rates[1]),
        ("begin + success of a clean user (2 requests)", &rates[2]),
        ("begin + failure, settled (2 requests)", &rates[3]),
        ("record of a failure (1 request)", &rates[4]),
        ("begin + failure on the engine in process", &rates[5]),
    ] {
        println!("  {name:<48} {:>9.0}", median(rates.clone()));
    }
    let ratio = |of: &[f64], to: &[f64], requests: f64| {
        median(of.iter().zip(to).map(|(of, to)| of * requests / to).collect())
    };
    claim("policy read / healthz", ratio(&rates[1], &rates[0], 1.0), 0.5);
    claim("begin + success, each request / healthz", ratio(&rates[2], &rates[0], 2.0), 0.5);
    claim("begin + failure, over the wire / in process", ratio(&rates[3], &rates[5], 1.0), 0.5);
}

fn claim(label: &str, ratio: f64, least: f64) {
    if !test_mode() {
        let missed = if ratio < least { "   MISSED" } else { "" };
        println!("  claim: {label:<52} {ratio:.2}  (>= {least}){missed}");
    }
}

/// How many calls a second all callers make.
async fn over_wire(server: &Server, call: impl AsyncFn(&mut Client) + Copy) -> f64 {
    let clients = join_all((0..CALLERS).map(|at| Client::connect(server, at))).await;
    let begun = Instant::now();
    let end = begun + period();
    let calling = clients.into_iter().map(|mut client| async move {
        let mut calls = 0_u64;
        while Instant::now() < end {
            call(&mut client).await;
            calls += 1;
        }
        calls
    });
    let calls: u64 = join_all(calling).await.into_iter().sum();
    calls as f64 / begun.elapsed().as_secs_f64()
}

async fn in_process(file: &Path) -> Arc<DurableEngine> {
    let journal = SqliteJournal::open(file).await.unwrap();
    let policy = LockoutPolicy::new(0, 0);
    Arc::new(DurableEngine::open("bench".parse().unwrap(), policy, journal).await.unwrap())
}

async fn without_wire(engine: &Arc<DurableEngine>) -> f64 {
    let begun = Instant::now();
    let end = begun + period();
    let tasks = (0..CALLERS).map(|at| {
        let engine = Arc::clone(engine);
        tokio::spawn(async move {
            let (org, user): (OrgId, UserId) =
                (server::ORG.parse().unwrap(), server::user(at).parse().unwrap());
            let mut calls = 0_u64;
            while Instant::now() < end {
                let Admission::Admitted(attempt) = engine.begin(&org, &user, Factor::Password)
                else {
                    panic!("it was not admitted")
                };
                let _ = attempt.fail().await.unwrap();
                calls += 1;
            }
            calls
        })
    });
    let calls: u64 = join_all(tasks).await.into_iter().map(Result::unwrap).sum();
    calls as f64 / begun.elapsed().as_secs_f64()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
