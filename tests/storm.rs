//! Storms: many threads, one engine, and counts that must come out exactly.
#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic"
)]

#[path = "common/threads.rs"]
mod threads;

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::thread;

use portcullis::{
    Admission, Aggregate, Attempt, Engine, EngineBuilder, Factor, LockCause, LockError,
    LockoutPolicy, OrgId, Refusal, UserId, UserStatus, Verdict,
};
use threads::{
    Dice, Gauge, Raise, Record, Told, Witness, assert_exact, judge, mixed_storm, people, race,
    scaled, tally, together,
};

const THREADS: usize = 8;
/// Attempts of each thread: a thousand in all.
const EACH: usize = 125;

fn builder(limit: u32) -> EngineBuilder {
    Engine::builder("i".parse().unwrap(), LockoutPolicy::new(limit, limit))
}

fn engine(limit: u32) -> Engine {
    builder(limit).build()
}

fn org() -> OrgId {
    "o".parse().unwrap()
}

fn user() -> UserId {
    "u".parse().unwrap()
}

/// `None` while as many attempts run as may.
fn admitted(admission: Admission<'_>) -> Option<Attempt<'_>> {
    match admission {
        Admission::Admitted(attempt) => Some(attempt),
        Admission::Busy => None,
        other => panic!("{other:?}"),
    }
}

fn begin(engine: &Engine, factor: Factor) -> Option<Attempt<'_>> {
    admitted(engine.begin(&org(), &user(), factor))
}

fn begin_now(engine: &Engine, factor: Factor) -> Attempt<'_> {
    begin(engine, factor).expect("a free slot")
}

fn assert_locked(engine: &Engine, limit: u32) {
    let answers = together(THREADS, |_| {
        let locked = |_: &usize| {
            matches!(engine.begin(&org(), &user(), Factor::Password), Admission::Locked(lock)
                if lock.cause == LockCause::Failures(Factor::Password))
        };
        (0..EACH).filter(locked).count()
    });
    assert_eq!(answers, [EACH; THREADS]);
    assert_eq!(engine.status(&user()).failures(Factor::Password), limit);
}

#[test]
fn m01_of_a_thousand_attempts_at_once_the_limit_is_admitted() {
    for limit in (1..=20).cycle().take(scaled(100)) {
        let engine = engine(limit);
        let begin_all = |_| (0..EACH).filter_map(|_| begin(&engine, Factor::Password)).collect();
        let held: Vec<Vec<_>> = together(THREADS, begin_all);
        let held: Vec<_> = held.into_iter().flatten().collect();
        assert_eq!(held.len(), limit as usize);
        let held = Mutex::new(held);
        let next = || held.lock().unwrap().pop();
        let fail_all = |_| std::iter::from_fn(next).map(Attempt::fail).collect::<Vec<_>>();
        assert_exact(limit, together(THREADS, fail_all).into_iter().flatten());
        assert_locked(&engine, limit);
    }
}

#[test]
fn m01_m02_a_storm_of_guesses_is_judged_up_to_the_limit() {
    for limit in (1..=20).cycle().take(scaled(100)) {
        let (engine, gauge) = (engine(limit), Gauge::default());
        let guess_all = |_| {
            let mut verdicts = Vec::new();
            for tried in 0.. {
                assert!(tried < 1_000_000, "neither judged nor locked");
                match engine.begin(&org(), &user(), Factor::Password) {
                    Admission::Admitted(attempt) => {
                        gauge.runs(limit);
                        thread::yield_now(); // the check
                        gauge.ends();
                        verdicts.push(attempt.fail());
                        gauge.failed(limit);
                    }
                    Admission::Locked(_) if tried >= EACH => break,
                    Admission::Locked(_) => {}
                    Admission::Busy => thread::yield_now(),
                    Admission::Refused(refusal) => panic!("{refusal:?}"),
                }
            }
            verdicts
        };
        assert_exact(limit, together(THREADS, guess_all).into_iter().flatten());
        assert_locked(&engine, limit);
    }
}

