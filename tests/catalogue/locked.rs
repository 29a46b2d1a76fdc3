//! M06, M15, M18, M19, M20, M22, M33: what a lock does to those who try, and the way out of it.

use std::sync::{Arc, Mutex};

use portcullis::{
    Admission, Engine, Event, Factor, LockoutPolicy, Observer, PublicAnswer, Recorded, Verdict,
};

use Factor::{Password, Totp};

use super::{RIGHT, Service, admitted, guess};
use crate::common::drive::Command;
use crate::common::scenario::Then::{Accepted, Admitted, Busy, Done, Rejected, Superseded};
use crate::common::scenario::{
    ADA, at, begins, fails, given, given_capacity, has_new_credential, locks, org, right,
    sets_default, succeeds, unlocks, user, wrong,
};

const NEVER: LockoutPolicy = LockoutPolicy::new(0, 0);
const THREE: LockoutPolicy = LockoutPolicy::new(3, 3);

#[test]
fn m06_failures_under_a_lock_leave_everything_as_it_is() {
    let ways: [Vec<Command>; 2] = [vec![fails(ADA, Totp); 3], vec![fails(ADA, Totp), locks(ADA)]];
    for way in ways {
        // In flight when the lock comes, more than the limit allows.
        let in_flight = (0..500).map(|token| begins(token, ADA, Password));
        let mut scenario = given(NEVER).after(in_flight).after([sets_default(THREE)]).after(way);
        let before = (scenario.status(ADA), scenario.engine().tracked_users());
        assert!(before.0.lock.is_some());
        for number in 0..500 {
            let settled = if number % 2 == 0 { wrong(number) } else { right(number) };
            let factor = Factor::ALL[number as usize % 5];
            scenario = scenario.when(settled).events(&[]).when(fails(ADA, factor)).events(&[]);
            assert_eq!((scenario.status(ADA), scenario.engine().tracked_users()), before);
        }
        // And the way out is one unlock, after which the whole budget is there.
        scenario.table([
            (unlocks(ADA), Done),
            (fails(ADA, Password), Rejected(1, 3)),
            (fails(ADA, Password), Rejected(2, 3)),
            (succeeds(ADA, Password), Accepted),
        ]);
    }
}

#[test]
fn m15_a_lock_between_start_and_completion_refuses_the_completion() {
    let engine = Arc::new(Engine::new("main".parse().unwrap(), THREE));
    let (acme, ada) = (org("acme"), user("ada"));
    // As a login that waits for its user's phone: begun in one request, settled in another.
    let waiting = admitted(engine.begin_owned(&acme, &ada, Totp));
    engine.lock(&acme, &ada).unwrap();
    assert!(matches!(waiting.succeed(), Verdict::Locked(_)));
    assert!(engine.is_locked("ada"));
}

#[test]
fn m18_a_locked_account_tells_nothing_about_a_guess() {
    let service = Service::new(THREE, [("ada", "ada")]);
    for _ in 0..3 {
        let _ = service.login("ada", "wrong");
    }
    let checks = service.checks.get();
    for secret in [RIGHT, "wrong", RIGHT, ""] {
        assert_eq!(service.login("ada", secret), PublicAnswer::Denied);
    }
    assert_eq!(service.checks.get(), checks, "a check was run for a locked user");
}

#[test]
fn m18_nor_do_the_checks_that_were_running_when_the_lock_came() {
    let engine = Engine::new("main".parse().unwrap(), THREE);
    let (acme, ada) = (org("acme"), user("ada"));
    let begin = || admitted(engine.begin(&acme, &ada, Password));
    let (right, wrong) = (begin(), begin());
    engine.lock(&acme, &ada).unwrap();
    assert_eq!(right.succeed(), wrong.fail());
}

#[test]
fn m18_a_superseded_check_tells_nothing_either() {
    let engine = Engine::new("main".parse().unwrap(), THREE);
    let (acme, ada) = (org("acme"), user("ada"));
    let begin = || admitted(engine.begin(&acme, &ada, Password));
    let (right, wrong) = (begin(), begin());
    engine.credential_changed(&acme, &ada, Password).unwrap();
    assert_eq!(right.succeed(), wrong.fail());
}

