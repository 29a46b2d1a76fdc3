//! A1 to A7: who may run a check, and what becomes of it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use portcullis::{Admission, Engine, Factor, LockCause, LockoutPolicy, Verdict};

use Factor::{OtpEmail, OtpSms, Password, RecoveryCode, Totp};
use LockCause::{Administrator, Failures};

use crate::common::scenario::Then::{
    Accepted, Admitted, Busy, Done, Locked, Locks, Nothing, Rejected,
};
use crate::common::scenario::{
    ADA, BOB, EVE, adds, at, begins, fails, given, gives_up, locks, org, puts, right, sets_default,
    succeeds, unlocks, user, wrong,
};

const NEVER: LockoutPolicy = LockoutPolicy::new(0, 0);
const ONE: LockoutPolicy = LockoutPolicy::new(1, 1);
const TWO: LockoutPolicy = LockoutPolicy::new(2, 2);
const THREE: LockoutPolicy = LockoutPolicy::new(3, 3);

#[test]
fn a1_begin_on_a_locked_user_answers_locked_whatever_the_factor() {
    let mut scenario = given(ONE).after([fails(ADA, Totp)]);
    for factor in Factor::ALL {
        scenario = scenario.when(begins(1, ADA, factor)).then(Locked(Failures(Totp))).events(&[]);
    }
    let mut scenario = scenario.after([unlocks(ADA), locks(ADA)]);
    for factor in Factor::ALL {
        scenario = scenario.when(begins(1, ADA, factor)).then(Locked(Administrator)).events(&[]);
    }
}

#[test]
fn a1_the_answer_tells_since_when_and_why() {
    let scenario = given(TWO).after([fails(ADA, OtpSms), fails(ADA, OtpSms), fails(BOB, Totp)]);
    let admission = scenario.engine().begin(&org("acme"), &user("ada"), Password);
    let Admission::Locked(lock) = admission else { panic!("{admission:?}") };
    assert_eq!((lock.since, lock.cause, lock.org), (at(2), Failures(OtpSms), org("acme")));
}

#[test]
fn a2_attempts_in_flight_stay_below_what_may_still_fail() {
    for limit in 1..=6_u32 {
        for failures in 0..limit {
            let history = (0..failures).map(|_| fails(ADA, Password));
            let mut scenario = given(LockoutPolicy::new(limit, 1)).after(history);
            let slots = limit - failures;
            for token in 0..slots {
                scenario = scenario.when(begins(token, ADA, Password)).then(Admitted);
            }
            for _ in 0..3 {
                scenario = scenario.when(begins(99, ADA, Password)).then(Busy).events(&[]);
            }
            // All of them wrong: the last one locks, none is in vain.
            for token in 0..slots - 1 {
                let counted = failures + token + 1;
                scenario = scenario.when(wrong(token)).then(Rejected(counted, limit));
            }
            scenario.when(wrong(slots - 1)).then(Locks(limit, limit));
        }
    }
}

#[test]
fn a2_a_slot_is_free_again_when_its_attempt_settles() {
    given(TWO).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, ADA, Password), Admitted),
        (begins(3, ADA, Password), Busy),
        (right(1), Accepted),
        (begins(3, ADA, Password), Admitted),
        (begins(4, ADA, Password), Busy),
        // A failure frees no slot: what may still fail has become less.
        (wrong(2), Rejected(1, 2)),
        (begins(4, ADA, Password), Busy),
        // A success frees its own and those of the failures that it wipes.
        (right(3), Accepted),
        (begins(5, ADA, Password), Admitted),
        (begins(6, ADA, Password), Admitted),
        (begins(7, ADA, Password), Busy),
    ]);
}

#[test]
fn a2_slots_belong_to_one_factor_of_one_user() {
    let mut scenario = given(ONE);
    for (token, factor) in (1..).zip(Factor::ALL) {
        scenario = scenario
            .when(begins(token, ADA, factor))
            .then(Admitted)
            .when(begins(token + 10, ADA, factor))
            .then(Busy)
            .when(begins(token + 20, BOB, factor))
            .then(Admitted)
            .when(begins(token + 30, EVE, factor))
            .then(Admitted);
    }
}

#[test]
fn a2_under_limit_zero_nothing_is_busy() {
    let mut scenario = given(NEVER);
    for token in 0..2_000 {
        let factor = Factor::ALL[token as usize % 5];
        scenario = scenario.when(begins(token, ADA, factor)).then(Admitted);
    }
    scenario.tracked(1);
}

