//! Every interleaving of a few calls, explored by loom on the engine's own code: only the shared
//! structures beneath it are twins (src/sync/model.rs). A storm may miss a narrow window, these
//! models cannot; they are small instead.
//! `RUSTFLAGS="--cfg portcullis_loom" cargo test -p portcullis-interleavings --profile loom --target-dir target/loom`
#![cfg(portcullis_loom)]
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
#[path = "interleavings/policies.rs"]
mod policies;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use linear::{Hand, Op, Stage, User, is_linearizable};
use loom::thread::{self, JoinHandle};
use portcullis::{
    Admission, Attempt, Engine, EngineBuilder, Factor, LockCause, LockoutPolicy, ManualClock,
    OrgId, Refusal, UserId, Verdict,
};

/// Every interleaving, or those with at most so many preemptions.
fn explore(preemptions: Option<usize>, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemptions;
    builder.check(model);
}

fn builder(limit: u32) -> EngineBuilder {
    let default = LockoutPolicy::new(limit, limit);
    Engine::builder("i".parse().unwrap(), default).clock(ManualClock::default())
}

fn engine(limit: u32) -> Arc<Engine> {
    Arc::new(builder(limit).build())
}

fn org() -> OrgId {
    "o".parse().unwrap()
}

fn user() -> UserId {
    "u".parse().unwrap()
}

fn spawn<T: 'static>(
    engine: &Arc<Engine>,
    work: impl FnOnce(&Arc<Engine>) -> T + 'static,
) -> JoinHandle<T> {
    let engine = Arc::clone(engine);
    thread::spawn(move || work(&engine))
}

fn begin(engine: &Arc<Engine>, factor: Factor) -> Attempt<'static> {
    match engine.begin_owned(&org(), &user(), factor) {
        Admission::Admitted(attempt) => attempt,
        other => panic!("not admitted: {other:?}"),
    }
}

/// One guess; `None` where no check may be run.
fn guess(engine: &Arc<Engine>) -> Option<Verdict> {
    match engine.begin(&org(), &user(), Factor::Password) {
        Admission::Admitted(attempt) => Some(attempt.fail()),
        Admission::Locked(_) | Admission::Busy => None,
        Admission::Refused(refusal) => panic!("{refusal:?}"),
    }
}

fn rejected(failures: u32, limit: u32) -> Verdict {
    Verdict::Rejected { failures, limit: limit.into(), locked: failures >= limit && limit > 0 }
}

fn failures(engine: &Engine) -> u32 {
    engine.status(&user()).failures(Factor::Password)
}

/// `threads` guesses at a limit no greater: as many are judged as the limit says, and each count
/// is given once.
fn guesses_at_once(limit: u32, threads: usize) {
    let engine = engine(limit);
    let others: Vec<_> = (1..threads).map(|_| spawn(&engine, guess)).collect();
    let own = guess(&engine);
    let all = others.into_iter().map(|other| other.join().unwrap()).chain([own]);
    let mut verdicts: Vec<_> = all.flatten().collect();
    verdicts.sort_by_key(|verdict| verdict.remaining().map(std::cmp::Reverse));
    assert_eq!(verdicts, (1..=limit).map(|count| rejected(count, limit)).collect::<Vec<_>>());
    assert!(engine.is_locked("u"));
    assert_eq!(failures(&engine), limit);
}

#[test]
fn m01_m02_guesses_at_once() {
    explore(None, || guesses_at_once(1, 2));
    explore(None, || guesses_at_once(2, 2));
    explore(None, || guesses_at_once(2, 3));
}

#[test]
fn m06_m33_a_failure_against_an_unlock() {
    explore(None, || {
        let engine = engine(2);
        let attempt = begin(&engine, Factor::Password);
        engine.lock(&org(), &user()).unwrap();
        let failing = thread::spawn(move || attempt.fail());
        engine.unlock(&user()).unwrap();
        let verdict = failing.join().unwrap();
        assert!(matches!(verdict, Verdict::Locked(_) | Verdict::Superseded), "{verdict:?}");
        assert_eq!(engine.tracked_users(), 0);
    });
}

#[test]
fn m03_a_success_against_an_administrators_lock() {
    explore(None, || {
        let engine = engine(3);
        assert_eq!(guess(&engine), Some(rejected(1, 3)));
        let [late, later] = [(); 2].map(|()| begin(&engine, Factor::Password));
        let succeeding = thread::spawn(move || late.succeed());
        engine.lock(&org(), &user()).unwrap();
        let later = later.succeed();
        let left = match succeeding.join().unwrap() {
            Verdict::Accepted => 0,
            Verdict::Locked(lock) if lock.cause == LockCause::Administrator => 1,
            other => panic!("{other:?}"),
        };
        assert!(matches!(later, Verdict::Locked(_)), "accepted after the lock");
        assert!(engine.is_locked("u"), "a success has wiped the lock");
        assert_eq!(failures(&engine), left);
    });
}

