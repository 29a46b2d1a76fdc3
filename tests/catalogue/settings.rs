//! M26, M37, M38: no combination of settings, no clock and no change of policy switches the lock
//! off or on by itself.

use std::time::{Duration, SystemTime};

use portcullis::{Clock, Engine, Factor, LockoutPolicy, ManualClock, Verdict};

use Factor::{Password, Totp};

use super::{admitted, guess};
use crate::common::scenario::Then::{Accepted, Admitted, Done, Locked, Locks, Rejected};
use crate::common::scenario::{
    ADA, begins, changes, fails, given, locks, org, puts, resets, right, sets_default, succeeds,
    unlocks, user, wrong,
};
use portcullis::LockCause::{Administrator, Failures};

const NEVER: LockoutPolicy = LockoutPolicy::new(0, 0);
const ONE: LockoutPolicy = LockoutPolicy::new(1, 1);
const FIVE: LockoutPolicy = LockoutPolicy::new(5, 5);

/// All policies over a few limits.
fn lattice() -> impl Iterator<Item = LockoutPolicy> {
    let limits = [0, 1, 2, 7, 1 << 31];
    let pairs = limits.into_iter().flat_map(move |password| limits.map(|otp| (password, otp)));
    pairs.flat_map(|(password, otp)| {
        [false, true].map(|show_lockout_failures| LockoutPolicy {
            show_lockout_failures,
            ..LockoutPolicy::new(password, otp)
        })
    })
}

/// After how many failures the user locks, if after a few at all.
fn locks_after(engine: &Engine, factor: Factor) -> Option<u32> {
    engine.remove_user(&org("acme"), &user("ada")).unwrap();
    (1..=20).find(|_| {
        matches!(guess(engine, ADA, factor, false), Some(Verdict::Rejected { locked: true, .. }))
    })
}

#[test]
fn m26_only_an_explicit_zero_switches_off() {
    // The policy in force alone decides, wherever it stands and whatever the other level says.
    for policy in lattice() {
        let by_default = Engine::new("main".parse().unwrap(), policy);
        let changed = Engine::new("main".parse().unwrap(), LockoutPolicy::new(3, 3));
        changed.set_instance_policy(policy).unwrap();
        let mut engines = vec![by_default, changed];
        for other in [NEVER, ONE, policy] {
            let overridden = Engine::new("main".parse().unwrap(), other);
            overridden.put_override(&org("acme"), policy).unwrap();
            let reset = Engine::new("main".parse().unwrap(), policy);
            reset.put_override(&org("acme"), other).unwrap();
            reset.reset_to_default(&org("acme")).unwrap();
            engines.extend([overridden, reset]);
        }
        for engine in engines {
            for factor in Factor::ALL {
                // Not by `LockoutPolicy::limit`, which is on trial here.
                let limit = match factor {
                    Password => policy.max_password_attempts.get(),
                    _ => policy.max_otp_attempts.get(),
                };
                let expected = (1..=20).contains(&limit).then_some(limit);
                assert_eq!(locks_after(&engine, factor), expected, "{policy:?} {factor}");
            }
        }
    }
}

#[test]
fn m26_no_capacity_and_no_number_of_shards_switches_off() {
    for capacity in [1, 2, usize::MAX] {
        for shards in [0, 1, usize::MAX] {
            let builder = Engine::builder("main".parse().unwrap(), FIVE);
            let engine = builder.capacity(capacity).shards(shards).build();
            assert_eq!(locks_after(&engine, Password), Some(5), "{capacity} {shards}");
        }
    }
}

const YEAR: Duration = Duration::from_hours(365 * 24);

