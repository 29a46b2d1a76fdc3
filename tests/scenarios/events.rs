//! The trail: which events there are, in which order, with which numbers, times and actors.

use portcullis::{
    Actor, Admission, Aggregate, AttemptInfo, Engine, Event, Factor, LockCause, LockError,
    LockoutPolicy, Observer, PolicyEvent, Recorded, Verdict,
};

use Factor::{OtpEmail, OtpSms, Password, RecoveryCode, Totp};

use crate::common::drive::Live;
use crate::common::scenario::{
    ADA, BOB, EVE, Scenario, adds, at, begins, changes, fails, given, gives_up, has_new_credential,
    locks, org, puts, removes, resets, right, sets_default, succeeds, unlocks, user, wrong,
};

const ONE: LockoutPolicy = LockoutPolicy::new(1, 1);
const TWO: LockoutPolicy = LockoutPolicy::new(2, 2);

fn of_user(org_id: &str, id: &str) -> Aggregate {
    Aggregate::User { org: org(org_id), user: user(id) }
}

#[test]
fn events_the_first_one_is_the_instance_default() {
    let live = Live::watched(ONE, |builder| builder);
    let expected = Recorded {
        position: 1,
        sequence: 1,
        at: at(0),
        actor: Actor::system(),
        aggregate: Aggregate::Instance("instance".parse().unwrap()),
        event: Event::InstancePolicy(PolicyEvent::Added(ONE)),
    };
    assert_eq!(live.seen.take_events(), [expected]);
    assert_eq!(Actor::system().as_str(), "SYSTEM");
}

#[test]
fn events_positions_have_no_gap_over_all_aggregates() {
    let history = [
        adds("acme", TWO),
        fails(ADA, Password),
        locks(EVE),
        sets_default(ONE),
        changes("acme", TWO),
        fails(ADA, Password),
        unlocks(ADA),
        fails(EVE, Password),
        resets("acme"),
        fails(ADA, Totp),
        has_new_credential(BOB, Totp),
        removes(ADA),
        succeeds(ADA, Totp),
        puts("acme", TWO),
    ];
    let mut scenario = given(TWO);
    let (mut position, mut of_acme, mut of_instance) = (1, 0, 1);
    for command in history {
        scenario = scenario.when(command);
        for recorded in scenario.recorded() {
            position += 1;
            assert_eq!(recorded.position, position);
            let expected = match &recorded.aggregate {
                Aggregate::Instance(_) => {
                    of_instance += 1;
                    of_instance
                }
                Aggregate::Org(_) => {
                    of_acme += 1;
                    of_acme
                }
                Aggregate::User { .. } => position,
            };
            assert_eq!(recorded.sequence, expected, "{recorded:?}");
        }
    }
    assert_eq!((of_acme, of_instance), (3, 2));
    assert_eq!(position, 14);
}

/// The event of the last command, which has one.
fn only(scenario: &Scenario) -> Recorded {
    let [recorded] = scenario.recorded() else { panic!("{:?}", scenario.recorded()) };
    recorded.clone()
}

#[test]
fn events_carry_the_time_the_aggregate_and_the_number_that_the_details_tell() {
    let scenario = given(TWO).after([fails(BOB, Password)]).when(locks(ADA));
    let recorded = only(&scenario);
    assert_eq!(recorded.aggregate, of_user("acme", "ada"));
    assert_eq!((recorded.at, recorded.sequence), (at(2), recorded.position));
    assert_eq!(recorded.sequence, scenario.details().sequence);
    assert_eq!(recorded.event, Event::Locked(LockCause::Administrator));

    let scenario = scenario.when(adds("acme", ONE));
    let recorded = only(&scenario);
    assert_eq!(recorded.aggregate, Aggregate::Org(org("acme")));
    assert_eq!(recorded.sequence, scenario.details().sequence);
    assert_eq!((recorded.at, recorded.at), (scenario.details().created_at, at(3)));
    assert_eq!(recorded.event, Event::OrgPolicy(PolicyEvent::Added(ONE)));
}

#[test]
fn events_a_failure_that_locks_is_two_in_order() {
    let scenario = given(ONE).when(fails(ADA, OtpEmail));
    let [failed, locked] = scenario.recorded() else { panic!("{:?}", scenario.recorded()) };
    assert_eq!(failed.event, Event::CheckFailed { factor: OtpEmail, info: None });
    assert_eq!(locked.event, Event::Locked(LockCause::Failures(OtpEmail)));
    assert_eq!(locked.position, failed.position + 1);
    assert_eq!((failed.at, locked.at), (at(1), at(1)));
    assert_eq!(failed.aggregate, locked.aggregate);
    assert_eq!(scenario.status(ADA).lock.unwrap().since, at(1));
}