#[test]
fn m02_no_failure_below_the_limit_is_lost() {
    let total = u32::try_from(THREADS * EACH).unwrap();
    for limit in [0, total + 1] {
        let engine = engine(limit);
        let verdicts = together(THREADS, |_| {
            let fail = |factor| (factor, begin_now(&engine, factor).fail());
            (0..EACH).flat_map(|_| Factor::ALL.map(fail)).collect::<Vec<_>>()
        });
        let mut counts: HashMap<Factor, Vec<u32>> = HashMap::new();
        for (factor, verdict) in verdicts.into_iter().flatten() {
            let Verdict::Rejected { failures, locked: false, .. } = verdict else {
                panic!("{verdict:?}")
            };
            counts.entry(factor).or_default().push(failures);
        }
        for factor in Factor::ALL {
            let counts = counts.get_mut(&factor).unwrap();
            counts.sort_unstable();
            assert_eq!(*counts, (1..=total).collect::<Vec<_>>(), "{factor}");
            assert_eq!(engine.status(&user()).failures(factor), total);
        }
    }
}

#[test]
fn m02_m27_slots_come_back_once_from_failures_cancels_and_drops() {
    let engine = engine(0);
    let failed = together(THREADS, |number| {
        let mut dice = Dice::new(number);
        let (mut held, mut failed) = (Vec::new(), 0);
        for _ in 0..EACH {
            held.push(begin_now(&engine, Factor::Password));
            let attempt = held.swap_remove(dice.below(held.len()));
            match dice.below(4) {
                0 => held.push(attempt),
                1 => attempt.cancel(),
                2 => drop(attempt),
                _ => failed += u32::from(matches!(attempt.fail(), Verdict::Rejected { .. })),
            }
        }
        (failed, held)
    });
    let failed: u32 = failed.into_iter().map(|(failed, _held)| failed).sum();
    assert_eq!(engine.status(&user()).failures(Factor::Password), failed);
    // All are settled or dropped now: exactly the rest of a limit is free.
    engine.set_instance_policy(LockoutPolicy::new(failed + 3, 0)).unwrap();
    let free: Vec<_> = (0..9).filter_map(|_| begin(&engine, Factor::Password)).collect();
    assert_eq!(free.len(), 3);
}

#[test]
fn m03_a_success_that_races_a_lock_never_wipes_it() {
    for round in 0..scaled(2000) {
        let engine = engine(3);
        let fail = |factor| begin_now(&engine, factor).fail();
        assert!([Factor::Password, Factor::Totp, Factor::Totp].map(fail)[2].remaining() == Some(1));
        let [late, later] = [(); 2].map(|()| begin_now(&engine, Factor::Password));
        let (verdict, cause) = if round % 2 == 0 {
            let last = begin_now(&engine, Factor::Totp);
            let (verdict, last) = race(|| late.succeed(), || last.fail());
            assert!(matches!(last, Verdict::Rejected { failures: 3, locked: true, .. }));
            (verdict, LockCause::Failures(Factor::Totp))
        } else {
            let (verdict, lock) = race(|| late.succeed(), || engine.lock(&org(), &user()));
            lock.unwrap();
            (verdict, LockCause::Administrator)
        };
        let is_locked = |verdict| matches!(verdict, Verdict::Locked(lock) if lock.cause == cause);
        let failures = u32::from(verdict != Verdict::Accepted);
        assert!(verdict == Verdict::Accepted || is_locked(verdict));
        assert!(is_locked(later.succeed()), "accepted after the lock");
        let status = engine.status(&user());
        assert_eq!(status.failures(Factor::Password), failures);
        assert_eq!(status.lock.map(|lock| lock.cause), Some(cause), "a success wiped the lock");
    }
}

