//! M13, M16, M17, M27, M30, M32, M40: what counts, what zeroes, and how far it goes.

use portcullis::{Attempt, AttemptInfo, AttemptLimit, Engine, Factor, LockoutPolicy, Verdict};

use Factor::{OtpSms, Password, Totp};

use super::{admitted, guess};
use crate::common::drive::Command;
use crate::common::scenario::Then::{Accepted, Done, Locks, Rejected};
use crate::common::scenario::{
    ADA, ADA_ELSEWHERE, BOB, EVE, adds, begins, changes, fails, given, gives_up,
    has_new_credential, locks, org, puts, removes, resets, sets_default, succeeds, unlocks, user,
};

const THREE: LockoutPolicy = LockoutPolicy::new(3, 3);

fn engine(policy: LockoutPolicy) -> Engine {
    Engine::new("main".parse().unwrap(), policy)
}

#[test]
fn m13_every_factor_reaches_its_limit() {
    for factor in Factor::ALL {
        let mut scenario = given(LockoutPolicy::new(4, 4));
        for failures in 1..4 {
            scenario = scenario.when(fails(ADA, factor)).then(Rejected(failures, 4));
        }
        scenario.when(fails(ADA, factor)).then(Locks(4, 4)).locked(ADA, true);
    }
}

#[test]
fn m16_guesses_spread_over_a_thousand_sessions_are_one_budget() {
    let engine = engine(LockoutPolicy::new(10, 5));
    let (acme, ada) = (org("acme"), user("ada"));
    for (factor, expected) in [(Password, 10), (OtpSms, 5)] {
        let mut checks = 0;
        for session in 0..1_000 {
            let info = AttemptInfo { request_id: Some(session.to_string()), ..Default::default() };
            // Each session fetches a new code, gives up once, and then guesses.
            for settles in [false, true] {
                let portcullis::Admission::Admitted(attempt) = engine.begin(&acme, &ada, factor)
                else {
                    continue;
                };
                let attempt = attempt.with_info(info.clone());
                if settles {
                    checks += 1;
                    assert_ne!(attempt.fail(), Verdict::Accepted);
                } else {
                    attempt.cancel();
                }
            }
        }
        assert_eq!(checks, expected, "{factor}");
        engine.unlock(&ada).unwrap();
    }
}

#[test]
fn m17_a_right_password_buys_no_codes() {
    let mut scenario = given(THREE).after([fails(ADA, Totp), fails(ADA, Totp)]);
    for _ in 0..50 {
        scenario = scenario.when(succeeds(ADA, Password)).then(Accepted);
    }
    scenario.failures(ADA, [0, 2, 0, 0, 0]).when(fails(ADA, Totp)).then(Locks(3, 3));
}

#[test]
fn m17_the_attackers_own_success_buys_no_guesses_at_another() {
    let mut scenario = given(THREE);
    for failures in 1..3 {
        scenario = scenario
            .when(fails(ADA, Password))
            .then(Rejected(failures, 3))
            .when(succeeds(BOB, Password))
            .then(Accepted)
            .when(succeeds(EVE, Password))
            .then(Accepted);
    }
    scenario.when(fails(ADA, Password)).then(Locks(3, 3));
}

#[test]
fn m27_one_failure_counts_one_and_a_success_none() {
    let engine = engine(LockoutPolicy::new(0, 0));
    let mut expected = 0;
    // Right and wrong in a pattern without a period that could hide a miscount.
    for number in 0..2_000_u32 {
        let right = number.count_ones().is_multiple_of(3);
        let verdict = guess(&engine, ADA, Password, right).unwrap();
        expected = if right { 0 } else { expected + 1 };
        if !right {
            assert!(matches!(verdict, Verdict::Rejected { failures, .. } if failures == expected));
        }
        assert_eq!(engine.status(&user("ada")).failures(Password), expected);
    }
}

/// Has two methods `settled` for a type that can be cloned, and then no call of it compiles.
trait NeverCloned<Marker> {
    fn settled(&self) {}
}
impl<T> NeverCloned<()> for T {}
struct Cloned;
impl<T: Clone> NeverCloned<Cloned> for T {}

#[test]
fn m27_m40_an_attempt_is_one_check_and_cannot_be_doubled() {
    let engine = engine(THREE);
    let attempt: Attempt<'_> = admitted(engine.begin(&org("acme"), &user("ada"), Password));
    // Settling takes the attempt, and no second one can be made of it.
    NeverCloned::settled(&attempt);
    let _: Verdict = attempt.fail();
    assert_eq!(engine.status(&user("ada")).failures(Password), 1);
}

