//! One model, two engines: any sequence of commands, put to a durable engine that is closed, dropped
//! and opened again in between, gives the answers, the state and the trail of an engine in memory
//! that never stops. Attempts in flight end with the process, so there they are cancelled when the
//! other one is reopened.
//!
//! Checkpoints are made all the time and events pruned at any moment: neither may be noticed.
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
#[path = "reopened/durable.rs"]
mod durable;
#[path = "common/steps.rs"]
mod steps;

use std::time::SystemTime;

use portcullis::journal::{Journal, JournalError, MemoryJournal, Position, SqliteJournal};
use portcullis::{DurableEngine, EngineBuilder, LockoutPolicy};
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

use common::drive::{Answer, Command, Live};
use common::naive::{Begun, Token};
use durable::{Durable, Ending, Place};
use steps::{ORGS, Step, USERS, policy, step, time};

/// What happens next.
#[derive(Clone, Debug)]
enum Move {
    Step(Step),
    Reopen(Ending),
    /// Prunes what a checkpoint covers and is older; `None` is all of it.
    Prune(Option<SystemTime>),
}

/// A run: what is chosen at the beginning, and what happens then, when.
#[derive(Clone, Debug)]
struct Run {
    default: LockoutPolicy,
    capacity: Option<usize>,
    shards: usize,
    checkpoint_every: u64,
    moves: Vec<(Move, SystemTime)>,
}

fn run(longest: usize) -> impl Strategy<Value = Run> {
    let ending = prop::sample::select(&[Ending::Closed, Ending::Dropped][..]);
    let next = prop_oneof![
        16 => step().prop_map(Move::Step),
        2 => ending.prop_map(Move::Reopen),
        1 => prop_oneof![Just(None), time().prop_map(Some)].prop_map(Move::Prune),
    ];
    let every = prop::sample::select(&[1, 2, 7, 100_000][..]);
    let chosen = (policy(), prop::option::of(0..USERS.len()), 0..8_usize, every);
    (chosen, prop::collection::vec((next, time()), 1..longest)).prop_map(
        |((default, capacity, shards, checkpoint_every), moves)| Run {
            default,
            capacity,
            shards,
            checkpoint_every,
            moves,
        },
    )
}

/// The engine in memory, beside the durable one.
struct Pair<P: Place> {
    live: Live,
    durable: Durable<P>,
    in_flight: Vec<Token>,
    /// Up to where the trails were compared.
    position: Position,
}

impl<P: Place> Pair<P> {
    async fn new(place: P, run: &Run) -> Result<Self, JournalError> {
        let live = Live::watched(run.default, |builder| {
            let builder = builder.shards(run.shards);
            run.capacity.into_iter().fold(builder, EngineBuilder::capacity)
        });
        let builder = DurableEngine::builder()
            .clock(live.clock.clone())
            .shards(run.shards)
            .checkpoint_every(run.checkpoint_every);
        let builder = run.capacity.into_iter().fold(builder, portcullis::DurableBuilder::capacity);
        let durable = Durable::open(place, builder, run.default).await?;
        Ok(Self { live, durable, in_flight: Vec::new(), position: 0 })
    }

    async fn step(&mut self, step: Step, number: Token) -> Result<(), TestCaseError> {
        let command = match step {
            Step::Do(command) => command,
            Step::Begin(org, user, factor) => Command::Begin(number, org, user, factor),
            Step::Settle(..) if self.in_flight.is_empty() => return Ok(()),
            Step::Settle(pick, how) => how(self.in_flight.swap_remove(pick % self.in_flight.len())),
        };
        let expected = self.live.run(&command);
        let answer = self.durable.run(&command).await;
        if expected == Answer::Begun(Begun::Admitted) {
            self.in_flight.push(number);
        }
        prop_assert_eq!(answer, Ok(expected), "{:?}", command);
        Ok(())
    }

    async fn reopen(&mut self, ending: Ending, run: &Run) -> Result<(), TestCaseError> {
        for token in self.in_flight.drain(..) {
            self.live.run(&Command::Cancel(token));
        }
        self.durable.end(ending).await;
        if ending == Ending::Closed && run.checkpoint_every == 1 {
            // Closing has finished one: this run does test them.
            let checkpoint = self.durable.journal.checkpoint().await;
            prop_assert!(matches!(checkpoint, Ok(Some(_))), "{checkpoint:?}");
        }
        prop_assert_eq!(self.durable.reopen().await, Ok(()));
        Ok(())
    }

