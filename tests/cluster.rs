//! PostgreSQL as it is: several nodes on one database, a server that goes away, connections that are
//! cut, that are dead without saying so, and a node that freezes.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "common/postgres.rs"]
mod postgres;

#[path = "cluster/away.rs"]
mod away;
#[path = "cluster/copies.rs"]
mod copies;
#[path = "cluster/damage.rs"]
mod damage;
#[path = "cluster/doubt.rs"]
mod doubt;
#[path = "cluster/fleet.rs"]
mod fleet;
#[path = "cluster/frozen.rs"]
mod frozen;
#[path = "cluster/full.rs"]
mod full;
#[path = "cluster/history.rs"]
mod history;
#[path = "cluster/network.rs"]
mod network;
#[path = "cluster/opening.rs"]
mod opening;
#[path = "cluster/past.rs"]
mod past;
#[path = "cluster/policies.rs"]
mod policies;
#[path = "cluster/proxy.rs"]
mod proxy;
#[path = "cluster/shared.rs"]
mod shared;
#[path = "cluster/stale.rs"]
mod stale;
#[path = "cluster/storm.rs"]
mod storm;
#[path = "cluster/tailing.rs"]
mod tailing;
#[path = "cluster/ticks.rs"]
mod ticks;
#[path = "cluster/tls.rs"]
mod tls;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use portcullis::durable::{Admission, Attempt};
use portcullis::journal::{Batch, Position, PostgresJournal};
use portcullis::{
    Actor, Aggregate, DurableEngine, Event, Factor, LockoutPolicy, OrgId, PolicyEvent, Recorded,
    UserId,
};

async fn open(url: &str, limit: u32) -> Arc<DurableEngine> {
    let journal = PostgresJournal::connect(url).await.unwrap();
    let policy = LockoutPolicy::new(limit, limit);
    Arc::new(DurableEngine::open("main".parse().unwrap(), policy, journal).await.unwrap())
}

fn org() -> OrgId {
    "acme".parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn begin(engine: &Arc<DurableEngine>, id: &str) -> Attempt<'static> {
    match engine.begin_owned(&org(), &user(id), Factor::Password) {
        Admission::Admitted(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

fn failures(engine: &DurableEngine, id: &str) -> u32 {
    engine.status(&user(id)).failures(Factor::Password)
}

/// Waits for something that others bring about, for a minute at most.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The same of something that is asked for.
async fn until_async(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !holds().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
    }
}

/// A batch of failures of one user after a position; the first event of all founds the instance.
fn batch(writer: u64, number: u64, after: Position, events: u64) -> Batch {
    let event = |position| Recorded {
        position,
        sequence: position,
        at: SystemTime::UNIX_EPOCH + Duration::from_secs(position),
        actor: Actor::system(),
        aggregate: match position {
            1 => Aggregate::Instance("main".parse().unwrap()),
            _ => Aggregate::User { org: org(), user: user("ada") },
        },
        event: match position {
            1 => Event::InstancePolicy(PolicyEvent::Added(LockoutPolicy::new(5, 5))),
            _ => Event::CheckFailed { factor: Factor::Password, info: None },
        },
    };
    Batch { writer, number, events: (after + 1..=after + events).map(event).collect() }
}
