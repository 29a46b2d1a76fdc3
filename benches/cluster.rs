//! Several nodes on one PostgreSQL, beside what is written today and beside what the server can do at
//! best. Each node is a process; the server is started for the benchmark alone.
//!
//! `cargo bench --features postgres --bench cluster -- ratios` measures the claims alone.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and stops at the first surprise"
)]

mod common;
#[path = "../tests/common/postgres.rs"]
mod postgres;

#[path = "cluster/idle.rs"]
mod idle;
#[path = "cluster/node.rs"]
mod node;
#[path = "cluster/redis.rs"]
mod redis;
#[path = "cluster/rows.rs"]
mod rows;
#[path = "cluster/storm.rs"]
mod storm;

use std::env;
use std::sync::Arc;

use common::{claim, test_mode};
use portcullis::durable::Admission;
use portcullis::journal::PostgresJournal;
use portcullis::{DurableEngine, Factor, LockoutPolicy, OrgId, UserId, Verdict};
use tokio::runtime::Runtime;

/// No number of failures locks, so no user is ever locked or busy.
const POLICY: LockoutPolicy = LockoutPolicy::new(0, 0);

async fn open(url: &str) -> Arc<DurableEngine> {
    let journal = PostgresJournal::connect(url).await.unwrap();
    Arc::new(DurableEngine::open("bench".parse().unwrap(), POLICY, journal).await.unwrap())
}

fn user(i: u64) -> UserId {
    common::id(i).parse().unwrap()
}

fn org(user: u64) -> OrgId {
    common::id(50_000_000 + user % 1_000).parse().unwrap()
}

/// Begins and fails one attempt.
async fn fail(engine: &Arc<DurableEngine>, org: &OrgId, user: &UserId) {
    let Admission::Admitted(attempt) = engine.begin_owned(org, user, Factor::Password) else {
        unreachable!("without a limit everybody is admitted")
    };
    let verdict = attempt.fail().await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { .. }), "{verdict:?}");
}

/// A runtime as a server has it: a worker for each core.
fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [role, with] = arguments.as_slice() {
        match role.as_str() {
            node::ROLE => return node::serve(node::Nodes::of(with)),
            rows::ROLE => return node::serve(rows::Rows::of(with)),
            redis::ROLE => return node::serve(redis::Redis::of(with)),
            _ => {}
        }
    }
    let Some(server) = postgres::Cluster::start(&[]) else {
        println!("THE CLUSTER IS NOT MEASURED: there is no PostgreSQL on this machine.");
        return;
    };
    let mut criterion = common::criterion();
    idle::criterion_group(&mut criterion, &server);
    criterion.final_summary();
    if common::wants_ratios() || test_mode() {
        idle::ratios(&server);
        storm::ratios(&server);
    }
}