#[test]
fn m40_many_guesses_in_one_request_need_an_attempt_each() {
    let engine = engine(LockoutPolicy::new(5, 5));
    let (acme, ada) = (org("acme"), user("ada"));
    // All begun before the first is settled, as one request with a list of codes would.
    let begun: Vec<_> = (0..1_000).map(|_| engine.begin(&acme, &ada, Totp)).collect();
    let mut checked = 0;
    for admission in begun {
        if let portcullis::Admission::Admitted(attempt) = admission {
            checked += 1;
            let _: Verdict = attempt.fail();
        }
    }
    assert_eq!(checked, 5);
    assert!(engine.is_locked("ada"));
}

#[test]
fn m30_a_count_goes_beyond_every_narrower_number() {
    // 8 and 16 bits are left behind; the end of 32 bits is shown beside the counter itself.
    let limit = 70_000;
    let engine = engine(LockoutPolicy::new(limit, 0));
    for expected in 1..=limit {
        let verdict = guess(&engine, ADA, Password, false).unwrap();
        let locked = expected == limit;
        let limit = AttemptLimit::from(limit);
        assert_eq!(verdict, Verdict::Rejected { failures: expected, limit, locked });
        assert_eq!(verdict.remaining(), Some(limit.get() - expected));
    }
    assert!(engine.is_locked("ada"));
}

#[test]
fn m30_no_limit_up_to_the_widest_becomes_zero_or_small() {
    for power in 0..32 {
        for limit in [(1_u32 << power) - 1, 1 << power, u32::MAX - (1 << power)] {
            let engine = engine(LockoutPolicy::new(limit, limit));
            engine.add_override(&org("globex"), LockoutPolicy::new(limit, 7)).unwrap();
            for (who, factor) in [(ADA, Totp), (EVE, Password)] {
                let Some(Verdict::Rejected { failures: 1, limit: told, locked }) =
                    guess(&engine, who, factor, false)
                else {
                    panic!("the first failure of {limit}")
                };
                assert_eq!((told.get(), locked), (limit, limit == 1));
            }
        }
    }
}

#[test]
fn m32_unlock_and_a_new_credential_leave_no_count() {
    for factor in Factor::ALL {
        given(LockoutPolicy::new(2, 2)).after([fails(ADA, factor), fails(ADA, factor)]).table([
            (unlocks(ADA), Done),
            (fails(ADA, factor), Rejected(1, 2)),
            (has_new_credential(ADA, factor), Done),
            (fails(ADA, factor), Rejected(1, 2)),
            (fails(ADA, factor), Locks(2, 2)),
        ]);
    }
}

#[test]
fn m32_what_resets_what() {
    let all = Factor::ALL.map(|factor| fails(ADA, factor));
    // What is done, and which counts it leaves.
    let rows: Vec<(Vec<Command>, [u32; 5])> = vec![
        (vec![succeeds(ADA, Password)], [0, 1, 1, 1, 1]),
        (vec![succeeds(ADA, OtpSms)], [1, 1, 0, 1, 1]),
        (vec![has_new_credential(ADA, Password)], [0, 1, 1, 1, 1]),
        (vec![has_new_credential(ADA, Totp)], [1, 0, 1, 1, 1]),
        (vec![locks(ADA), has_new_credential(ADA, Password)], [0, 1, 1, 1, 1]),
        (vec![locks(ADA), unlocks(ADA)], [0; 5]),
        (vec![removes(ADA)], [0; 5]),
        // These reset nothing.
        (vec![locks(ADA)], [1; 5]),
        (vec![locks(ADA), succeeds(ADA, Password)], [1; 5]),
        (vec![unlocks(ADA)], [1; 5]),
        (vec![begins(1, ADA, Password), gives_up(1)], [1; 5]),
        (vec![has_new_credential(ADA_ELSEWHERE, Password)], [1; 5]),
        (vec![removes(ADA_ELSEWHERE)], [1; 5]),
        (vec![succeeds(ADA_ELSEWHERE, Password)], [1; 5]),
        (vec![succeeds(BOB, Password), removes(BOB), has_new_credential(BOB, Totp)], [1; 5]),
        (vec![adds("acme", THREE), changes("acme", LockoutPolicy::new(0, 0))], [1; 5]),
        (vec![puts("acme", LockoutPolicy::new(1, 1)), resets("acme")], [1; 5]),
        (vec![sets_default(LockoutPolicy::new(0, 0)), sets_default(THREE)], [1; 5]),
    ];
    for (commands, left) in rows {
        given(THREE).after(all.clone()).after(commands).failures(ADA, left);
    }
}
