//! A12 to A14: who takes up memory, the cap, and histories over several threads.

use portcullis::{Admission, Factor, LockError, LockoutPolicy, Refusal, Verdict};

use Factor::{OtpSms, Password, Totp};

use crate::common::drive::{Command, Live};
use crate::common::naive::Status;
use crate::common::scenario::Then::{
    Accepted, Admitted, Done, Locks, NoLock, Nothing, Refused, Rejected, Superseded,
};
use crate::common::scenario::{
    ADA, ADA_ELSEWHERE, BOB, EVE, begins, fails, given, given_capacity, gives_up,
    has_new_credential, locks, org, removes, right, succeeds, unlocks, user, wrong,
};

const ONE: LockoutPolicy = LockoutPolicy::new(1, 1);
const THREE: LockoutPolicy = LockoutPolicy::new(3, 3);
const FULL: crate::common::scenario::Then = Refused(Refusal::Capacity);

/// Each ends with nobody to remember.
fn ways_to_leave() -> Vec<Vec<Command>> {
    vec![
        vec![succeeds(ADA, Password)],
        vec![fails(ADA, Password), succeeds(ADA, Password)],
        vec![begins(1, ADA, Password), gives_up(1)],
        vec![begins(2, ADA, Password), gives_up(2)],
        vec![begins(1, ADA, Password), begins(2, ADA, Totp), right(2), gives_up(1)],
        vec![fails(ADA, Password), has_new_credential(ADA, Password)],
        vec![begins(1, ADA, Password), has_new_credential(ADA, Password), right(1)],
        vec![begins(1, ADA, Password), has_new_credential(ADA, Password), gives_up(1)],
        vec![locks(ADA), unlocks(ADA)],
        vec![fails(ADA, Totp), locks(ADA), unlocks(ADA)],
        vec![begins(1, ADA, Totp), locks(ADA), unlocks(ADA), wrong(1)],
        vec![begins(1, ADA, Totp), locks(ADA), right(1), unlocks(ADA)],
        vec![fails(ADA, Totp), removes(ADA)],
        vec![locks(ADA), removes(ADA)],
        vec![begins(1, ADA, OtpSms), removes(ADA), gives_up(1)],
        vec![has_new_credential(ADA, Totp)],
        vec![removes(ADA)],
    ]
}

#[test]
fn a12_the_widest_limit_leaves_the_widest_budget() {
    let scenario = given(LockoutPolicy::new(u32::MAX, u32::MAX)).table([
        (fails(ADA, Password), Rejected(1, u32::MAX)),
        (fails(ADA, Totp), Rejected(1, u32::MAX)),
    ]);
    let admission = scenario.engine().begin(&org("acme"), &user("ada"), Password);
    let Admission::Admitted(attempt) = admission else { panic!("{admission:?}") };
    assert_eq!(attempt.fail().remaining(), Some(u32::MAX - 2));
}

#[test]
fn a13_whoever_has_nothing_to_remember_is_forgotten() {
    for way in ways_to_leave() {
        let scenario = given(THREE).after(way.clone()).tracked(0);
        assert_eq!(scenario.status(ADA), Status::default(), "{way:?}");
    }
}

#[test]
fn a13_a_failure_an_attempt_in_flight_or_a_lock_keeps_a_user_tracked() {
    for history in [fails(ADA, OtpSms), begins(1, ADA, OtpSms), locks(ADA)] {
        let scenario = given(THREE)
            .after([history])
            .tracked(1)
            .after([succeeds(ADA, Password), has_new_credential(ADA, Totp)])
            .tracked(1);
        assert_eq!(scenario.status(ADA).org, Some(org("acme")));
    }
}

#[test]
fn a13_an_attempt_of_an_older_epoch_keeps_nobody_tracked() {
    let void = |way: [Command; 2]| {
        given(THREE).after([begins(1, ADA, Password), begins(2, ADA, Password)]).after(way)
    };
    void([has_new_credential(ADA, Password), has_new_credential(ADA, Totp)]).tracked(0);
    void([locks(ADA), unlocks(ADA)]).tracked(0);
    void([removes(ADA), removes(BOB)]).tracked(0);
    // Beside one that keeps her tracked: until that one is settled, and no longer.
    void([begins(3, ADA, Totp), has_new_credential(ADA, Password)])
        .tracked(1)
        .when(right(3))
        .then(Accepted)
        .tracked(0)
        .table([(right(1), Superseded), (gives_up(2), Nothing)])
        .tracked(0);
}

