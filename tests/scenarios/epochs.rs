//! A8 and A10: what voids the attempts that were begun before it.

use portcullis::{Factor, LockCause, LockError, LockoutPolicy};

use Factor::{OtpSms, Password, Totp};
use LockCause::Administrator;

use crate::common::scenario::Then::{
    Accepted, Admitted, Busy, Done, Locked, Locks, NoLock, Nothing, Rejected, Superseded,
};
use crate::common::scenario::{
    ADA, ADA_ELSEWHERE, BOB, EVE, begins, fails, given, gives_up, has_new_credential, locks,
    removes, right, sets_default, succeeds, unlocks, wrong,
};

const ONE: LockoutPolicy = LockoutPolicy::new(1, 1);
const THREE: LockoutPolicy = LockoutPolicy::new(3, 3);

#[test]
fn a8_unlock_clears_the_lock_and_all_five_counters() {
    given(THREE)
        .after(Factor::ALL.map(|factor| fails(ADA, factor)))
        .after([locks(ADA)])
        .when(unlocks(ADA))
        .then(Done)
        .events(&["user.unlocked"])
        .locked(ADA, false)
        .failures(ADA, [0; 5])
        .tracked(0)
        .table([
            (fails(ADA, Password), Rejected(1, 3)),
            (fails(ADA, Password), Rejected(2, 3)),
            (fails(ADA, Password), Locks(3, 3)),
        ]);
}

#[test]
fn a8_unlock_voids_the_attempts_of_all_five_factors() {
    let mut scenario = given(ONE);
    for (token, factor) in (0..).zip(Factor::ALL) {
        scenario = scenario.when(begins(token, ADA, factor)).then(Admitted);
    }
    scenario = scenario.after([locks(ADA), unlocks(ADA)]).tracked(0);
    for (token, factor) in (0..).zip(Factor::ALL) {
        let settled = if token % 2 == 0 { right(token) } else { wrong(token) };
        scenario = scenario
            // The old ones hold no slot …
            .when(begins(token + 10, ADA, factor))
            .then(Admitted)
            // … and come to no verdict, and give no slot back that is not theirs.
            .when(settled)
            .then(Superseded)
            .events(&[])
            .when(begins(token + 20, ADA, factor))
            .then(Busy);
    }
    scenario.failures(ADA, [0; 5]);
}

#[test]
fn a8_a_superseded_attempt_is_superseded_also_where_nobody_is_on_record() {
    given(THREE)
        .after([begins(1, ADA, Password), begins(2, ADA, Password), begins(3, ADA, Password)])
        .after([locks(ADA), unlocks(ADA)])
        .table([(right(1), Superseded), (wrong(2), Superseded), (gives_up(3), Nothing)])
        .failures(ADA, [0; 5])
        .tracked(0);
}

#[test]
fn a8_superseded_comes_before_locked() {
    given(THREE)
        .after([begins(1, ADA, Password), begins(2, ADA, Password)])
        .after([locks(ADA), unlocks(ADA), locks(ADA)])
        .table([(right(1), Superseded), (wrong(2), Superseded)])
        .locked(ADA, true);
}

#[test]
fn a8_a_superseded_success_wipes_no_count() {
    given(THREE)
        .after([begins(1, ADA, Password), locks(ADA), unlocks(ADA), fails(ADA, Password)])
        .when(right(1))
        .then(Superseded)
        .failures(ADA, [1, 0, 0, 0, 0]);
}

#[test]
fn a8_a_lock_alone_begins_no_epoch_but_the_way_out_of_it_does() {
    given(ONE).table([
        (begins(1, ADA, Password), Admitted),
        (locks(ADA), Done),
        (right(1), Locked(Administrator)),
        (unlocks(ADA), Done),
        (begins(2, ADA, Password), Admitted),
        (right(2), Accepted),
    ]);
}

#[test]
fn a8_remove_forgets_all() {
    given(THREE)
        .after([fails(ADA, Password), fails(ADA, Totp), begins(1, ADA, Password), locks(ADA)])
        .when(removes(ADA))
        .then(Done)
        .events(&["user.removed"])
        .locked(ADA, false)
        .failures(ADA, [0; 5])
        .tracked(0)
        .when(right(1))
        .then(Superseded)
        // The organization is forgotten too.
        .when(begins(2, ADA_ELSEWHERE, Password))
        .then(Admitted);
}

#[test]
fn a8_an_epoch_does_not_come_back_with_a_removed_user() {
    let mut scenario = given(ONE);
    for token in 0..500 {
        scenario = scenario
            .when(begins(token, ADA, Password))
            .then(Admitted)
            .when(removes(ADA))
            .then(Done);
    }
    // Back on record, in turn under either organization, with one attempt in flight.
    for token in 0..500 {
        let who = if token % 2 == 0 { ADA } else { ADA_ELSEWHERE };
        let settled = [right(token), wrong(token), gives_up(token)][token as usize % 3].clone();
        scenario = scenario.when(begins(1000 + token, who, Password)).then(Admitted);
        let expected = if token % 3 == 2 { Nothing } else { Superseded };
        scenario = scenario
            .when(settled)
            .then(expected)
            .when(begins(9999, who, Password))
            .then(Busy)
            .when(right(1000 + token))
            .then(Accepted);
    }
    scenario.tracked(0);
}

