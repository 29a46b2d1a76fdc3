//! What is disclosed when, and what is written (D1, D2, D4, D7).

use std::pin::pin;
use std::sync::atomic::Ordering;

use futures_util::StreamExt;
use portcullis::journal::{Journal, JournalError, MemoryJournal};
use portcullis::{
    Aggregate, AttemptLimit, DurableEngine, Event, Factor, LockoutPolicy, Recorded, Verdict,
};

use super::faulty::Faulty;
use super::{begin, fail, failures, is_ready, open, org, succeed, until, user};

#[tokio::test(flavor = "multi_thread")]
async fn d1_no_verdict_is_disclosed_and_no_count_shown_before_it_is_in_the_journal() {
    let journal = Faulty::new();
    let engine = open(&journal, 1).await;
    let attempt = begin(&engine, "ada");
    journal.hold_back().await;
    let mut verdict = Box::pin(attempt.fail());
    until(|| engine.health().waiting == 0).await; // the committer has it
    assert!(!is_ready(&mut verdict));
    assert_eq!((failures(&engine, "ada"), engine.is_locked("ada")), (0, false));
    journal.let_go();
    let limit = AttemptLimit::from(1);
    assert_eq!(verdict.await, Ok(Verdict::Rejected { failures: 1, limit, locked: true }));
    assert!(engine.is_locked("ada"));
    let written = journal.inner.read_after(1, 9).await.unwrap();
    let names: Vec<_> = written.iter().map(|it| it.event.type_name()).collect();
    assert_eq!(names, ["user.human.password.check.failed", "user.locked"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_clean_success_writes_nothing() {
    let journal = Faulty::new();
    let engine = open(&journal, 3).await;
    let before = journal.writes.load(Ordering::SeqCst);
    for _ in 0..100 {
        assert_eq!(succeed(&engine, "ada").await, Ok(Verdict::Accepted));
    }
    assert_eq!(journal.writes.load(Ordering::SeqCst), before);
    assert_eq!(engine.tracked_users(), 0);
    // One that has something to reset writes.
    let _ = fail(&engine, "ada").await.unwrap();
    assert_eq!(succeed(&engine, "ada").await, Ok(Verdict::Accepted));
    assert_eq!(journal.writes.load(Ordering::SeqCst), before + 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_check_is_behind_the_last_change_and_checks_do_not_move_it() {
    let engine = open(&MemoryJournal::new(), 3).await;
    let before = engine.last_change();
    let _ = fail(&engine, "ada").await.unwrap();
    let _ = succeed(&engine, "ada").await.unwrap();
    assert_eq!((engine.last_change(), engine.health().position), (before, before + 2));
    engine.record(Aggregate::Org(org()), "org.added", None).await.unwrap();
    assert_eq!(engine.last_change(), engine.health().position);
    for _ in 0..3 {
        let _ = fail(&engine, "ada").await.unwrap();
    }
    // The third one locked.
    assert_eq!(engine.last_change(), engine.health().position);
    let _ = fail(&engine, "grace").await.unwrap();
    assert_eq!(engine.last_change() + 1, engine.health().position);
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_what_is_settled_counts_though_nobody_waits_for_it() {
    let journal = MemoryJournal::new();
    let engine = open(&journal, 3).await;
    drop(begin(&engine, "ada").fail());
    until(|| failures(&engine, "ada") == 1).await;
    drop(begin(&engine, "ada").succeed());
    until(|| failures(&engine, "ada") == 0).await;
    drop(engine.lock(&org(), &user("ada")));
    until(|| engine.is_locked("ada")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_what_was_acknowledged_is_there_after_reopening_and_what_was_begun_is_not() {
    let journal = MemoryJournal::new();
    let engine = open(&journal, 2).await;
    let wide = LockoutPolicy::new(u32::MAX, 3);
    engine.put_override(&"other".parse().unwrap(), wide).await.unwrap();
    for id in ["ada", "bob", "bob"] {
        let _ = fail(&engine, id).await.unwrap();
    }
    let left_open = begin(&engine, "ada");
    let locks: Vec<_> = engine.locked_users().collect();
    engine.close().await;
    assert_eq!(left_open.fail().await, Err(JournalError::Closed));

    let again = open(&journal, 9).await;
    assert_eq!(again.instance_policy().0, LockoutPolicy::new(2, 2), "its own default stands");
    assert_eq!(again.resolve("other").policy, wide);
    assert_eq!(failures(&again, "ada"), 1);
    assert_eq!(again.locked_users().collect::<Vec<_>>(), locks);
    let verdict = fail(&again, "ada").await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { failures: 2, locked: true, .. }));
}

#[tokio::test(flavor = "multi_thread")]
async fn d2_a_journal_is_opened_by_its_own_instance_only() {
    let journal = MemoryJournal::new();
    let missing = DurableEngine::open_existing(journal.clone()).await.unwrap_err();
    assert!(matches!(missing, JournalError::Missing { .. }));
    assert_eq!(journal.head().await, Ok(0), "nothing was created");
    open(&journal, 2).await.close().await;
    let policy = LockoutPolicy::new(1, 1);
    let other = DurableEngine::open("other".parse().unwrap(), policy, journal.clone()).await;
    assert!(matches!(other.unwrap_err(), JournalError::OtherInstance { .. }));
    let existing = DurableEngine::open_existing(journal).await.unwrap();
    assert_eq!(existing.instance().as_str(), "main");
}

/// All in one batch: what was begun before is void for the commands behind the one that voids it.
#[tokio::test(flavor = "multi_thread")]
async fn d5_a8_what_a_batch_voids_is_void_within_the_batch() {
    for voided in 0..3 {
        let journal = Faulty::new();
        let engine = open(&journal, 3).await;
        let _ = fail(&engine, "ada").await.unwrap(); // there is something to reset: no clean success
        let [right, wrong] = [begin(&engine, "ada"), begin(&engine, "ada")];
        journal.hold_back().await;
        drop(engine.lock(&org(), &user("somebody else")));
        until(|| engine.health().waiting == 0).await; // the next ones are one batch
        match voided {
            0 => {
                drop(engine.lock(&org(), &user("ada")));
                drop(engine.unlock(&user("ada")));
            }
            1 => drop(engine.credential_changed(&org(), &user("ada"), Factor::Password)),
            _ => drop(engine.remove_user(&org(), &user("ada"))),
        }
        // Whoever is locked again is on record, or there would be nobody to judge.
        drop(engine.lock(&org(), &user("ada")));
        let (right, wrong) = (right.succeed(), wrong.fail());
        journal.let_go();
        assert_eq!(right.await, Ok(Verdict::Superseded), "{voided}");
        assert_eq!(wrong.await, Ok(Verdict::Superseded), "{voided}");
        assert_eq!((failures(&engine, "ada"), engine.is_locked("ada")), (0, true), "{voided}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_positions_have_no_gap_and_each_level_counts_from_one() {
    let journal = MemoryJournal::new();
    let engine = open(&journal, 2).await;
    let on_org = Aggregate::Org(org());
    let (one, two) = (LockoutPolicy::new(1, 1), LockoutPolicy::new(2, 9));
    assert_eq!(engine.add_override(&org(), one).await.unwrap().sequence, 1);
    assert_eq!(engine.change_override(&org(), two).await.unwrap().sequence, 2);
    assert_eq!(engine.record(on_org.clone(), "org.domain.added", None).await.unwrap().sequence, 3);
    assert_eq!(engine.policy(&org()).1.sequence, 2, "the policy's own last change");
    assert_eq!(engine.reset_to_default(&org()).await.unwrap().sequence, 4);
    assert_eq!(engine.set_instance_policy(one).await.unwrap().sequence, 2);
    let locked = engine.lock(&org(), &user("ada")).await.unwrap().sequence;
    assert!(engine.unlock(&user("ada")).await.unwrap().sequence > locked);
    engine.close().await;
    let again = open(&journal, 2).await;
    assert_eq!(again.add_override(&org(), one).await.unwrap().sequence, 5);
    let events = journal.read_after(0, 99).await.unwrap();
    let positions: Vec<_> = events.iter().map(|it| it.position).collect();
    assert_eq!(positions, (1..=9).collect::<Vec<_>>());
    let org_sequences: Vec<_> =
        events.iter().filter(|it| it.aggregate == on_org).map(|it| it.sequence).collect();
    assert_eq!(org_sequences, [1, 2, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_a_host_may_record_what_is_its_own_and_nothing_else() {
    let journal = MemoryJournal::new();
    let engine = open(&journal, 2).await;
    let aggregate = Aggregate::User { org: org(), user: user("ada") };
    for reserved in ["user.locked", "user.human.password.check.failed", "org.policy.lockout.added"]
    {
        let refused = engine.record(aggregate.clone(), reserved, None).await;
        assert_eq!(refused, Err(JournalError::ReservedType(String::from(reserved))));
    }
    let actor = "an importer".parse().unwrap();
    let payload = Some("{\"name\":\"Ada\"}");
    let details = engine.record_by(&actor, aggregate.clone(), "user.human.added", payload);
    let position = details.await.unwrap().sequence;
    let recorded: Recorded = journal.read_after(position - 1, 1).await.unwrap().remove(0);
    assert_eq!((recorded.actor, recorded.aggregate), (actor, aggregate));
    assert_eq!(recorded.event.type_name(), "user.human.added");
    assert_eq!(recorded.event.payload().as_deref(), payload);
    assert_eq!(engine.tracked_users(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn d4_the_feed_tells_what_was_and_what_comes_in_order() {
    let journal = MemoryJournal::new();
    let engine = open(&journal, 9).await;
    let _ = fail(&engine, "ada").await.unwrap();
    let mut feed = pin!(engine.events_after(0));
    for expected in 1..=2 {
        assert_eq!(feed.next().await.unwrap().unwrap().position, expected);
    }
    let mut next = feed.next();
    assert!(!is_ready(&mut next));
    let _ = fail(&engine, "bob").await.unwrap();
    let recorded = next.await.unwrap().unwrap();
    let event = Event::CheckFailed { factor: Factor::Password, info: None };
    assert_eq!((recorded.position, recorded.event), (3, event));
    engine.close().await;
}
