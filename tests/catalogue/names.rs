//! M11, M12, M34, M39: whose counter it is.

use portcullis::{Factor, IdRule, LockError, LockoutPolicy, MAX_ID_CHARACTERS, UserId, Verdict};

use Factor::{Password, Totp};

use super::{RIGHT, Service, admitted};
use crate::common::scenario::Then::{
    Accepted, Admitted, Done, Locks, Nothing, Rejected, Superseded,
};
use crate::common::scenario::{
    ADA, ADA_ELSEWHERE, begins, fails, given, gives_up, locks, org, removes, right, succeeds, user,
    wrong,
};

const THREE: LockoutPolicy = LockoutPolicy::new(3, 3);

#[test]
fn m11_no_spelling_of_an_id_is_taken_for_another() {
    // Each is an id of its own: what is to share a counter, the directory resolves to one id.
    let ids =
        ["ada", "Ada", "ADA", "a da", "ada.", "ad\u{e1}", "ada\u{301}", "\u{430}da", "7", "07"];
    for counted in ids {
        let who = ("acme", counted);
        let scenario = given(THREE).after([fails(who, Password), fails(who, Password)]);
        for other in ids.into_iter().filter(|id| *id != counted) {
            assert_eq!(scenario.status(("acme", other)).failures, [0; 5], "{counted:?} {other:?}");
        }
        scenario.when(fails(who, Password)).then(Locks(3, 3));
    }
}

#[test]
fn m11_blanks_and_control_characters_make_no_second_id() {
    for spelling in [" ada", "ada ", "\tada", "ada\n", "ada\0", "ada\u{a0}", "\u{3000}ada", "", " "]
    {
        assert!(UserId::try_from(spelling).is_err(), "{spelling:?}");
    }
}

#[test]
fn m11_all_spellings_of_one_user_share_one_budget() {
    let spellings = ["ada", "Ada", "ADA", "ada ", "ada@example.org"];
    let service = Service::new(THREE, spellings.map(|spelling| (spelling, "id-17")));
    for spelling in spellings.iter().cycle().take(50) {
        let _ = service.login(spelling, "wrong");
    }
    assert_eq!(service.checks.get(), 3);
    assert!(service.engine.is_locked("id-17"));
}

#[test]
fn m12_failures_of_one_move_no_other() {
    // An organization, another user and even the instance may carry the same text.
    let twin = ("acme", "acme");
    given(THREE)
        .after([fails(twin, Password), fails(ADA, Password), fails(ADA, Password)])
        .failures(twin, [1, 0, 0, 0, 0])
        .when(fails(ADA, Password))
        .then(Locks(3, 3))
        .locked(twin, false)
        .locked(("acme", "instance"), false)
        .when(fails(twin, Password))
        .then(Rejected(2, 3))
        .failures(ADA, [3, 0, 0, 0, 0]);
}

#[test]
fn m12_two_names_that_could_be_mixed_up_keep_two_counters() {
    // One user's name is the other's e-mail address; the directory knows which id is meant.
    let service = Service::new(THREE, [("bob@example.org", "id-1"), ("bob", "id-2")]);
    for _ in 0..10 {
        let _ = service.login("bob@example.org", "wrong");
    }
    assert!(service.engine.is_locked("id-1"));
    assert!(!service.engine.is_locked("id-2"));
    assert_eq!(service.engine.status(&user("id-2")).failures(Password), 0);
    assert_eq!(service.login("bob", RIGHT), portcullis::PublicAnswer::Granted);
}

#[test]
fn m34_an_id_that_comes_back_in_another_org_brings_nothing_along() {
    let before = [
        fails(ADA, Password),
        fails(ADA, Password),
        fails(ADA, Totp),
        begins(1, ADA, Password),
        begins(2, ADA, Totp),
        begins(3, ADA, Totp),
        locks(ADA),
    ];
    given(THREE)
        .after(before)
        .when(removes(ADA))
        .then(Done)
        .tracked(0)
        .table([
            (fails(ADA_ELSEWHERE, Password), Rejected(1, 3)),
            // Two slots are left, and both are free.
            (begins(11, ADA_ELSEWHERE, Password), Admitted),
            (begins(12, ADA_ELSEWHERE, Password), Admitted),
            (right(1), Superseded),
            (wrong(2), Superseded),
            (gives_up(3), Nothing),
        ])
        .failures(ADA_ELSEWHERE, [1, 0, 0, 0, 0])
        .when(right(11))
        .then(Accepted);
    // And one that left by itself has no organization either.
    given(THREE)
        .table([(succeeds(ADA, Password), Accepted), (locks(ADA_ELSEWHERE), Done)])
        .locked(ADA, true);
}

#[test]
fn m34_the_new_org_rules_and_the_old_one_has_no_say() {
    let scenario = given(THREE).after([removes(ADA), fails(ADA_ELSEWHERE, Password)]);
    let (old, ada) = (org("acme"), user("ada"));
    assert_eq!(scenario.engine().lock(&old, &ada), Err(LockError::OrgMismatch));
    assert_eq!(scenario.engine().remove_user(&old, &ada), Err(LockError::OrgMismatch));
    assert_eq!(scenario.status(ADA).org, Some(org("globex")));
}

#[test]
fn m39_an_over_long_id_is_an_error_and_never_cut() {
    for characters in [MAX_ID_CHARACTERS + 1, 513, 100_000] {
        for filler in ["x", "é", "🦀"] {
            let error = UserId::try_from(filler.repeat(characters)).unwrap_err();
            assert_eq!(error.rule(), IdRule::TooLong { characters });
        }
    }
}

#[test]
fn m39_ids_that_differ_in_the_last_character_have_two_counters() {
    let engine = portcullis::Engine::new("main".parse().unwrap(), LockoutPolicy::new(1, 1));
    for filler in ["x", "é", "🦀"] {
        let stem = filler.repeat(MAX_ID_CHARACTERS - 1);
        let (one, other) = (user(&format!("{stem}1")), user(&format!("{stem}2")));
        let _: Verdict = admitted(engine.begin(&org("acme"), &one, Password)).fail();
        assert!(engine.is_locked(&one) && !engine.is_locked(&other));

        let (one, other) = (org(&one), org(&other));
        engine.add_override(&one, LockoutPolicy::new(9, 9)).unwrap();
        assert!(!engine.resolve(&one).is_default() && engine.resolve(&other).is_default());
    }
}
