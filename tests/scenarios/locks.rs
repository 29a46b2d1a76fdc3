//! A9, A11 and the order of the answers: administrators' locks, and whose user a user is.

use portcullis::{Details, Factor, Lock, LockCause, LockError, LockoutPolicy, Refusal};

use Factor::{Password, Totp};
use LockCause::{Administrator, Failures};

use crate::common::scenario::Then::{
    Accepted, Admitted, Busy, Done, Locked, Locks, NoLock, Nothing, Refused, Rejected,
};
use crate::common::scenario::{
    ADA, ADA_ELSEWHERE, BOB, EVE, adds, at, begins, fails, given, given_capacity, gives_up, locks,
    org, removes, right, succeeds, unlocks, user, wrong,
};

const ONE: LockoutPolicy = LockoutPolicy::new(1, 1);
const TWO: LockoutPolicy = LockoutPolicy::new(2, 2);
const THREE: LockoutPolicy = LockoutPolicy::new(3, 3);
const MISMATCH: crate::common::scenario::Then = Refused(Refusal::OrgMismatch);

#[test]
fn a9_an_administrators_lock_keeps_the_counters() {
    given(THREE)
        .after([fails(ADA, Password), fails(ADA, Password), fails(ADA, Totp)])
        .when(locks(ADA))
        .then(Done)
        .events(&["user.locked"])
        .locked(ADA, true)
        .failures(ADA, [2, 1, 0, 0, 0]);
}

#[test]
fn a9_locking_a_locked_user_is_already_locked_and_changes_nothing() {
    let scenario = given(ONE).after([locks(ADA)]);
    let before = scenario.status(ADA);
    let scenario = scenario.when(locks(ADA)).then(NoLock(LockError::AlreadyLocked)).events(&[]);
    assert_eq!(scenario.status(ADA), before);
    // Nor does it take a lock by failures over: cause and time stay.
    let scenario = given(ONE)
        .after([fails(ADA, Totp)])
        .when(locks(ADA))
        .then(NoLock(LockError::AlreadyLocked))
        .events(&[]);
    let lock = scenario.status(ADA).lock.unwrap();
    assert_eq!(lock, Lock { since: at(1), cause: Failures(Totp), org: org("acme") });
}

#[test]
fn a9_unlocking_an_unlocked_user_is_not_locked_and_changes_nothing() {
    given(THREE)
        .when(unlocks(ADA))
        .then(NoLock(LockError::NotLocked))
        .events(&[])
        .tracked(0)
        .after([fails(ADA, Password), begins(1, ADA, Password)])
        .when(unlocks(ADA))
        .then(NoLock(LockError::NotLocked))
        .events(&[])
        .failures(ADA, [1, 0, 0, 0, 0])
        .when(wrong(1))
        .then(Rejected(2, 3))
        .after([locks(ADA), unlocks(ADA)])
        .when(unlocks(ADA))
        .then(NoLock(LockError::NotLocked));
}

#[test]
fn a9_a_user_not_on_record_can_be_locked_and_then_is() {
    given(ONE)
        .when(locks(ADA))
        .then(Done)
        .tracked(1)
        .locked(ADA, true)
        .table([(fails(ADA, Password), Locked(Administrator)), (unlocks(ADA), Done)])
        .tracked(0)
        .when(succeeds(ADA, Password))
        .then(Accepted);
}

#[test]
fn a9_lock_and_unlock_answer_with_the_details_of_their_events() {
    let scenario = given(TWO).after([fails(ADA, Password)]).when(locks(ADA));
    // Position 1 is the instance default, 2 the failure.
    let expected = |sequence, command| Details {
        sequence,
        created_at: at(command),
        changed_at: at(command),
        resource_owner: String::from("acme"),
    };
    assert_eq!(scenario.details(), expected(3, 2));
    assert_eq!(scenario.when(unlocks(ADA)).details(), expected(4, 3));
}