#[test]
fn a8_each_way_out_supersedes_also_when_the_user_left_and_came_back_by_itself() {
    // After each of these nobody remembers Ada; she comes back, and the old attempt is void.
    let ways = [
        vec![locks(ADA), unlocks(ADA)],
        vec![removes(ADA)],
        vec![has_new_credential(ADA, Password)],
        vec![fails(ADA, Password), has_new_credential(ADA, Password)],
    ];
    for way in ways {
        given(THREE)
            .after([begins(1, ADA, Password)])
            .after(way)
            .tracked(0)
            .after([succeeds(ADA, Password), begins(2, ADA, Password)])
            .table([(right(1), Superseded), (right(2), Accepted)]);
    }
}

#[test]
fn a8_what_happens_to_others_voids_nothing() {
    given(THREE)
        .after([begins(1, ADA, Password), begins(2, ADA, Totp)])
        .after([locks(BOB), unlocks(BOB), removes(EVE), removes(BOB)])
        .after([has_new_credential(EVE, Password), has_new_credential(BOB, Totp)])
        .after([sets_default(ONE)])
        .table([(right(1), Accepted), (wrong(2), Locks(1, 1))]);
}

#[test]
fn a8_a_success_or_a_failure_voids_no_other_attempt() {
    given(THREE).after((0..3).map(|token| begins(token, ADA, Password))).table([
        (wrong(0), Rejected(1, 3)),
        (right(1), Accepted),
        (wrong(2), Rejected(1, 3)),
    ]);
}

#[test]
fn a10_a_new_credential_zeroes_and_voids_its_own_factor_only() {
    for (index, factor) in Factor::ALL.into_iter().enumerate() {
        let mut expected = [1; 5];
        expected[index] = 0;
        let mut scenario = given(THREE).after(Factor::ALL.map(|factor| fails(ADA, factor)));
        for (token, each) in (0..).zip(Factor::ALL) {
            scenario = scenario.after([begins(token, ADA, each)]);
        }
        scenario = scenario
            .when(has_new_credential(ADA, factor))
            .then(Done)
            .failures(ADA, expected)
            .locked(ADA, false);
        for (token, each) in (0..).zip(Factor::ALL) {
            let verdict = if each == factor { Superseded } else { Rejected(2, 3) };
            scenario = scenario.when(wrong(token)).then(verdict);
        }
    }
}

#[test]
fn a10_a_voided_attempt_holds_no_slot_and_gives_none_back() {
    given(ONE).table([
        (begins(1, ADA, Password), Admitted),
        (begins(2, ADA, Totp), Admitted),
        (has_new_credential(ADA, Password), Done),
        (begins(3, ADA, Password), Admitted),
        (begins(4, ADA, Password), Busy),
        (gives_up(1), Nothing),
        (begins(4, ADA, Password), Busy),
        (begins(5, ADA, Totp), Busy),
        (right(2), Accepted),
        (right(3), Accepted),
    ]);
}

#[test]
fn a10_a_new_credential_does_not_unlock() {
    given(ONE)
        .after([begins(1, ADA, Password), begins(2, ADA, Totp), fails(ADA, OtpSms)])
        .when(has_new_credential(ADA, OtpSms))
        .then(Done)
        .locked(ADA, true)
        .failures(ADA, [0; 5])
        .when(has_new_credential(ADA, Password))
        .then(Done)
        .locked(ADA, true)
        .when(begins(3, ADA, Password))
        .then(Locked(LockCause::Failures(OtpSms)))
        // The new epoch is told before the lock; the other factor has none.
        .table([(right(1), Superseded), (right(2), Locked(LockCause::Failures(OtpSms)))])
        .tracked(1);
}

#[test]
fn a10_both_are_recorded_also_for_a_user_not_on_record() {
    let scenario = given(THREE)
        .when(has_new_credential(ADA, Password))
        .then(Done)
        .events(&["user.human.password.changed"])
        .tracked(0);
    let first = scenario.details();
    let scenario = scenario.when(removes(ADA)).then(Done).events(&["user.removed"]).tracked(0);
    let second = scenario.details();
    assert_eq!((first.resource_owner.as_str(), second.resource_owner.as_str()), ("acme", "acme"));
    assert!(second.sequence > first.sequence);
}

#[test]
fn a10_with_another_org_than_the_one_on_record_both_are_refused() {
    let mismatch = NoLock(LockError::OrgMismatch);
    given(THREE)
        .after([fails(ADA, Password), begins(1, ADA, Password)])
        .when(has_new_credential(ADA_ELSEWHERE, Password))
        .then(mismatch)
        .events(&[])
        .when(removes(ADA_ELSEWHERE))
        .then(mismatch)
        .events(&[])
        .failures(ADA, [1, 0, 0, 0, 0])
        .when(wrong(1))
        .then(Rejected(2, 3))
        .after([locks(ADA)])
        .table([
            (has_new_credential(ADA_ELSEWHERE, Totp), mismatch),
            (removes(ADA_ELSEWHERE), mismatch),
        ])
        .locked(ADA, true);
}
