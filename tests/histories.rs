//! Histories of one user, recorded under real threads and checked for linearizability (rule A14).
//! The checker and the rules in one thread are in `common/linear.rs`; here they are checked too.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "common/linear.rs"]
mod linear;
#[path = "common/threads.rs"]
mod threads;

use std::hint;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Barrier, Mutex};
use std::thread;

use linear::{Answer, Call, Hand, Op, Sequential, Stage, User, UserCall, is_linearizable};
use portcullis::{Factor, LockCause};
use threads::{Dice, Raise, scaled, together};

use Factor::{Password, Totp};

/// One history to be: its engine, what each thread is to do, and how many have come to do it.
struct Round {
    limit: u32,
    stage: Stage,
    plans: Vec<Vec<Op>>,
    arrived: AtomicUsize,
}

impl Round {
    fn new(limit: u32, plans: Vec<Vec<Op>>) -> Self {
        Self { limit, stage: Stage::under(limit), plans, arrived: AtomicUsize::new(0) }
    }

    /// Waits for the other threads, awake: a sleeper would come when the others are done.
    fn meet(&self, over: &AtomicBool) {
        self.arrived.fetch_add(1, SeqCst);
        for waited in 1.. {
            let over = over.load(SeqCst);
            if self.arrived.load(SeqCst) == self.plans.len() {
                return;
            }
            assert!(!over, "another thread has failed");
            if waited % 128 == 0 { thread::yield_now() } else { hint::spin_loop() }
        }
    }

    fn play(&self, number: usize, over: &AtomicBool) -> Vec<UserCall> {
        let mut hand = Hand::new(&self.stage, number);
        self.meet(over);
        for op in &self.plans[number] {
            hand.act(*op);
        }
        hand.finish()
    }
}

/// Two tests at once would take the cores from each other, and then calls seldom overlap.
static ONE_TEST_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Plays the rounds with as many threads as each has plans, and checks every history.
fn check_all(threads: usize, rounds: &[Round]) {
    let turn = ONE_TEST_AT_A_TIME.lock();
    let over = AtomicBool::new(false);
    let mut parts = together(threads, |number| {
        let _over = Raise(&over);
        rounds.iter().map(|round| round.play(number, &over)).collect::<Vec<_>>()
    });
    drop(turn);
    for (index, round) in rounds.iter().enumerate() {
        let calls: Vec<_> =
            parts.iter_mut().flat_map(|part| std::mem::take(&mut part[index])).collect();
        assert!(
            is_linearizable(User::under(round.limit), &calls),
            "no order explains this history under limit {}: {calls:#?}",
            round.limit
        );
        assert_eq!(round.stage.engine.tracked_users(), remains(round));
    }
}

/// Whether there is something to remember of the user (rule A13): all attempts are settled.
fn remains(round: &Round) -> usize {
    let status = round.stage.engine.status(&"u".parse().unwrap());
    let failed = Factor::ALL.iter().any(|factor| status.failures(*factor) > 0);
    usize::from(failed || status.lock.is_some())
}

fn any_op(dice: &mut Dice) -> Op {
    let factor = if dice.below(4) == 0 { Totp } else { Password };
    let pick = dice.below(4);
    match dice.below(20) {
        0..5 => Op::Begin(factor, 0),
        5..10 => Op::Fail(factor, pick),
        10..12 => Op::Succeed(factor, pick),
        12 => Op::Cancel(factor, pick),
        13 => Op::Lock,
        14 => Op::Unlock,
        15 => Op::CredentialChanged(factor),
        16 => Op::Remove,
        17 => Op::SetLimit(u32::try_from(pick).unwrap()),
        18 => Op::IsLocked,
        _ => Op::Status,
    }
}

fn check_random_histories(threads: usize, calls: usize) {
    let mut dice = Dice::new(threads);
    for _ in 0..scaled(60) {
        let mut round = || {
            let limit = u32::try_from(dice.below(4)).unwrap();
            let mut plan = || (0..calls).map(|_| any_op(&mut dice)).collect();
            Round::new(limit, (0..threads).map(|_| plan()).collect())
        };
        let rounds: Vec<_> = (0..100).map(|_| round()).collect();
        check_all(threads, &rounds);
    }
}

#[test]
fn a14_histories_of_two_threads() {
    check_random_histories(2, 6);
}

#[test]
fn a14_histories_of_three_threads() {
    check_random_histories(3, 4);
}

#[test]
fn a14_histories_of_four_threads() {
    check_random_histories(4, 3);
}

#[test]
fn m02_histories_of_guesses_only() {
    let guesses = [Op::Begin(Password, 0), Op::Fail(Password, 0)].repeat(3);
    for limit in (0..6).cycle().take(scaled(30)) {
        let round = |_| Round::new(limit, vec![guesses.clone(); 2]);
        check_all(2, &(0..100).map(round).collect::<Vec<_>>());
    }
}

// The checker.

fn call(op: Op, answer: Answer, called: u64, returned: u64) -> UserCall {
    Call { op, answer, called, returned }
}