#[test]
fn m03_a_success_against_the_failure_that_locks() {
    explore(None, || {
        let engine = engine(1);
        let (late, totp) = (begin(&engine, Factor::Password), begin(&engine, Factor::Totp));
        let succeeding = thread::spawn(move || late.succeed());
        let last = totp.fail();
        let verdict = succeeding.join().unwrap();
        assert_eq!(last, rejected(1, 1));
        let cause = LockCause::Failures(Factor::Totp);
        assert!(matches!(verdict, Verdict::Accepted | Verdict::Locked(_)), "{verdict:?}");
        assert_eq!(engine.status(&user()).lock.map(|lock| lock.cause), Some(cause));
    });
}

#[test]
fn m34_a_guess_against_a_removal() {
    explore(None, || {
        let engine = engine(3);
        assert_eq!(guess(&engine), Some(rejected(1, 3)));
        let guessing = spawn(&engine, guess);
        engine.remove_user(&org(), &user()).unwrap();
        let verdict = guessing.join().unwrap().unwrap();
        // Begun after the removal; or else judged before it, or begun before it.
        let left = u32::from(verdict == rejected(1, 3));
        assert!(left == 1 || [rejected(2, 3), Verdict::Superseded].contains(&verdict));
        assert_eq!(failures(&engine), left);
        assert_eq!(engine.tracked_users(), usize::from(left > 0));
    });
}

#[test]
fn m32_m33_a_failure_against_a_new_credential() {
    explore(None, || {
        let engine = engine(2);
        assert_eq!(guess(&engine), Some(rejected(1, 2)));
        let _keeps_on_record = begin(&engine, Factor::Totp);
        let attempt = begin(&engine, Factor::Password);
        let failing = thread::spawn(move || attempt.fail());
        engine.credential_changed(&org(), &user(), Factor::Password).unwrap();
        let verdict = failing.join().unwrap();
        assert!(verdict == rejected(2, 2) || verdict == Verdict::Superseded, "{verdict:?}");
        // The count is gone either way; a lock that came first stays.
        assert_eq!(failures(&engine), 0);
        assert_eq!(engine.is_locked("u"), verdict == rejected(2, 2));
    });
}

#[test]
fn m02_the_last_attempt_ends_while_another_begins() {
    explore(None, || {
        let engine = engine(3);
        let last = begin(&engine, Factor::Password);
        let ending = thread::spawn(move || last.cancel());
        let verdict = guess(&engine);
        ending.join().unwrap();
        assert_eq!(verdict, Some(rejected(1, 3)));
        assert_eq!(failures(&engine), 1, "a user was forgotten who had begun anew");
    });
}

#[test]
fn m08_two_newcomers_for_one_place() {
    explore(None, || {
        let engine = Arc::new(builder(1).capacity(1).build());
        let inside = Arc::new(AtomicUsize::new(0));
        // Whether the user was alone, or nothing if there was no room.
        let come = |name: &'static str| {
            let inside = Arc::clone(&inside);
            move |engine: &Arc<Engine>| {
                let attempt = engine.begin(&org(), &name.parse().unwrap(), Factor::Password);
                if matches!(attempt, Admission::Refused(Refusal::Capacity)) {
                    return None;
                }
                let before = inside.fetch_add(1, SeqCst);
                let shown = engine.tracked_users();
                inside.fetch_sub(1, SeqCst);
                drop(attempt);
                Some((before, shown) == (0, 1))
            }
        };
        let (a, b) = (spawn(&engine, come("a")), spawn(&engine, come("b")));
        let shown = engine.tracked_users();
        let alone = [a.join().unwrap(), b.join().unwrap()];
        assert!(shown <= 1, "{shown} users shown under a cap of 1");
        assert!(alone.contains(&Some(true)) && !alone.contains(&Some(false)), "{alone:?}");
        assert_eq!(come("c")(&engine), Some(true), "a place was lost");
    });
}

#[test]
fn m09_a_call_that_leaves_no_trace_takes_nobodys_place() {
    explore(None, || {
        let engine = Arc::new(builder(1).capacity(1).build());
        let removing = spawn(&engine, |engine| engine.remove_user(&org(), &user()));
        let admission = engine.begin(&org(), &"b".parse().unwrap(), Factor::Password);
        let shown = engine.tracked_users();
        removing.join().unwrap().unwrap();
        assert!(matches!(admission, Admission::Admitted(_)), "{admission:?} to the only user");
        assert_eq!(shown, 1);
    });
}

