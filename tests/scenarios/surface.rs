//! What the public types promise: builder, clock, attempts that travel, public answers, traits.

use std::error::Error;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::Arc;

use portcullis::{
    Actor, Admission, Aggregate, Attempt, AttemptInfo, AttemptLimit, Clock, Details, Engine,
    EngineBuilder, Event, Factor, IdRule, InstanceId, InvalidId, Lock, LockCause, LockError,
    LockoutPolicy, ManualClock, OrgId, Origin, PolicyError, PolicyEvent, PublicAnswer, Recorded,
    Refusal, Resolved, SystemClock, UserId, UserStatus, Verdict,
};

use Factor::Password;

use crate::common::scenario::{at, org, user};

const TWO: LockoutPolicy = LockoutPolicy::new(2, 2);
const SHOWN: LockoutPolicy = LockoutPolicy { show_lockout_failures: true, ..TWO };

fn builder() -> EngineBuilder {
    Engine::builder("main".parse().unwrap(), TWO)
}

#[track_caller]
fn admitted(admission: Admission<'_>) -> Attempt<'_> {
    match admission {
        Admission::Admitted(attempt) => attempt,
        other => panic!("{other:?}"),
    }
}

fn lock() -> Lock {
    Lock { since: at(7), cause: LockCause::Administrator, org: org("acme") }
}

fn rejected(failures: u32, limit: u32, locked: bool) -> Verdict {
    Verdict::Rejected { failures, limit: limit.into(), locked }
}

#[test]
fn builder_takes_any_number_of_shards() {
    for shards in [0, 1, 2, 3, 255, 1_000_000, usize::MAX] {
        let engine = builder().shards(shards).build();
        let acme = org("acme");
        for number in 0..100 {
            let user = user(&format!("user {number}"));
            assert_eq!(
                admitted(engine.begin(&acme, &user, Password)).fail(),
                rejected(1, 2, false)
            );
        }
        assert_eq!(engine.tracked_users(), 100, "{shards} shards");
        assert_eq!(
            admitted(engine.begin(&acme, &user("user 7"), Password)).fail().remaining(),
            Some(0)
        );
        assert!(engine.is_locked("user 7") && !engine.is_locked("user 8"), "{shards} shards");
    }
}

#[test]
fn builder_can_be_used_again() {
    let builder = builder().shards(2).capacity(1);
    let (one, other) = (builder.clone().build(), builder.build());
    one.lock(&org("acme"), &user("ada")).unwrap();
    assert!(one.is_locked("ada") && !other.is_locked("ada"));
}

#[test]
fn clock_stamps_what_is_shown_and_can_be_shared() {
    let clock = ManualClock::at(at(100));
    let engine = builder().clock(Arc::new(clock.clone())).build();
    assert_eq!(engine.instance_policy().1.created_at, at(100));
    clock.set(at(50));
    let details = engine.add_override(&org("acme"), TWO).unwrap();
    assert_eq!((details.created_at, details.changed_at), (at(50), at(50)));
    clock.advance(std::time::Duration::from_secs(5));
    let details = engine.lock(&org("acme"), &user("ada")).unwrap();
    assert_eq!((details.created_at, details.changed_at), (at(55), at(55)));
    assert_eq!(engine.status(&user("ada")).lock.unwrap().since, at(55));
    clock.advance(std::time::Duration::MAX);
    assert_eq!(clock.now(), at(55));
    assert_eq!(engine.locked_users().next().unwrap().1.since, at(55));
}

#[test]
fn clock_without_a_choice_is_the_systems() {
    let before = SystemClock.now();
    let engine = Engine::new("main".parse().unwrap(), LockoutPolicy::new(1, 1));
    let _: Verdict = admitted(engine.begin(&org("acme"), &user("ada"), Password)).fail();
    let since = engine.status(&user("ada")).lock.unwrap().since;
    // Generous: a system's clock may be set while a test runs.
    let hour = std::time::Duration::from_hours(1);
    assert!(since + hour > before && SystemClock.now() + hour > since);
}

#[test]
fn begin_owned_outlives_every_other_hold_of_its_engine() {
    let engine = Arc::new(builder().build());
    let attempt: Attempt<'static> =
        admitted(engine.begin_owned(&org("acme"), &user("ada"), Password));
    let watcher = Arc::clone(&engine);
    assert_eq!((attempt.user().as_str(), attempt.factor()), ("ada", Password));
    drop(engine);
    let verdict = std::thread::spawn(move || attempt.fail()).join().unwrap();
    assert_eq!(verdict, rejected(1, 2, false));
    assert_eq!(watcher.status(&user("ada")).failures(Password), 1);

    // The last hold of all.
    let attempt = admitted(watcher.begin_owned(&org("acme"), &user("ada"), Password));
    drop(watcher);
    assert_eq!(attempt.succeed(), Verdict::Accepted);
}

#[test]
fn begin_and_begin_owned_share_slots() {
    let engine = Arc::new(builder().build());
    let (acme, ada) = (org("acme"), user("ada"));
    let borrowed = admitted(engine.begin(&acme, &ada, Password));
    let owned = admitted(engine.begin_owned(&acme, &ada, Password));
    assert!(matches!(engine.begin(&acme, &ada, Password), Admission::Busy));
    assert!(matches!(engine.begin_owned(&acme, &ada, Password), Admission::Busy));
    assert_eq!(owned.fail(), rejected(1, 2, false));
    assert_eq!(borrowed.fail(), rejected(2, 2, true));
    assert!(matches!(engine.begin_owned(&acme, &ada, Password), Admission::Locked(_)));
}

#[test]
fn remaining_is_told_where_a_number_of_failures_locks() {
    assert_eq!(rejected(1, 5, false).remaining(), Some(4));
    assert_eq!(rejected(5, 5, true).remaining(), Some(0));
    // Beyond a limit that was lowered since.
    assert_eq!(rejected(9, 5, true).remaining(), Some(0));
    assert_eq!(rejected(1, u32::MAX, false).remaining(), Some(u32::MAX - 1));
    assert_eq!(rejected(9, 0, false).remaining(), None);
    assert_eq!(Verdict::Accepted.remaining(), None);
    assert_eq!(Verdict::Superseded.remaining(), None);
    assert_eq!(Verdict::Locked(lock()).remaining(), None);
}

#[test]
fn public_answers_are_two_unless_the_policy_shows_failures() {
    for verdict in [
        rejected(1, 2, false),
        rejected(2, 2, true),
        rejected(9, 0, false),
        Verdict::Locked(lock()),
        Verdict::Superseded,
    ] {
        assert_eq!(verdict.public(&TWO), PublicAnswer::Denied, "{verdict:?}");
    }
    assert_eq!(Verdict::Accepted.public(&TWO), PublicAnswer::Granted);
    for admission in [
        Admission::Locked(lock()),
        Admission::Busy,
        Admission::Refused(Refusal::Unavailable),
        Admission::Refused(Refusal::OrgMismatch),
        Admission::Refused(Refusal::Capacity),
    ] {
        assert_eq!(admission.public(&TWO), PublicAnswer::Denied, "{admission:?}");
    }
    let engine = builder().build();
    let admission = engine.begin(&org("acme"), &user("ada"), Password);
    assert_eq!(admission.public(&TWO), PublicAnswer::Pending);
}

#[test]
fn public_answers_tell_more_where_the_policy_shows_failures() {
    assert_eq!(Verdict::Accepted.public(&SHOWN), PublicAnswer::Granted);
    assert_eq!(Verdict::Locked(lock()).public(&SHOWN), PublicAnswer::Locked);
    assert_eq!(Verdict::Superseded.public(&SHOWN), PublicAnswer::TryAgain);
    let shown = PublicAnswer::Rejected { failures: 1, limit: Some(2) };
    assert_eq!(rejected(1, 2, false).public(&SHOWN), shown);
    let shown = PublicAnswer::Rejected { failures: 1, limit: None };
    assert_eq!(rejected(1, 0, false).public(&SHOWN), shown);
    assert_eq!(Admission::Locked(lock()).public(&SHOWN), PublicAnswer::Locked);
    assert_eq!(Admission::Busy.public(&SHOWN), PublicAnswer::TryAgain);
}

#[test]
fn limits_say_what_they_are() {
    assert_eq!(AttemptLimit::from(0), AttemptLimit::NEVER);
    assert_eq!(AttemptLimit::at(std::num::NonZeroU32::new(5).unwrap()), 5.into());
    assert_eq!((AttemptLimit::NEVER.get(), AttemptLimit::from(u32::MAX).get()), (0, u32::MAX));
    assert_eq!(
        (AttemptLimit::NEVER.to_string(), AttemptLimit::from(5).to_string()),
        ("never".into(), "5".into())
    );
    assert_eq!(LockoutPolicy::new(2, 2), LockoutPolicy { show_lockout_failures: false, ..SHOWN });
}

/// Not run but compiled: a type that lost a trait would stop that.
#[test]
fn types_have_the_traits_that_were_promised() {
    fn value<T: Debug + Clone + Send + Sync + 'static>() {}
    fn key<T: Debug + Clone + Eq + Hash + Send + Sync + 'static>() {}
    fn id<
        T: Ord + std::fmt::Display + std::str::FromStr + AsRef<str> + std::ops::Deref<Target = str>,
    >() {
    }
    fn copy<T: Copy>() {}
    fn shared<T: Debug + Send + Sync + 'static>() {}
    fn sent<T: Debug + Send>() {}
    fn error<T: Error + Send + Sync + 'static>() {}

    shared::<Engine>();
    sent::<Attempt<'static>>();
    sent::<Admission<'static>>();
    value::<EngineBuilder>();
    value::<ManualClock>();
    value::<SystemClock>();
    value::<UserStatus>();

    key::<InstanceId>();
    key::<OrgId>();
    key::<UserId>();
    key::<Actor>();
    id::<InstanceId>();
    id::<OrgId>();
    id::<UserId>();
    id::<Actor>();

    key::<AttemptLimit>();
    key::<LockoutPolicy>();
    key::<Origin>();
    key::<Resolved>();
    key::<Factor>();
    key::<Refusal>();
    key::<LockCause>();
    key::<PolicyError>();
    key::<LockError>();
    key::<PublicAnswer>();
    key::<IdRule>();
    copy::<AttemptLimit>();
    copy::<LockoutPolicy>();
    copy::<Factor>();

    value::<Details>();
    value::<Lock>();
    value::<Verdict>();
    value::<AttemptInfo>();
    value::<Aggregate>();
    value::<Event>();
    value::<PolicyEvent>();
    value::<Recorded>();

    error::<PolicyError>();
    error::<LockError>();
    error::<InvalidId>();
}