#[test]
fn events_have_the_names_of_zitadel() {
    let rows = [
        (Password, "password.check", "user.human.password.changed"),
        (Totp, "mfa.otp.check", "user.human.mfa.otp.verified"),
        (OtpSms, "mfa.otp.sms.check", "user.human.mfa.otp.sms.added"),
        (OtpEmail, "mfa.otp.email.check", "user.human.mfa.otp.email.added"),
        (RecoveryCode, "mfa.recoverycode.check", "user.human.mfa.recoverycode.added"),
    ];
    assert_eq!(rows.map(|(factor, ..)| factor), Factor::ALL);
    for (factor, check, changed) in rows {
        given(TWO)
            .when(fails(ADA, factor))
            .events(&[&format!("user.human.{check}.failed")])
            .when(succeeds(ADA, factor))
            .events(&[&format!("user.human.{check}.succeeded")])
            .when(has_new_credential(ADA, factor))
            .events(&[changed]);
    }
    given(TWO)
        .when(locks(ADA))
        .events(&["user.locked"])
        .when(unlocks(ADA))
        .events(&["user.unlocked"])
        .when(removes(ADA))
        .events(&["user.removed"])
        .when(adds("acme", ONE))
        .events(&["org.policy.lockout.added"])
        .when(changes("acme", TWO))
        .events(&["org.policy.lockout.changed"])
        .when(resets("acme"))
        .events(&["org.policy.lockout.removed"])
        .when(sets_default(ONE))
        .events(&["instance.policy.lockout.changed"]);
    let added = Event::InstancePolicy(PolicyEvent::Added(ONE));
    assert_eq!(added.type_name(), "instance.policy.lockout.added");
}

#[test]
fn events_there_are_none_of_what_changes_nothing() {
    let nothing = [
        succeeds(BOB, Password),
        begins(1, BOB, Password),
        gives_up(1),
        begins(2, ADA, Totp),
        begins(3, ADA, Totp),
        begins(4, ADA, Totp),
        right(2),
        gives_up(3),
        fails(EVE, Password),
        begins(5, EVE, Password),
        locks(EVE),
        unlocks(BOB),
        fails(("globex", "ada"), Password),
        adds("acme", ONE),
        changes("globex", ONE),
        changes("acme", TWO),
        puts("acme", TWO),
        resets("globex"),
        sets_default(TWO),
        right(6),
        wrong(7),
        right(8),
    ];
    let mut scenario = given(TWO).after([
        adds("acme", TWO),
        fails(ADA, Password),
        begins(6, EVE, Password),
        begins(7, EVE, Totp),
        begins(8, BOB, Password),
        has_new_credential(BOB, Password),
        locks(EVE),
    ]);
    for command in nothing {
        scenario = scenario.when(command).events(&[]);
    }
}

#[test]
fn events_name_who_did_it() {
    let live = Live::watched(ONE, |builder| builder);
    let engine = &live.engine;
    let root: Actor = "root".parse().unwrap();
    let (acme, ada) = (org("acme"), user("ada"));
    live.seen.take_events();

    // Each call twice: by somebody, and by nobody in particular.
    engine.set_instance_policy_by(&root, TWO).unwrap();
    engine.set_instance_policy(ONE).unwrap();
    engine.add_override_by(&root, &acme, ONE).unwrap();
    engine.reset_to_default(&acme).unwrap();
    engine.put_override_by(&root, &acme, ONE).unwrap();
    engine.put_override(&acme, TWO).unwrap();
    engine.change_override_by(&root, &acme, ONE).unwrap();
    engine.change_override(&acme, TWO).unwrap();
    engine.reset_to_default_by(&root, &acme).unwrap();
    engine.add_override(&acme, ONE).unwrap();
    engine.lock_by(&root, &acme, &ada).unwrap();
    engine.unlock(&ada).unwrap();
    engine.lock_by(&root, &acme, &ada).unwrap();
    engine.remove_user(&acme, &ada).unwrap();
    engine.remove_user_by(&root, &acme, &ada).unwrap();
    engine.lock(&acme, &ada).unwrap();
    engine.unlock_by(&root, &ada).unwrap();
    engine.credential_changed(&acme, &ada, Totp).unwrap();
    engine.credential_changed_by(&root, &acme, &ada, Totp).unwrap();

    let actors: Vec<_> = live.seen.take_events().into_iter().map(|it| it.actor).collect();
    let expected: Vec<_> = [root.clone(), Actor::system()].into_iter().cycle().take(19).collect();
    assert_eq!(actors, expected);

    // An attempt is the user's own doing, also the lock that follows from it.
    let Admission::Admitted(attempt) = engine.begin(&acme, &ada, Password) else { panic!() };
    assert!(matches!(attempt.fail(), Verdict::Rejected { locked: true, .. }));
    let actors: Vec<_> = live.seen.take_events().into_iter().map(|it| it.actor).collect();
    assert_eq!(actors, [Actor::from(&ada), Actor::from(&ada)]);

    // A call that is refused names nobody.
    assert_eq!(engine.lock_by(&root, &acme, &ada), Err(LockError::AlreadyLocked));
    assert_eq!(live.seen.take_events(), []);
}

