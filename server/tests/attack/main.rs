//! A server under attack, from outside: the real command, and clients that do what no client should. In
//! each test somebody else goes on being served, and the server's memory stays within a bound.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod garbage;
mod http2;
mod idle;
mod journal;
mod rates;
mod server;
mod slow;
mod unread;

use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A mebibyte, in the kibibytes that the system counts in.
const MIB: u64 = 1024;

/// Tries until something holds.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