fn begun(attempt: usize, called: u64, returned: u64) -> UserCall {
    call(Op::Begin(Password, attempt), Answer::Admitted, called, returned)
}

fn failed(attempt: usize, failures: u32, called: u64, returned: u64) -> UserCall {
    let answer = Answer::Rejected { failures, limit: 2, locked: failures == 2 };
    call(Op::Fail(Password, attempt), answer, called, returned)
}

fn explained(calls: &[UserCall]) -> bool {
    is_linearizable(User::under(2), calls)
}

#[test]
fn the_checker_takes_what_some_order_explains() {
    assert!(explained(&[begun(0, 0, 1), failed(0, 1, 2, 3), begun(1, 4, 5), failed(1, 2, 6, 7)]));
    // All at once, and the second to be called took effect first.
    assert!(explained(&[begun(0, 0, 1), begun(1, 0, 1), failed(0, 2, 2, 9), failed(1, 1, 3, 8)]));
    // The success came before the lock that another call reports as done first.
    let accepted =
        |called, returned| call(Op::Succeed(Password, 0), Answer::Accepted, called, returned);
    let lock = call(Op::Lock, Answer::Is(true), 2, 3);
    assert!(explained(&[begun(0, 0, 1), lock, accepted(2, 5)]));
}

#[test]
fn the_checker_rejects_a_lost_update() {
    let history = [begun(0, 0, 1), begun(1, 0, 1), failed(0, 1, 2, 9), failed(1, 1, 3, 8)];
    assert!(!explained(&history));
}

#[test]
fn the_checker_rejects_an_acceptance_after_a_lock() {
    let lock = call(Op::Lock, Answer::Is(true), 2, 3);
    let accepted = call(Op::Succeed(Password, 0), Answer::Accepted, 4, 5);
    assert!(!explained(&[begun(0, 0, 1), lock, accepted]));
}

#[test]
fn the_checker_rejects_one_check_too_many_and_a_slot_too_few() {
    assert!(!explained(&[begun(0, 0, 5), begun(1, 1, 4), begun(2, 2, 3)]));
    let busy = || call(Op::Begin(Password, 1), Answer::Busy, 2, 3);
    assert!(!explained(&[begun(0, 0, 1), busy()]));
    assert!(explained(&[begun(0, 0, 1), begun(2, 0, 1), busy()]));
}

#[test]
fn the_checker_rejects_a_read_of_the_past() {
    let status = |failures, called, returned| {
        let failures = [failures, 0, 0, 0, 0];
        call(Op::Status, Answer::Status { failures, lock: None, on_record: true }, called, returned)
    };
    let history = |called| [begun(0, 0, 1), failed(0, 1, 2, 4), status(0, called, 9)];
    assert!(explained(&history(3)));
    assert!(!explained(&history(5)));
    // Two reads that disagree on the order.
    assert!(!explained(&[begun(0, 0, 1), failed(0, 1, 2, 9), status(1, 3, 4), status(0, 5, 6)]));
}

#[test]
fn the_checker_rejects_a_verdict_on_a_void_attempt() {
    let removed = |called, returned| call(Op::Remove, Answer::Is(true), called, returned);
    assert!(!explained(&[begun(0, 0, 1), removed(2, 3), failed(0, 1, 4, 5)]));
    assert!(explained(&[begun(0, 0, 1), removed(2, 5), failed(0, 1, 3, 4)]));
    let locked = call(Op::IsLocked, Answer::Is(true), 6, 7);
    let by_failures =
        call(Op::Begin(Password, 2), Answer::Locked(LockCause::Failures(Password)), 8, 9);
    let lock = call(Op::Lock, Answer::Is(true), 4, 5);
    assert!(!explained(&[lock, locked, by_failures]), "the wrong cause");
}

/// The fault that this library is there to avoid: check, then act.
struct Racy {
    left: AtomicU64,
    between: Barrier,
}

impl Racy {
    fn admits(&self) -> bool {
        let left = self.left.load(SeqCst);
        self.between.wait();
        if left > 0 {
            self.left.store(left - 1, SeqCst);
        }
        left > 0
    }
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct Tries(u64);

impl Sequential for Tries {
    type Op = ();
    type Answer = bool;

    fn answer(&mut self, (): ()) -> bool {
        let admitted = self.0 > 0;
        self.0 = self.0.saturating_sub(1);
        admitted
    }
}

#[test]
fn m01_a_counter_that_checks_and_then_acts_is_caught() {
    let (racy, ticks) = (Racy { left: 1.into(), between: Barrier::new(2) }, AtomicU64::new(0));
    let calls = together(2, |_| {
        let called = ticks.fetch_add(1, SeqCst);
        let answer = racy.admits();
        Call { op: (), answer, called, returned: ticks.fetch_add(1, SeqCst) }
    });
    assert!(!is_linearizable(Tries(1), &calls), "{calls:?}");
    assert!(is_linearizable(Tries(2), &calls));
}
