//! The rules of durability, each by its name, on the reference journal and a seam for its faults.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "common/faulty.rs"]
mod faulty;
#[path = "common/watched.rs"]
mod watched;

#[path = "durable/checkpoints.rs"]
mod checkpoints;
#[path = "durable/faults.rs"]
mod faults;
#[path = "durable/order.rs"]
mod order;
#[path = "durable/shared.rs"]
mod shared;
#[path = "durable/stale.rs"]
mod stale;

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use portcullis::durable::{Admission, Attempt};
use portcullis::journal::{Journal, JournalError};
use portcullis::{DurableEngine, Factor, LockoutPolicy, OrgId, UserId, Verdict};

type Admitted = Attempt<'static>;

async fn open(journal: &(impl Journal + Clone), limit: u32) -> Arc<DurableEngine> {
    let policy = LockoutPolicy::new(limit, limit);
    Arc::new(DurableEngine::open("main".parse().unwrap(), policy, journal.clone()).await.unwrap())
}

fn org() -> OrgId {
    "acme".parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn begin(engine: &Arc<DurableEngine>, id: &str) -> Admitted {
    begin_in(engine, &org(), id)
}

fn begin_in(engine: &Arc<DurableEngine>, org: &OrgId, id: &str) -> Admitted {
    match engine.begin_owned(org, &user(id), Factor::Password) {
        Admission::Admitted(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

async fn fail(engine: &Arc<DurableEngine>, id: &str) -> Result<Verdict, JournalError> {
    begin(engine, id).fail().await
}

async fn succeed(engine: &Arc<DurableEngine>, id: &str) -> Result<Verdict, JournalError> {
    begin(engine, id).succeed().await
}

fn failures(engine: &DurableEngine, id: &str) -> u32 {
    engine.status(&user(id)).failures(Factor::Password)
}

/// Waits for something that another thread brings about, without a guess how long it takes.
async fn until(mut holds: impl FnMut() -> bool) {
    while !holds() {
        tokio::task::yield_now().await;
    }
}

/// Whether a future has its answer at once.
fn is_ready<F: Future + Unpin>(future: &mut F) -> bool {
    let polled = std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()));
    matches!(polled, Poll::Ready(_))
}