#[test]
fn d4_two_events_have_two_positions() {
    explore(None, || {
        let engine = engine(1);
        let other = spawn(&engine, |engine| engine.lock(&org(), &"b".parse().unwrap()));
        let one = engine.lock(&org(), &user()).unwrap().sequence;
        assert_eq!(one + other.join().unwrap().unwrap().sequence, 2 + 3);
    });
}

#[test]
fn m38_attempts_against_a_new_limit() {
    explore(None, || {
        let engine = engine(0);
        let guessing = spawn(&engine, guess);
        engine.set_instance_policy(LockoutPolicy::new(1, 1)).unwrap();
        let verdict = guessing.join().unwrap().unwrap();
        assert!(verdict == rejected(1, 0) || verdict == rejected(1, 1), "{verdict:?}");
        assert_eq!(engine.is_locked("u"), verdict == rejected(1, 1));
        assert!(engine.is_locked("u") || guess(&engine) == Some(rejected(2, 1)), "rule P4");
    });
    explore(None, || {
        let engine = engine(2);
        let begin = |engine: &Arc<Engine>| engine.begin_owned(&org(), &user(), Factor::Password);
        let beginning = spawn(&engine, begin);
        engine.set_instance_policy(LockoutPolicy::new(1, 1)).unwrap();
        let [one, other] = [begin(&engine), beginning.join().unwrap()];
        let busy = |admission| matches!(admission, Admission::Busy);
        assert!(busy(one) != busy(other), "limit 1 was set, and then two checks ran");
    });
}

/// Plays the plans, one thread each, and has an order of the calls explain the answers (rule A14).
/// The ticks are not loom's: they tell the order in which it runs the calls, and order nothing
/// themselves. So no plan changes a policy: of that, only who was told must know.
fn linearizable(limit: u32, plans: &'static [&'static [Op]]) {
    explore(Some(4), move || {
        let stage = Arc::new(Stage::under(limit));
        let play = |number: usize| {
            let stage = Arc::clone(&stage);
            move || {
                let mut hand = Hand::new(&stage, number);
                plans[number].iter().for_each(|op| hand.act(*op));
                hand.finish()
            }
        };
        let others: Vec<_> = (1..plans.len()).map(|other| thread::spawn(play(other))).collect();
        let mut calls = play(0)();
        calls.extend(others.into_iter().flat_map(|other| other.join().unwrap()));
        assert!(is_linearizable(User::under(limit), &calls), "{calls:#?}");
    });
}

const BEGIN: Op = Op::Begin(Factor::Password, 0);
const FAIL: Op = Op::Fail(Factor::Password, 0);
const SUCCEED: Op = Op::Succeed(Factor::Password, 0);
const CANCEL: Op = Op::Cancel(Factor::Password, 0);

#[test]
fn a14_histories_of_three_threads() {
    const RENEW: Op = Op::CredentialChanged(Factor::Password);
    linearizable(1, &[&[Op::Unlock, Op::Status], &[BEGIN, FAIL, BEGIN], &[BEGIN, FAIL]]);
    linearizable(2, &[&[Op::Lock, Op::Unlock], &[BEGIN, SUCCEED], &[BEGIN, FAIL]]);
    linearizable(2, &[&[Op::Remove, Op::IsLocked], &[BEGIN, CANCEL], &[BEGIN, FAIL]]);
    linearizable(2, &[&[RENEW, Op::Status], &[BEGIN, FAIL, BEGIN], &[BEGIN, FAIL]]);
    linearizable(2, &[&[Op::Status], &[BEGIN, FAIL, BEGIN, SUCCEED], &[Op::Status]]);
}

/// Who only asks, and who begins, needs no hold on the user; who asks for the status does.
#[test]
fn a14_who_is_locked_is_told_in_one_history() {
    linearizable(1, &[&[Op::IsLocked, Op::Status], &[BEGIN, FAIL, Op::Unlock], &[Op::IsLocked]]);
    linearizable(1, &[&[Op::Status, Op::IsLocked], &[Op::Lock, Op::Unlock], &[BEGIN, Op::Status]]);
    linearizable(1, &[&[Op::IsLocked, Op::IsLocked], &[Op::Lock, Op::Remove, Op::Lock]]);
    // Whoever has seen to a milder limit and finds the user free never finds it locked under the old one.
    linearizable(1, &[&[Op::SetLimit(2), Op::IsLocked], &[BEGIN, FAIL]]);
    linearizable(1, &[&[Op::SetLimit(2), BEGIN], &[BEGIN, FAIL, Op::IsLocked]]);
}