#[test]
fn m32_m33_attempts_begun_before_are_void_afterwards() {
    type Renew = fn(&Engine) -> Result<portcullis::Details, LockError>;
    let unlock: Renew = |engine| engine.unlock(&user());
    let remove: Renew = |engine| engine.remove_user(&org(), &user());
    let renew: Renew = |engine| engine.credential_changed(&org(), &user(), Factor::Password);
    for round in 0..scaled(2000) {
        let (engine, locks) = (engine(0), round % 3 == 0);
        let all = || (0..8).map(|_| begin_now(&engine, Factor::Password)).collect::<Vec<_>>();
        let (early, late, last) = (all(), all(), all());
        let other_factor = begin_now(&engine, Factor::Totp); // not void after a new password
        if locks {
            engine.lock(&org(), &user()).unwrap();
        }
        let settle = |(index, attempt): (usize, Attempt<'_>)| {
            if (index + round) % 3 == 0 { attempt.succeed() } else { attempt.fail() }
        };
        let settle_all = |all: Vec<_>| all.into_iter().enumerate().map(settle).collect::<Vec<_>>();
        let (verdicts, new) = race(
            || settle_all(early),
            || {
                [unlock, remove, renew][round % 3](&engine).unwrap();
                begin_now(&engine, Factor::Password) // keeps the user on record
            },
        );
        let is_void = |verdict: &Verdict| *verdict == Verdict::Superseded;
        let judged = verdicts.iter().take_while(|verdict| !is_void(verdict)).count();
        assert!(verdicts[judged..].iter().all(is_void), "{verdicts:?}");
        let locked = verdicts[..judged].iter().all(|it| matches!(it, Verdict::Locked(_)));
        assert!(locked || !locks, "judged under a lock: {verdicts:?}");
        assert!(settle_all(late).iter().all(is_void));
        assert_eq!(engine.status(&user()).failures(Factor::Password), 0);
        drop((new, other_factor));
        assert_eq!(engine.tracked_users(), 0, "void attempts keep nobody on record");
        assert!(settle_all(last).iter().all(is_void));
        assert_eq!(engine.status(&user()), UserStatus::default());
    }
}

#[test]
fn m34_attempts_from_before_a_removal_touch_nothing_of_who_comes_back() {
    let elsewhere: OrgId = "elsewhere".parse().unwrap();
    for _ in 0..scaled(2000) {
        let engine = engine(0);
        let old: Vec<_> = (0..12).map(|_| begin_now(&engine, Factor::Password)).collect();
        engine.remove_user(&org(), &user()).unwrap();
        engine.put_override(&elsewhere, LockoutPolicy::new(3, 3)).unwrap();
        let settle = |(index, attempt): (usize, Attempt<'_>)| match index % 4 {
            0 => assert_eq!(attempt.fail(), Verdict::Superseded),
            1 => assert_eq!(attempt.succeed(), Verdict::Superseded),
            2 => attempt.cancel(),
            _ => drop(attempt),
        };
        let begin = |_| admitted(engine.begin(&elsewhere, &user(), Factor::Password));
        let begin_anew = || (0..6).filter_map(begin).collect::<Vec<_>>();
        let ((), new) = race(|| old.into_iter().enumerate().for_each(settle), begin_anew);
        assert_eq!(new.len(), 3, "old attempts gave back slots that are not theirs");
        assert_exact(3, new.into_iter().map(Attempt::fail));
    }
}

#[test]
fn m02_m03_m38_in_a_storm_of_everything_each_verdict_rests_on_the_events_before_it() {
    let (witness, people) = (Witness::default(), people());
    let engine = builder(3).observer(witness.clone()).build();
    let given = mixed_storm(&engine, &people);
    let told = witness.told();
    let records = judge(&told);
    let verdicts = told.into_iter().filter_map(|told| match told {
        Told::Verdict(user, factor, verdict) => Some((user, factor, verdict)),
        Told::Event(_) => None,
    });
    assert_eq!(tally(verdicts), tally(given.into_iter()));
    for (_, user) in &people {
        let status = engine.status(user);
        let failures = Factor::ALL.map(|factor| status.failures(factor));
        assert_eq!(Record { lock: status.lock.map(|lock| lock.cause), failures }, records[user]);
    }
    let left = records.values().filter(|record| **record != Record::default()).count();
    assert_eq!(engine.tracked_users(), left);
}

#[test]
fn events_have_gap_free_positions_and_each_aggregate_its_order() {
    let witness = Witness::default();
    let engine = builder(3).observer(witness.clone()).build();
    mixed_storm(&engine, &people());
    let mut positions = Vec::new();
    let mut last: BTreeMap<Aggregate, (u64, u64)> = BTreeMap::new();
    for told in witness.told() {
        let Told::Event(recorded) = told else { continue };
        let (position, sequence) = (recorded.position, recorded.sequence);
        let (before, number) =
            last.insert(recorded.aggregate.clone(), (position, sequence)).unwrap_or_default();
        assert!(before < position, "{:?} was told {before} before {position}", recorded.aggregate);
        let is_user = matches!(recorded.aggregate, Aggregate::User { .. });
        assert_eq!(sequence, if is_user { position } else { number + 1 });
        positions.push(position);
    }
    positions.sort_unstable();
    assert_eq!(positions, (1..=positions.len() as u64).collect::<Vec<_>>());
}