#[test]
fn m19_the_same_guesses_at_a_real_and_at_an_invented_name_get_the_same_answers() {
    for limit in [0, 1, 2, 5] {
        let service = Service::new(LockoutPolicy::new(limit, limit), [("ada", "ada")]);
        for guess in ["wrong", "Wrong", "", "wrong", "123456", "wrong", "hunter2"] {
            assert_eq!(service.login("ada", guess), service.login("invented", guess));
        }
        // Also where the user is locked by hand, or busy.
        let engine = &service.engine;
        let running = engine.begin(&org("acme"), &user("ada"), Password);
        assert_eq!(service.login("ada", "wrong"), service.login("invented", "wrong"));
        drop(running);
        let _ = engine.lock(&org("acme"), &user("ada"));
        assert_eq!(service.login("ada", RIGHT), service.login("invented", RIGHT));
    }
}

/// Ends the sessions of whoever is locked, as a host would.
struct Sessions(Arc<Mutex<Vec<&'static str>>>);

impl Observer for Sessions {
    fn event(&self, recorded: &Recorded) {
        if let Event::Locked(_) = recorded.event {
            self.0.lock().unwrap().clear();
        }
    }
}

#[test]
fn m20_whoever_watches_has_heard_of_a_lock_before_the_call_returns() {
    let sessions = Arc::new(Mutex::new(vec!["phone", "desk"]));
    let engine = Engine::builder("main".parse().unwrap(), LockoutPolicy::new(1, 1))
        .observer(Sessions(Arc::clone(&sessions)))
        .build();
    assert!(guess(&engine, ADA, Password, false).is_some());
    assert!(sessions.lock().unwrap().is_empty());
    assert!(engine.is_locked("ada"));

    engine.unlock(&user("ada")).unwrap();
    sessions.lock().unwrap().push("phone");
    engine.lock(&org("acme"), &user("ada")).unwrap();
    assert!(sessions.lock().unwrap().is_empty());
}

#[test]
fn m22_unlock_lets_every_locked_user_back_in_whatever_came_before() {
    let histories: [Vec<Command>; 7] = [
        vec![fails(ADA, Password); 3],
        vec![locks(ADA)],
        vec![fails(ADA, Totp), locks(ADA)],
        vec![
            begins(1, ADA, Password),
            begins(2, ADA, Password),
            begins(3, ADA, Password),
            locks(ADA),
        ],
        vec![locks(ADA), has_new_credential(ADA, Password), has_new_credential(ADA, Totp)],
        vec![
            fails(ADA, Password),
            fails(ADA, Password),
            sets_default(LockoutPolicy::new(1, 1)),
            fails(ADA, Password),
        ],
        vec![locks(ADA), sets_default(NEVER), fails(ADA, Password)],
    ];
    for history in histories {
        given(THREE)
            .after(history)
            .locked(ADA, true)
            .table([(unlocks(ADA), Done), (succeeds(ADA, Password), Accepted)])
            .locked(ADA, false)
            .tracked(0);
    }
    // The cap is no lock-out either.
    given_capacity(1, THREE)
        .after([locks(ADA), locks(("acme", "root"))])
        .table([(unlocks(("acme", "root")), Done), (unlocks(ADA), Done)])
        .when(succeeds(("acme", "root"), Password))
        .then(Accepted);
}

#[test]
fn m22_unlocking_one_needs_no_other_who_is_unlocked() {
    // Everybody is locked; the call asks for no attempt and for no actor who could be locked.
    let everybody = ["root", "ada", "bob"];
    let scenario = given(THREE).after(everybody.map(|id| locks(("acme", id))));
    assert_eq!(scenario.engine().locked_users().count(), 3);
    for id in everybody {
        scenario.engine().unlock(&user(id)).unwrap();
        let admission = scenario.engine().begin(&org("acme"), &user(id), Password);
        assert!(matches!(admission, Admission::Admitted(_)));
    }
}

#[test]
fn m33_after_an_unlock_no_old_half_login_goes_on() {
    for factor in Factor::ALL {
        given(LockoutPolicy::new(1, 1))
            .after([begins(1, ADA, factor), locks(ADA), unlocks(ADA)])
            .table([
                (begins(2, ADA, factor), Admitted),
                (right(1), Superseded),
                (begins(3, ADA, factor), Busy),
                (right(2), Accepted),
            ]);
    }
    // Nor does one that was found to be right while the lock was on.
    let scenario = given(THREE).after([begins(1, ADA, Password), locks(ADA)]);
    assert_eq!(scenario.status(ADA).lock.unwrap().since, at(2));
    scenario.table([(unlocks(ADA), Done), (right(1), Superseded)]).tracked(0);
}
