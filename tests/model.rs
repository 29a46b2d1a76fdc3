//! Any sequence of commands, put to an engine and to the naive model: the same answers, the same
//! events, and after each command the same state as far as anybody can ask for it.
//!
//! `PORTCULLIS_SCALE` multiplies the number of sequences.
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
#[path = "common/steps.rs"]
mod steps;

use std::time::SystemTime;

use portcullis::LockoutPolicy;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use common::drive::{Answer, Command, Live};
use common::naive::{Begun, Naive, Status, Token};
use steps::{ORGS, Step, USERS, policy, policy_command, step, time};

/// An engine beside its model.
struct Pair {
    live: Live,
    twin: Naive,
    /// Whether an observer watches the engine: then users' sequences are those of the model too.
    watched: bool,
    newest_sequence: u64,
}

impl Pair {
    fn new(policy: LockoutPolicy, watched: bool, capacity: Option<usize>, shards: usize) -> Self {
        let choose = |builder: portcullis::EngineBuilder| {
            let builder = builder.shards(shards);
            capacity.into_iter().fold(builder, portcullis::EngineBuilder::capacity)
        };
        let live =
            if watched { Live::watched(policy, choose) } else { Live::unwatched(policy, choose) };
        let twin = capacity.into_iter().fold(live.twin(), Naive::capacity).keeping_events();
        live.seen.take_events();
        Self { live, twin, watched, newest_sequence: 0 }
    }

    /// The answer of both.
    fn run(&mut self, command: &Command, now: SystemTime) -> Result<Answer, TestCaseError> {
        self.live.clock.set(now);
        self.twin.now = now;
        let mut answer = self.live.run(command);
        let mut expected = self.twin.run(command);
        if let (false, Answer::User(Ok(ours)), Answer::User(Ok(its))) =
            (self.watched, &mut answer, &mut expected)
        {
            prop_assert!(ours.sequence > self.newest_sequence, "{command:?}: {ours:?}");
            self.newest_sequence = ours.sequence;
            its.sequence = ours.sequence;
        }
        prop_assert_eq!(&answer, &expected, "{:?}", command);
        let (events, expected) = (self.live.seen.take_events(), self.twin.take_events());
        if self.watched {
            prop_assert_eq!(events, expected, "{:?}", command);
        }
        Ok(answer)
    }

    fn check_policies(&self, orgs: &[&str]) -> Result<(), TestCaseError> {
        let (engine, twin) = (&self.live.engine, &self.twin);
        prop_assert_eq!(engine.instance_policy(), twin.instance_policy());
        prop_assert!(engine.overrides().eq(twin.overrides()));
        for org in orgs {
            prop_assert_eq!(engine.resolve(org), twin.resolve(org), "{}", org);
            let org = org.parse().unwrap();
            prop_assert_eq!(engine.policy(&org), twin.policy(&org), "{}", org);
        }
        Ok(())
    }

    fn check_users(&self) -> Result<(), TestCaseError> {
        let (engine, twin) = (&self.live.engine, &self.twin);
        prop_assert_eq!(engine.tracked_users(), twin.tracked_users());
        prop_assert!(engine.locked_users().eq(twin.locked_users()));
        for user in USERS {
            prop_assert_eq!(engine.is_locked(user), twin.is_locked(user), "{}", user);
            let user = user.parse().unwrap();
            prop_assert_eq!(Status::from(&engine.status(&user)), twin.status(&user), "{}", user);
        }
        Ok(())
    }
}

fn config() -> ProptestConfig {
    ProptestConfig {
        cases: 256 * common::scale(),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn an_engine_does_what_the_naive_model_does(
        default in policy(),
        watched: bool,
        capacity in prop::option::of(0..USERS.len()),
        shards in 0..8_usize,
        steps in prop::collection::vec((step(), time()), 1..150),
    ) {
        let mut pair = Pair::new(default, watched, capacity, shards);
        let mut in_flight: Vec<Token> = Vec::new();
        for (number, (step, now)) in (0..).zip(steps) {
            let command = match step {
                Step::Do(command) => command,
                Step::Begin(org, user, factor) => Command::Begin(number, org, user, factor),
                Step::Settle(..) if in_flight.is_empty() => continue,
                Step::Settle(pick, how) => how(in_flight.swap_remove(pick % in_flight.len())),
            };
            if pair.run(&command, now)? == Answer::Begun(Begun::Admitted) {
                in_flight.push(number);
            }
            pair.check_policies(&ORGS)?;
            pair.check_users()?;
        }
        for token in in_flight {
            pair.run(&Command::Cancel(token), SystemTime::UNIX_EPOCH)?;
        }
        pair.check_users()?;
    }

    /// Resolution with fallback on its own: more organizations, and nothing but policies.
    #[test]
    fn a_hierarchy_resolves_as_the_naive_model_does(
        default in policy(),
        commands in prop::collection::vec((policy_command(&MANY_ORGS), time()), 1..200),
    ) {
        let mut pair = Pair::new(default, true, None, 2);
        for (command, now) in &commands {
            pair.run(command, *now)?;
            pair.check_policies(&MANY_ORGS)?;
        }
        pair.check_policies(&["never heard of", "ACME"])?;
        for no_id in ["", " acme", "acme\n"] {
            prop_assert!(pair.live.engine.resolve(no_id).is_default());
        }
    }

    /// The same for ids that are numbers or nearly so, and by every way to resolve.
    #[test]
    fn numbers_resolve_as_the_naive_model_does_by_reader_and_by_handle(
        default in policy(),
        commands in prop::collection::vec((policy_command(&NUMBERS), time()), 1..200),
    ) {
        let mut pair = Pair::new(default, true, None, 2);
        let mut reader = pair.live.engine.reader();
        let handles = NUMBERS.map(|org| pair.live.engine.org(&org.parse().unwrap()));
        for (command, now) in &commands {
            pair.run(command, *now)?;
            pair.check_policies(&NUMBERS)?;
            for (org, handle) in NUMBERS.into_iter().zip(&handles) {
                let expected = pair.twin.resolve(org);
                prop_assert_eq!(reader.resolve(org), expected, "{}", org);
                prop_assert_eq!(handle.resolve(), expected, "{}", org);
                let late = pair.live.engine.org(handle.id());
                prop_assert_eq!(late.resolve(), expected, "{}", org);
            }
        }
    }
}

const NUMBERS: [&str; 12] = [
    "7",
    "007",
    "70",
    "0",
    "7a",
    "9999999999999999999",
    "18446744073709551615",
    "18446744073709551616",
    "1000000000000000",
    "999999999999999",
    "69629023906488334",
    "acme",
];

const MANY_ORGS: [&str; 12] = [
    "acme", "Acme", "acme2", "globex", "initech", "hooli", "umbrella", "7", "007", "é", "東京",
    "a b",
];