    /// Prunes, and sees that it was all that should go and nothing else.
    async fn prune(&mut self, before: Option<SystemTime>) -> Result<(), TestCaseError> {
        let journal = &self.durable.journal;
        let (pruned, covered) = (pruned(journal).await, covered(journal).await);
        let later = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1 << 32);
        let count = journal.prune(before.unwrap_or(later)).await;
        let now = self::pruned(journal).await;
        prop_assert_eq!(count, Ok(now - pruned));
        // The engine may have finished another checkpoint meanwhile.
        prop_assert!(now <= self::covered(journal).await.max(pruned));
        if before.is_none() {
            prop_assert!(now >= covered, "{now} of {covered} are pruned");
        }
        Ok(())
    }

    async fn check(&mut self) -> Result<(), TestCaseError> {
        let told = self.live.seen.take_events();
        let trail = self.durable.journal.read_after(self.position, usize::MAX).await;
        self.position += told.len() as u64;
        prop_assert_eq!(trail, Ok(told));
        let (durable, live) = (self.durable.engine(), &self.live.engine);
        let health = durable.health();
        prop_assert_eq!((health.writable, health.position), (true, self.position));

        prop_assert_eq!(durable.instance_policy(), live.instance_policy());
        prop_assert!(durable.overrides().eq(live.overrides()));
        for org in ORGS {
            prop_assert_eq!(durable.resolve(org), live.resolve(org), "{}", org);
            let org = org.parse().unwrap();
            prop_assert_eq!(durable.policy(&org), live.policy(&org), "{}", org);
        }
        prop_assert_eq!(durable.tracked_users(), live.tracked_users());
        prop_assert!(durable.locked_users().eq(live.locked_users()));
        for user in USERS {
            prop_assert_eq!(durable.is_locked(user), live.is_locked(user), "{}", user);
            let user = user.parse().unwrap();
            prop_assert_eq!(durable.status(&user), live.status(&user), "{}", user);
        }
        Ok(())
    }
}

/// Up to where a journal is pruned.
async fn pruned(journal: &impl Journal) -> Position {
    match journal.read_after(0, 1).await {
        Ok(_) => 0,
        Err(JournalError::Pruned { oldest }) => oldest - 1,
        Err(fault) => panic!("{fault}"),
    }
}

/// Up to where a journal's newest checkpoint covers it.
async fn covered(journal: &impl Journal) -> Position {
    journal.checkpoint().await.unwrap().map_or(0, |checkpoint| checkpoint.position)
}

fn compare<P: Place>(place: P, run: &Run) -> Result<(), TestCaseError> {
    // The engine's committer has a thread of its own.
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let mut pair = Pair::new(place, run).await.unwrap();
        pair.check().await?;
        for (number, (next, now)) in (0..).zip(&run.moves) {
            pair.live.clock.set(*now);
            match next.clone() {
                Move::Step(step) => pair.step(step, number).await?,
                Move::Reopen(ending) => pair.reopen(ending, run).await?,
                Move::Prune(before) => pair.prune(before).await?,
            }
            pair.check().await?;
        }
        // Whatever went before, what is there is enough to begin from.
        pair.reopen(Ending::Closed, run).await?;
        pair.check().await
    })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases: cases * common::scale(),
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn d2_d5_m10_reopened_at_any_moment_it_is_the_engine_in_memory(run in run(120)) {
        compare(MemoryJournal::new(), &run)?;
    }
}

proptest! {
    // A sync for each command.
    #![proptest_config(config(12))]

    #[test]
    fn d2_d5_m10_reopened_from_a_file_it_is_the_engine_in_memory(run in run(80)) {
        compare(tempfile::tempdir().unwrap(), &run)?;
    }
}

impl Place for MemoryJournal {
    type Journal = Self;

    async fn journal(&self) -> Result<Self, JournalError> {
        Ok(self.clone())
    }
}

impl Place for tempfile::TempDir {
    type Journal = SqliteJournal;

    async fn journal(&self) -> Result<SqliteJournal, JournalError> {
        SqliteJournal::open(self.path().join("journal.db")).await
    }
}
