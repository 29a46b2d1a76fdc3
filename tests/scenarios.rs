//! The rules, one by one, as they can be seen from outside: given a policy and a history, when a
//! command comes, then this is the answer and these are the events.
//!
//! Each test is named by the rule that it shows: P for policies, A for attempts.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

mod common;

#[path = "scenarios/attempts.rs"]
mod attempts;
#[path = "scenarios/epochs.rs"]
mod epochs;
#[path = "scenarios/events.rs"]
mod events;
#[path = "scenarios/handles.rs"]
mod handles;
#[path = "scenarios/locks.rs"]
mod locks;
#[path = "scenarios/overrides.rs"]
mod overrides;
#[path = "scenarios/policies.rs"]
mod policies;
#[path = "scenarios/surface.rs"]
mod surface;
#[path = "scenarios/tracked.rs"]
mod tracked;