#[test]
fn events_tell_what_the_caller_knows_of_the_client() {
    let live = Live::watched(TWO, |builder| builder);
    let info = AttemptInfo {
        remote_ip: Some("203.0.113.7".parse().unwrap()),
        user_agent: Some("a browser".into()),
        accept_language: Some("de".into()),
        request_id: Some("login 17".into()),
    };
    let attempt = || match live.engine.begin(&org("acme"), &user("ada"), Totp) {
        Admission::Admitted(attempt) => attempt.with_info(info.clone()),
        other => panic!("{other:?}"),
    };
    let told = Some(Box::new(info.clone()));
    let recorded = || {
        let events = live.seen.take_events();
        events.into_iter().map(|it| it.event).collect::<Vec<_>>()
    };
    recorded();

    let _: Verdict = attempt().fail();
    assert_eq!(recorded(), [Event::CheckFailed { factor: Totp, info: told.clone() }]);
    let _: Verdict = attempt().succeed();
    assert_eq!(recorded(), [Event::CheckSucceeded { factor: Totp, info: told.clone() }]);
    let _: Verdict = attempt().fail();
    recorded();
    let _: Verdict = attempt().fail();
    let locked = Event::Locked(LockCause::Failures(Totp));
    assert_eq!(recorded(), [Event::CheckFailed { factor: Totp, info: told }, locked]);
}

#[test]
fn events_an_observer_is_told_each_verdict_also_one_that_rests_on_no_event() {
    let mut live = Live::watched(TWO, |builder| builder);
    let history = [
        succeeds(ADA, Password),
        fails(ADA, Password),
        begins(1, ADA, Totp),
        begins(2, ADA, OtpSms),
        begins(3, ADA, Totp),
        has_new_credential(ADA, OtpSms),
        right(2),
        gives_up(3),
        fails(ADA, Password),
        right(1),
    ];
    for command in history {
        let _ = live.run(&command);
    }
    let lock = live.engine.status(&user("ada")).lock.unwrap();
    let rejected =
        |failures, locked| Verdict::Rejected { failures, limit: TWO.max_password_attempts, locked };
    let expected = [
        (Password, Verdict::Accepted),
        (Password, rejected(1, false)),
        (OtpSms, Verdict::Superseded),
        (Password, rejected(2, true)),
        (Totp, Verdict::Locked(lock)),
    ]
    .map(|(factor, verdict)| (org("acme"), user("ada"), factor, verdict));
    assert_eq!(live.seen.take_verdicts(), expected);
}

/// Panics at every event of that type.
struct Faulty(&'static str);

impl Observer for Faulty {
    fn event(&self, recorded: &Recorded) {
        assert_ne!(recorded.event.type_name(), self.0, "the log is full");
    }
}

fn watched_by(faulty: Faulty) -> Engine {
    Engine::builder("main".parse().unwrap(), ONE).capacity(1).observer(faulty).build()
}

#[test]
fn a3_an_observer_that_panics_keeps_no_lock_away() {
    let engine = watched_by(Faulty("user.human.password.check.failed"));
    let Admission::Admitted(attempt) = engine.begin(&org("acme"), &user("ada"), Password) else {
        panic!()
    };
    assert!(matches!(attempt.fail(), Verdict::Rejected { locked: true, .. }));
    let status = engine.status(&user("ada"));
    assert_eq!((status.failures(Password), status.lock.is_some()), (1, true));
}

#[test]
fn a9_an_observer_that_panics_keeps_no_administrators_lock_away() {
    let engine = watched_by(Faulty("user.locked"));
    engine.lock(&org("acme"), &user("ada")).unwrap();
    // Also of a user who was not on record before.
    assert!(engine.is_locked("ada"));
    assert_eq!(engine.tracked_users(), 1);
}

#[test]
fn a13_an_observer_that_panics_keeps_nobody_tracked() {
    let engine = watched_by(Faulty("user.unlocked"));
    engine.lock(&org("acme"), &user("ada")).unwrap();
    engine.unlock(&user("ada")).unwrap();
    assert!(!engine.is_locked("ada"));
    assert_eq!(engine.tracked_users(), 0);
    // Her place under the cap is free for the next.
    assert!(matches!(engine.begin(&org("acme"), &user("bob"), Password), Admission::Admitted(_)));
}