#[test]
fn m08_m09_a_cap_refuses_newcomers_and_nobody_else_and_no_place_is_lost() {
    const CAP: usize = 30;
    const LOCKS: usize = 10;
    let engine = builder(0).capacity(CAP).build();
    let user = |text: String| UserId::try_from(text).unwrap();
    let locked = |number: usize| user(format!("locked {number}"));
    let (surely_tracked, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let come_and_go = |number: usize| {
        let mut dice = Dice::new(number);
        let mut own: Vec<_> =
            (0..CAP).map(|own| (user(format!("{number} {own}")), Vec::new(), false)).collect();
        for _ in 0..scaled(40_000) {
            let (user, held, failed) = &mut own[dice.below(CAP)];
            let on_record = *failed || !held.is_empty();
            let what = dice.below(6);
            if what < 3 {
                match engine.begin(&org(), user, Factor::Password) {
                    Admission::Admitted(attempt) => held.push(attempt),
                    Admission::Refused(Refusal::Capacity) if !on_record => continue,
                    other => panic!("{other:?}, on record: {on_record}"),
                }
                let tracked = surely_tracked.fetch_add(usize::from(!on_record), SeqCst);
                assert!(on_record || tracked < CAP, "{tracked} users before this one");
            } else if let Some(attempt) = held.pop() {
                let stays = what == 3 || (what == 4 && *failed) || !held.is_empty();
                surely_tracked.fetch_sub(usize::from(!stays), SeqCst);
                match what {
                    3 => *failed = matches!(attempt.fail(), Verdict::Rejected { .. }),
                    4 => attempt.cancel(),
                    _ => *failed = attempt.succeed() != Verdict::Accepted,
                }
            }
        }
        let on_record =
            |(_, held, failed): &&(_, Vec<Attempt<'_>>, bool)| *failed || !held.is_empty();
        (own.iter().filter(on_record).count(), own)
    };
    let watch = || {
        for locks in 0.. {
            assert!(engine.tracked_users() <= CAP + LOCKS.min(locks));
            engine.remove_user(&org(), &user("nobody".into())).unwrap();
            if locks < LOCKS {
                engine.lock(&org(), &locked(locks)).unwrap();
            } else if over.load(SeqCst) {
                return;
            }
        }
    };
    let come_and_go = || {
        let _over = Raise(&over);
        together(4, come_and_go)
    };
    let (own, ()) = race(come_and_go, watch);
    let (tracked, own): (Vec<_>, Vec<_>) = own.into_iter().unzip();
    assert_eq!(engine.tracked_users(), tracked.iter().sum::<usize>() + LOCKS);
    for (user, _, _) in own.into_iter().flatten() {
        engine.credential_changed(&org(), &user, Factor::Password).unwrap();
    }
    assert_eq!(engine.tracked_users(), LOCKS);
    for number in 0..LOCKS {
        engine.unlock(&locked(number)).unwrap();
    }
    assert_eq!(engine.tracked_users(), 0);
    let newcomers: Vec<_> = (0..CAP + 5)
        .map(|number| engine.begin(&org(), &user(format!("new {number}")), Factor::Password))
        .filter(|admission| matches!(admission, Admission::Admitted(_)))
        .collect();
    assert_eq!(newcomers.len(), CAP);
}

#[test]
fn m08_m09_there_is_never_one_user_more_than_the_cap_and_none_is_shown() {
    // Many shards take long to count, so that users come and go meanwhile.
    let engine = builder(1).capacity(1).shards(4096).build();
    let (inside, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let come_and_go = |number: usize| {
        let _over = Raise(&over);
        let name = |of: usize| format!("u{number} {of}").parse().unwrap();
        let users: Vec<UserId> = (0..64).map(name).collect();
        for user in users.iter().cycle().take(scaled(300_000)) {
            if let Admission::Admitted(attempt) = engine.begin(&org(), user, Factor::Password) {
                assert_eq!(inside.fetch_add(1, SeqCst), 0, "two users under a cap of 1");
                inside.fetch_sub(1, SeqCst);
                attempt.cancel();
            }
        }
    };
    let watch = || {
        while !over.load(SeqCst) {
            assert!(engine.tracked_users() <= 1);
        }
    };
    race(|| together(2, come_and_go), watch);
    assert_eq!(engine.tracked_users(), 0);
}