#[test]
fn m37_a_clock_that_jumps_by_years_locks_and_unlocks_nobody() {
    let noon = SystemTime::UNIX_EPOCH + 50 * YEAR;
    let jumps = [noon + 80 * YEAR, noon - 40 * YEAR, SystemTime::UNIX_EPOCH - 60 * YEAR, noon];
    let clock = ManualClock::at(noon);
    let engine = Engine::builder("main".parse().unwrap(), FIVE).clock(clock.clone()).build();
    let (acme, bob) = (org("acme"), user("bob"));
    engine.lock(&acme, &bob).unwrap();
    for failures in 1..=4 {
        clock.set(jumps[failures as usize % jumps.len()]);
        let limit = FIVE.max_password_attempts;
        let expected = Verdict::Rejected { failures, limit, locked: false };
        assert_eq!(guess(&engine, ADA, Password, false), Some(expected));
        assert!(engine.is_locked("bob") && !engine.is_locked("ada"));
        assert_eq!(engine.status(&bob).lock.unwrap().since, noon);
    }
    // The fifth in the far past; the lock is there whenever one looks.
    clock.set(jumps[2]);
    assert!(guess(&engine, ADA, Password, false).is_some());
    for now in jumps {
        clock.set(now);
        assert!(engine.is_locked("ada") && engine.is_locked("bob"));
        assert_eq!(guess(&engine, ADA, Password, true), None);
        assert_eq!(engine.status(&user("ada")).lock.unwrap().since, jumps[2]);
    }
    // Oldest first by the time that they tell, which the clock made odd.
    let order: Vec<_> = engine.locked_users().map(|(user, _)| user.to_string()).collect();
    assert_eq!(order, ["ada", "bob"]);
    engine.unlock(&bob).unwrap();
    assert_eq!(guess(&engine, ("acme", "bob"), Password, true), Some(Verdict::Accepted));
}

#[test]
fn m37_an_attempt_may_take_years() {
    let clock = ManualClock::default();
    let engine = Engine::builder("main".parse().unwrap(), ONE).clock(clock.clone()).build();
    let attempt = admitted(engine.begin(&org("acme"), &user("ada"), Totp));
    clock.advance(100 * YEAR);
    assert!(clock.now() > SystemTime::UNIX_EPOCH + 99 * YEAR);
    // It holds its slot and comes to its verdict.
    assert_eq!(guess(&engine, ADA, Totp, false), None);
    assert_eq!(attempt.succeed(), Verdict::Accepted);
}

#[test]
fn m38_a_policy_changed_during_a_lock_neither_lifts_nor_extends_it() {
    let changes = [
        sets_default(NEVER),
        sets_default(LockoutPolicy::new(100, 100)),
        puts("acme", NEVER),
        changes("acme", LockoutPolicy::new(100, 100)),
        resets("acme"),
        sets_default(ONE),
    ];
    let mut scenario = given(FIVE).after(vec![fails(ADA, Password); 5]);
    let before = scenario.status(ADA);
    for change in changes {
        scenario = scenario
            .when(change)
            .then(Done)
            .when(succeeds(ADA, Password))
            .then(Locked(Failures(Password)));
        assert_eq!(scenario.status(ADA), before);
    }
    scenario.table([(unlocks(ADA), Done), (fails(ADA, Password), Locks(1, 1))]);
}

#[test]
fn m38_a_policy_changed_while_a_check_runs_decides_at_its_end() {
    let fourth =
        || given(FIVE).after(vec![fails(ADA, Password); 3]).after([begins(1, ADA, Password)]);
    fourth().after([sets_default(LockoutPolicy::new(4, 4))]).when(wrong(1)).then(Locks(4, 4));
    fourth().after([sets_default(ONE)]).when(wrong(1)).then(Locks(4, 1));
    fourth().after([sets_default(NEVER)]).when(wrong(1)).then(Rejected(4, 0));
    fourth().after([puts("acme", ONE)]).when(wrong(1)).then(Locks(4, 1));
    fourth().after([puts("globex", ONE)]).when(wrong(1)).then(Rejected(4, 5));
    fourth().after([puts("acme", ONE), resets("acme")]).when(wrong(1)).then(Rejected(4, 5));
    // A success clears under any of them.
    fourth()
        .after([sets_default(ONE)])
        .table([(right(1), Accepted), (begins(2, ADA, Password), Admitted)])
        .failures(ADA, [0; 5]);
    // And a lock that came with the change is the administrator's.
    fourth().after([sets_default(NEVER), locks(ADA)]).when(wrong(1)).then(Locked(Administrator));
}