#[test]
fn a9_the_locked_are_listed_oldest_lock_first() {
    let scenario = given(ONE).after([
        locks(EVE),
        fails(BOB, Totp),
        fails(("acme", "carl"), Password),
        locks(ADA),
        unlocks(BOB),
        fails(BOB, Password),
        unlocks(("acme", "carl")),
        begins(1, ("acme", "zoe"), Password),
    ]);
    let lock = |since, cause, id: &str| Lock { since: at(since), cause, org: org(id) };
    let expected = [
        (user("eve"), lock(1, Administrator, "globex")),
        (user("ada"), lock(4, Administrator, "acme")),
        (user("bob"), lock(6, Failures(Password), "acme")),
    ];
    assert!(scenario.engine().locked_users().eq(expected));
}

#[test]
fn a11_an_attempt_that_names_another_org_is_refused() {
    let scenario = given(THREE).after([adds("globex", LockoutPolicy::new(0, 0))]);
    scenario
        .after([fails(ADA, Password)])
        .when(begins(1, ADA_ELSEWHERE, Password))
        .then(MISMATCH)
        .events(&[])
        .when(fails(ADA_ELSEWHERE, Totp))
        .then(MISMATCH)
        .failures(ADA, [1, 0, 0, 0, 0])
        // The milder policy of the other organization is out of reach.
        .table([(fails(ADA, Password), Rejected(2, 3)), (fails(ADA, Password), Locks(3, 3))]);
}

#[test]
fn a11_an_attempt_in_flight_or_a_lock_puts_a_user_on_record_too() {
    given(ONE).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, ADA_ELSEWHERE, Totp), MISMATCH),
        (right(1), Accepted),
        (locks(ADA), Done),
        (begins(2, ADA_ELSEWHERE, Totp), MISMATCH),
    ]);
}

#[test]
fn a11_on_record_means_while_tracked() {
    given(THREE).table([
        (succeeds(ADA, Password), Accepted),
        (fails(ADA_ELSEWHERE, Password), Rejected(1, 3)),
        (succeeds(ADA, Password), MISMATCH),
        (succeeds(ADA_ELSEWHERE, Password), Accepted),
        (begins(1, ADA, Password), Admitted),
        (gives_up(1), Nothing),
        (locks(ADA_ELSEWHERE), Done),
        (unlocks(ADA), Done),
        (fails(ADA, Password), Rejected(1, 3)),
        (removes(ADA), Done),
        (succeeds(ADA_ELSEWHERE, Password), Accepted),
    ]);
}

#[test]
fn a11_status_tells_the_org_on_record() {
    let scenario = given(THREE).after([fails(ADA, Password), locks(EVE)]);
    assert_eq!(scenario.status(ADA).org, Some(org("acme")));
    assert_eq!(scenario.status(EVE).org, Some(org("globex")));
    assert_eq!(scenario.status(BOB).org, None);
    assert_eq!(scenario.status(EVE).lock.unwrap().org, org("globex"));
}

#[test]
fn order_of_begin_mismatch_before_locked_before_busy() {
    given(ONE).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, ADA, Password), Busy),
        (begins(2, ADA_ELSEWHERE, Password), MISMATCH),
        (locks(ADA), Done),
        (begins(2, ADA, Password), Locked(Administrator)),
        (begins(2, ADA_ELSEWHERE, Password), MISMATCH),
    ]);
}

#[test]
fn order_of_begin_capacity_comes_after_mismatch_and_locked() {
    given_capacity(1, ONE).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, BOB, Password), Refused(Refusal::Capacity)),
        (begins(2, ADA_ELSEWHERE, Password), MISMATCH),
        (begins(2, ADA, Password), Busy),
        (locks(BOB), Done),
        (begins(2, BOB, Password), Locked(Administrator)),
        (begins(2, EVE, Password), Refused(Refusal::Capacity)),
    ]);
}

#[test]
fn order_of_lock_mismatch_before_already_locked() {
    let mismatch = NoLock(LockError::OrgMismatch);
    given(THREE)
        .after([fails(ADA, Password)])
        .when(locks(ADA_ELSEWHERE))
        .then(mismatch)
        .events(&[])
        .locked(ADA, false)
        .table([
            (locks(ADA), Done),
            (locks(ADA_ELSEWHERE), mismatch),
            (locks(ADA), NoLock(LockError::AlreadyLocked)),
        ]);
}