#[test]
fn a2_a_user_beyond_a_lowered_limit_gets_one_check_at_a_time() {
    let lowered = || {
        given(NEVER)
            .after((0..5).map(|_| fails(ADA, Password)))
            .when(sets_default(THREE))
            .when(begins(1, ADA, Password))
            .then(Admitted)
            .when(begins(2, ADA, Password))
            .then(Busy)
    };
    lowered().when(wrong(1)).then(Locks(6, 3));
    lowered()
        .when(right(1))
        .then(Accepted)
        .after([begins(3, ADA, Password), begins(4, ADA, Password)])
        .when(begins(5, ADA, Password))
        .then(Admitted)
        .when(begins(6, ADA, Password))
        .then(Busy);
    lowered().when(gives_up(1)).then(Nothing).when(begins(2, ADA, Password)).then(Admitted);
}

#[test]
fn a2_the_limit_in_force_now_admits() {
    given(ONE).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, ADA, Password), Busy),
        (puts("acme", THREE), Done),
        (begins(2, ADA, Password), Admitted),
        (begins(3, ADA, Password), Admitted),
        (begins(4, ADA, Password), Busy),
        // Three in flight from before under a limit of one: none more until they have settled.
        (puts("acme", ONE), Done),
        (right(1), Accepted),
        (right(2), Accepted),
        (begins(4, ADA, Password), Busy),
        (right(3), Accepted),
        (begins(4, ADA, Password), Admitted),
        // And beside those of limit zero.
        (puts("acme", NEVER), Done),
        (begins(5, ADA, Password), Admitted),
        (puts("acme", TWO), Done),
        (begins(6, ADA, Password), Busy),
    ]);
}

#[test]
fn a3_the_failure_that_reaches_the_limit_locks_in_the_same_step() {
    given(THREE)
        .table([(fails(ADA, Password), Rejected(1, 3)), (fails(ADA, Password), Rejected(2, 3))])
        .locked(ADA, false)
        .when(fails(ADA, Password))
        .then(Locks(3, 3))
        .events(&["user.human.password.check.failed", "user.locked"])
        .locked(ADA, true)
        .failures(ADA, [3, 0, 0, 0, 0])
        .when(fails(ADA, Password))
        .then(Locked(Failures(Password)))
        .events(&[])
        .when(succeeds(ADA, Password))
        .then(Locked(Failures(Password)));
}

#[test]
fn a3_limit_one_locks_at_the_first_failure() {
    for factor in Factor::ALL {
        given(ONE)
            .when(fails(ADA, factor))
            .then(Locks(1, 1))
            .when(succeeds(ADA, factor))
            .then(Locked(Failures(factor)));
    }
}

#[test]
fn a3_the_limit_is_that_of_the_users_own_org() {
    given(THREE).after([adds("globex", ONE)]).table([
        (fails(ADA, Password), Rejected(1, 3)),
        (fails(EVE, Password), Locks(1, 1)),
        (fails(ADA, Password), Rejected(2, 3)),
    ]);
}

#[test]
fn a3_passwords_and_codes_have_limits_of_their_own() {
    given(LockoutPolicy::new(3, 2))
        .table([
            (fails(ADA, Password), Rejected(1, 3)),
            (fails(ADA, Totp), Rejected(1, 2)),
            (fails(ADA, OtpSms), Rejected(1, 2)),
            (fails(ADA, OtpEmail), Rejected(1, 2)),
            (fails(ADA, RecoveryCode), Rejected(1, 2)),
            (fails(ADA, Password), Rejected(2, 3)),
        ])
        .failures(ADA, [2, 1, 1, 1, 1])
        .when(fails(ADA, OtpEmail))
        .then(Locks(2, 2))
        .failures(ADA, [2, 1, 1, 2, 1]);
}

#[test]
fn a4_a_success_zeroes_its_own_factors_counter_only() {
    let history = || Factor::ALL.map(|factor| fails(ADA, factor));
    for (index, factor) in Factor::ALL.into_iter().enumerate() {
        let mut expected = [1; 5];
        expected[index] = 0;
        given(THREE)
            .after(history())
            .after([fails(BOB, factor), fails(EVE, factor)])
            .when(succeeds(ADA, factor))
            .then(Accepted)
            .failures(ADA, expected)
            .when(fails(BOB, factor))
            .then(Rejected(2, 3))
            .when(fails(EVE, factor))
            .then(Rejected(2, 3));
    }
}