#[test]
fn a13_a_cap_refuses_new_users_and_leaves_those_on_record_exact() {
    given_capacity(2, THREE)
        .table([
            (fails(ADA, Password), Rejected(1, 3)),
            (begins(1, BOB, Password), Admitted),
            (begins(2, EVE, Password), FULL),
            (succeeds(EVE, Password), FULL),
            (fails(ADA, Password), Rejected(2, 3)),
            (begins(3, ADA, Totp), Admitted),
            (wrong(1), Rejected(1, 3)),
            (fails(ADA, Password), Locks(3, 3)),
            (begins(2, EVE, Password), FULL),
        ])
        .tracked(2)
        // Room again when somebody leaves.
        .table([(succeeds(BOB, Password), Accepted), (begins(2, EVE, Password), Admitted)])
        .when(begins(4, BOB, Password))
        .then(FULL)
        .events(&[])
        .tracked(2);
}

#[test]
fn a13_a_cap_never_refuses_an_administrators_call() {
    given_capacity(1, ONE)
        .table([
            (fails(ADA, Password), Locks(1, 1)),
            (locks(BOB), Done),
            (locks(EVE), Done),
            (locks(ADA_ELSEWHERE), NoLock(LockError::OrgMismatch)),
        ])
        .tracked(3)
        .table([
            (has_new_credential(("acme", "carl"), Password), Done),
            (removes(("acme", "carl")), Done),
            (unlocks(ADA), Done),
            (unlocks(BOB), Done),
        ])
        // Eve alone fills it still.
        .tracked(1)
        .table([(succeeds(ADA, Password), FULL), (removes(EVE), Done)])
        .table([(succeeds(ADA, Password), Accepted), (fails(EVE, Password), Locks(1, 1))]);
}

#[test]
fn a13_capacity_zero_admits_nobody_and_still_locks() {
    given_capacity(0, ONE)
        .table([
            (succeeds(ADA, Password), FULL),
            (locks(ADA), Done),
            (unlocks(ADA), Done),
            (has_new_credential(ADA, Password), Done),
            (removes(ADA), Done),
            (begins(1, ADA, Password), FULL),
        ])
        .tracked(0);
}

#[test]
fn a13_every_way_to_leave_gives_its_place_back() {
    for way in ways_to_leave() {
        let mut scenario = given_capacity(1, THREE);
        for _ in 0..10 {
            scenario = scenario.after(way.clone()).tracked(0);
        }
        // Neither a place lost nor one won.
        scenario.table([(begins(8, BOB, Password), Admitted), (begins(9, EVE, Password), FULL)]);
    }
}

#[test]
fn a13_what_is_refused_and_what_fails_takes_no_place() {
    given_capacity(2, THREE)
        .table([
            (fails(ADA, Password), Rejected(1, 3)),
            (succeeds(ADA_ELSEWHERE, Password), Refused(Refusal::OrgMismatch)),
            (locks(ADA_ELSEWHERE), NoLock(LockError::OrgMismatch)),
            (unlocks(BOB), NoLock(LockError::NotLocked)),
            (locks(ADA), Done),
            (locks(ADA), NoLock(LockError::AlreadyLocked)),
            (begins(1, BOB, Password), Admitted),
            (begins(2, EVE, Password), FULL),
        ])
        .tracked(2);
}

#[test]
fn a14_attempts_settled_in_other_threads_make_one_history() {
    let live = Live::unwatched(LockoutPolicy::new(100, 100), |builder| builder);
    for failures in 1..100 {
        let admission = live.engine.begin_owned(&org("acme"), &user("ada"), Password);
        let Admission::Admitted(attempt) = admission else { panic!("{admission:?}") };
        let verdict = std::thread::spawn(move || attempt.fail()).join().unwrap();
        assert!(matches!(verdict, Verdict::Rejected { failures: n, .. } if n == failures));
    }
    assert_eq!(live.engine.status(&user("ada")).failures(Password), 99);
}
