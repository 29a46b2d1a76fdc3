//! M08, M09: a flood of names neither evicts what is held nor grows what is held.

use portcullis::{Admission, Engine, Factor, LockoutPolicy, OrgId, Refusal, UserId, Verdict};

use Factor::Password;

use super::{admitted, guess};
use crate::common::scale;
use crate::common::scenario::{ADA, BOB, org, user};

const FLOOD: u32 = 1_000_000;

fn name(number: u32) -> UserId {
    UserId::try_from(format!("invented {number}")).unwrap()
}

/// Ada has failed twice of three times, Bob is locked.
fn with_victims(policy: LockoutPolicy, cap: Option<usize>) -> Engine {
    let builder = Engine::builder("main".parse().unwrap(), policy);
    let engine = match cap {
        Some(users) => builder.capacity(users).build(),
        None => builder.build(),
    };
    assert!(guess(&engine, ADA, Password, false).is_some());
    assert!(guess(&engine, ADA, Password, false).is_some());
    engine.lock(&org("acme"), &user("bob")).unwrap();
    engine
}

/// And so it is still: the next failure of Ada is the third.
fn assert_victims_are_exact(engine: &Engine) {
    assert_eq!(engine.status(&user("ada")).failures(Password), 2);
    assert!(engine.is_locked("bob"));
    assert_eq!(guess(engine, BOB, Password, true), None);
    let limit = engine.resolve("acme").policy.max_password_attempts;
    let third = Verdict::Rejected { failures: 3, limit, locked: true };
    assert_eq!(guess(engine, ADA, Password, false), Some(third));
}

#[test]
fn m08_a_flood_of_failing_names_evicts_no_count_and_no_lock() {
    let engine = with_victims(LockoutPolicy::new(3, 3), None);
    let acme = org("acme");
    for number in 0..FLOOD {
        let attempt = admitted(engine.begin(&acme, &name(number), Password));
        let _: Verdict = attempt.fail();
    }
    assert_eq!(engine.tracked_users(), FLOOD as usize + 2);
    assert_eq!(engine.status(&name(0)).failures(Password), 1);
    assert_victims_are_exact(&engine);
}

#[test]
fn m08_under_a_cap_the_flood_is_refused_and_not_the_victim() {
    let engine = with_victims(LockoutPolicy::new(3, 3), Some(1_000));
    let acme = org("acme");
    let mut refused = 0;
    for number in 0..FLOOD / 10 {
        match engine.begin(&acme, &name(number), Password) {
            Admission::Admitted(attempt) => {
                let _: Verdict = attempt.fail();
            }
            Admission::Refused(Refusal::Capacity) => refused += 1,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(refused, FLOOD / 10 - 998);
    assert_eq!(engine.tracked_users(), 1_000);
    assert_victims_are_exact(&engine);
}

#[test]
fn m09_invented_names_that_leave_no_failure_leave_nothing() {
    let ways: [fn(&Engine, &OrgId, &UserId); 5] = [
        |engine, _, user| assert!(engine.resolve(user).is_default()),
        |engine, _, user| assert!(!engine.is_locked(user)),
        |engine, _, user| assert_eq!(engine.status(user).org, None),
        |engine, acme, user| admitted(engine.begin(acme, user, Password)).cancel(),
        |engine, acme, user| {
            let attempt = admitted(engine.begin(acme, user, Password));
            assert_eq!(attempt.succeed(), Verdict::Accepted);
        },
    ];
    let engine = with_victims(LockoutPolicy::new(3, 3), None);
    let acme = org("acme");
    for number in 0..FLOOD * scale() {
        let user = name(number);
        ways[number as usize % ways.len()](&engine, &acme, &user);
        if number % 1_000 < 5 {
            assert_eq!(engine.tracked_users(), 2);
        }
    }
    assert_eq!(engine.tracked_users(), 2);
    assert!(engine.overrides().next().is_none());
    assert_victims_are_exact(&engine);
}

#[test]
fn m09_administrators_calls_on_names_nobody_knows_leave_nothing() {
    let engine = with_victims(LockoutPolicy::new(3, 3), None);
    let acme = org("acme");
    for number in 0..FLOOD / 10 {
        let user = name(number);
        engine.credential_changed(&acme, &user, Password).unwrap();
        engine.remove_user(&acme, &user).unwrap();
        assert!(engine.unlock(&user).is_err());
        let org = OrgId::try_from(&*user).unwrap();
        assert!(engine.reset_to_default(&org).is_err());
    }
    assert_eq!(engine.tracked_users(), 2);
    assert_victims_are_exact(&engine);
}

#[test]
fn m09_attempts_in_flight_of_invented_names_stay_within_a_cap() {
    let engine = with_victims(LockoutPolicy::new(3, 3), Some(100));
    let acme = org("acme");
    for _ in 0..3 {
        let mut in_flight = Vec::new();
        for number in 0..FLOOD / 10 {
            match engine.begin(&acme, &name(number), Password) {
                Admission::Admitted(attempt) => in_flight.push(attempt),
                Admission::Refused(Refusal::Capacity) => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!((in_flight.len(), engine.tracked_users()), (98, 100));
        drop(in_flight);
        assert_eq!(engine.tracked_users(), 2);
    }
    assert_victims_are_exact(&engine);
}
