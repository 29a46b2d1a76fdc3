//! How lockout has been broken elsewhere, tried on this engine: each test is one mechanism, named
//! by its number in `docs/guarantees.md`, and fails when its defence is taken out.
//!
//! Here are those that one thread can show; `storm.rs` and `interleavings.rs` have the others.
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

#[path = "catalogue/counting.rs"]
mod counting;
#[path = "catalogue/floods.rs"]
mod floods;
#[path = "catalogue/locked.rs"]
mod locked;
#[path = "catalogue/names.rs"]
mod names;
#[path = "catalogue/settings.rs"]
mod settings;

use std::cell::Cell;
use std::collections::BTreeMap;

use portcullis::{Admission, Attempt, Engine, Factor, LockoutPolicy, PublicAnswer, Verdict};

use common::scenario::{org, user};

/// The secret that is right for everybody.
const RIGHT: &str = "correct horse";

/// A login service as the engine expects it: it knows names and secrets, and counts its checks.
struct Service {
    engine: Engine,
    /// Each spelling of a name, and the id that it stands for.
    directory: BTreeMap<&'static str, &'static str>,
    checks: Cell<u32>,
}

impl Service {
    fn new<const N: usize>(
        policy: LockoutPolicy,
        directory: [(&'static str, &'static str); N],
    ) -> Self {
        let engine = Engine::new("main".parse().unwrap(), policy);
        Self { engine, directory: directory.into(), checks: Cell::new(0) }
    }

    /// What the person at the keyboard is told.
    fn login(&self, name: &str, secret: &str) -> PublicAnswer {
        let Some(id) = self.directory.get(name) else { return PublicAnswer::Denied };
        let policy = self.engine.resolve("acme").policy;
        match self.engine.begin(&org("acme"), &user(id), Factor::Password) {
            Admission::Admitted(attempt) => {
                self.checks.set(self.checks.get() + 1);
                let verdict = if secret == RIGHT { attempt.succeed() } else { attempt.fail() };
                verdict.public(&policy)
            }
            refused => refused.public(&policy),
        }
    }
}

/// The attempt of an admission that is expected to be one.
#[track_caller]
fn admitted(admission: Admission<'_>) -> Attempt<'_> {
    match admission {
        Admission::Admitted(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

/// One whole attempt; `None` if it was not admitted.
fn guess(
    engine: &Engine,
    who: common::scenario::Who,
    factor: Factor,
    right: bool,
) -> Option<Verdict> {
    match engine.begin(&org(who.0), &user(who.1), factor) {
        Admission::Admitted(attempt) if right => Some(attempt.succeed()),
        Admission::Admitted(attempt) => Some(attempt.fail()),
        _ => None,
    }
}