#[test]
fn a4_after_a_success_the_whole_budget_is_there() {
    given(TWO).table([
        (fails(ADA, Password), Rejected(1, 2)),
        (succeeds(ADA, Password), Accepted),
        (fails(ADA, Password), Rejected(1, 2)),
        (succeeds(ADA, Password), Accepted),
        (fails(ADA, Password), Rejected(1, 2)),
        (fails(ADA, Password), Locks(2, 2)),
    ]);
}

#[test]
fn a5_no_verdict_under_a_lock_right_or_wrong() {
    // Locked by an administrator while the check ran.
    given(THREE)
        .after([fails(ADA, Password), begins(1, ADA, Password), begins(2, ADA, Password)])
        .table([
            (locks(ADA), Done),
            (right(1), Locked(Administrator)),
            (wrong(2), Locked(Administrator)),
        ])
        .events(&[])
        .locked(ADA, true)
        .failures(ADA, [1, 0, 0, 0, 0]);
    // Locked by failures of another factor.
    given(ONE).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, ADA, OtpSms), Admitted),
        (fails(ADA, Totp), Locks(1, 1)),
        (right(1), Locked(Failures(Totp))),
        (wrong(2), Locked(Failures(Totp))),
    ]);
}

#[test]
fn a5_a_late_success_never_wipes_a_lock() {
    // Attempts beyond the limit, begun while there was none.
    given(NEVER)
        .after((0..6).map(|token| begins(token, ADA, Password)))
        .table([
            (sets_default(TWO), Done),
            (wrong(0), Rejected(1, 2)),
            (wrong(1), Locks(2, 2)),
            (right(2), Locked(Failures(Password))),
            (wrong(3), Locked(Failures(Password))),
            (gives_up(4), Nothing),
            (right(5), Locked(Failures(Password))),
        ])
        .locked(ADA, true)
        .failures(ADA, [2, 0, 0, 0, 0]);
}

#[test]
fn a6_under_a_lock_no_attempt_changes_anything() {
    let mut scenario = given(NEVER)
        .after((0..30).map(|token| begins(token, ADA, Factor::ALL[token as usize % 5])))
        .after([fails(ADA, Password), fails(ADA, Totp), locks(ADA)]);
    let before = scenario.status(ADA);
    for token in 0..30 {
        let settled = [right(token), wrong(token), gives_up(token)];
        scenario = scenario.when(settled[token as usize % 3].clone()).events(&[]);
        let factor = Factor::ALL[token as usize % 5];
        scenario = scenario.when(fails(ADA, factor)).then(Locked(Administrator)).events(&[]);
        scenario = scenario.when(succeeds(ADA, factor)).then(Locked(Administrator)).events(&[]);
        assert_eq!(scenario.status(ADA), before);
    }
    scenario.tracked(1);
}

#[test]
fn a7_cancelling_or_dropping_gives_the_slot_back_and_counts_nothing() {
    // Even tokens are cancelled, odd ones dropped.
    for token in [2, 3] {
        given(ONE)
            .table([
                (begins(token, ADA, Password), Admitted),
                (begins(9, ADA, Password), Busy),
                (gives_up(token), Nothing),
            ])
            .events(&[])
            .failures(ADA, [0; 5])
            .tracked(0)
            .when(begins(9, ADA, Password))
            .then(Admitted);
    }
}

#[test]
fn a7_giving_up_keeps_the_count_and_frees_one_slot_only() {
    given(THREE).after([fails(ADA, Password)]).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, ADA, Password), Admitted),
        (begins(3, ADA, Password), Busy),
        (gives_up(1), Nothing),
        (begins(3, ADA, Password), Admitted),
        (begins(4, ADA, Password), Busy),
        (wrong(2), Rejected(2, 3)),
        (wrong(3), Locks(3, 3)),
    ]);
}

#[test]
fn a7_a_check_that_panics_gives_its_slot_back() {
    let engine = Engine::new("main".parse().unwrap(), ONE);
    let (acme, ada) = (org("acme"), user("ada"));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let Admission::Admitted(_attempt) = engine.begin(&acme, &ada, Password) else { return };
        panic!("the password hash was unreadable");
    }));
    assert!(panicked.is_err());
    assert_eq!(engine.tracked_users(), 0);
    let admission = engine.begin(&acme, &ada, Password);
    let Admission::Admitted(attempt) = admission else { panic!("{admission:?}") };
    assert_eq!(attempt.succeed(), Verdict::Accepted);
}
