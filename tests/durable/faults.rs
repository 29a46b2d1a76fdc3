//! A journal that cannot write (D3), or cannot tell whether it did.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};

use portcullis::durable::Admission;
use portcullis::journal::{Journal, JournalError, MemoryJournal};
use portcullis::{DurableEngine, Factor, LockoutPolicy, Refusal, Verdict, WriteError};

use super::faulty::{Fault, Faulty};
use super::watched::{Call, Watched};
use super::{begin, fail, failures, open, org, succeed, until, user};

#[tokio::test(flavor = "multi_thread")]
async fn d3_m29_a_journal_that_cannot_write_admits_nobody_and_tells_right_from_wrong_by_nothing() {
    let journal = Faulty::new();
    let engine = open(&journal, 3).await;
    let _ = fail(&engine, "ada").await.unwrap();
    let begun: Vec<_> = ["ada", "ada", "clean", "clean"].map(|id| begin(&engine, id)).into();
    journal.break_down(true);
    let first = begin(&engine, "bob").fail().await;
    assert!(matches!(first, Err(JournalError::Unavailable(_))), "{first:?}");
    for (number, attempt) in begun.into_iter().enumerate() {
        let settled = if number % 2 == 0 { attempt.succeed().await } else { attempt.fail().await };
        assert!(matches!(settled, Err(JournalError::Unavailable(_))), "{number}: {settled:?}");
    }
    let refused = engine.begin(&org(), &user("new"), Factor::Password);
    assert!(matches!(refused, Admission::Refused(Refusal::Unavailable)));
    let unlocked = engine.lock(&org(), &user("ada")).await;
    assert!(matches!(unlocked, Err(WriteError::Journal(JournalError::Unavailable(_)))));
    // Memory shows what the journal holds and nothing else.
    assert_eq!(failures(&engine, "ada"), 1);
    assert_eq!((failures(&engine, "bob"), engine.tracked_users()), (0, 1));
    assert_eq!(engine.health().position, journal.inner.head().await.unwrap());

    journal.break_down(false);
    until(|| engine.health().writable).await;
    let verdict = fail(&engine, "ada").await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { failures: 2, .. }), "{verdict:?}");
    assert_eq!(succeed(&engine, "clean").await, Ok(Verdict::Accepted));
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_one_failed_append_is_enough_and_one_that_succeeds_ends_it() {
    let journal = Faulty::new();
    let engine = open(&journal, 3).await;
    journal.next([Fault::Unavailable]);
    assert!(fail(&engine, "ada").await.is_err());
    until(|| engine.health().writable).await;
    let verdict = fail(&engine, "ada").await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { failures: 1, .. }), "{verdict:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_batch_whose_answer_was_lost_is_there_once() {
    for fault in [Fault::LostAnswer, Fault::LostBatch] {
        let journal = Faulty::new();
        let engine = open(&journal, 3).await;
        journal.next([fault]);
        let verdict = fail(&engine, "ada").await.unwrap();
        assert!(matches!(verdict, Verdict::Rejected { failures: 1, .. }), "{fault:?} {verdict:?}");
        assert_eq!(journal.inner.head().await, Ok(2), "{fault:?}");
        let sent = journal.sent.lock().unwrap();
        let identities: Vec<_> = sent.iter().map(|it| (it.writer, it.number)).collect();
        assert_eq!(identities[1], identities[2], "the same batch was sent again");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_while_a_batch_is_in_doubt_callers_are_told_and_it_counts_once_if_it_is_there() {
    for (fault, expected) in [(Fault::LostAnswer, 1), (Fault::LostBatch, 1)] {
        let journal = Faulty::new();
        let engine = open(&journal, 3).await;
        journal.next([fault, Fault::Unavailable, Fault::Unavailable]);
        let told = fail(&engine, "ada").await;
        assert!(matches!(told, Err(JournalError::Unavailable(_))), "{fault:?} {told:?}");
        until(|| engine.health().writable).await;
        assert_eq!(failures(&engine, "ada"), expected, "{fault:?}");
        assert_eq!(journal.inner.head().await, Ok(2), "{fault:?}");
        let again = Arc::new(DurableEngine::open_existing(journal.inner.clone()).await.unwrap());
        assert_eq!(failures(&again, "ada"), expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_another_batch_in_the_place_of_one_in_doubt_means_that_it_is_not_there() {
    let shared = MemoryJournal::new();
    let journal = Faulty::on(shared.clone());
    let engine = open(&journal, 3).await;
    let other = open(&shared, 3).await;
    journal.hold_back().await;
    journal.next([Fault::LostBatch]);
    let verdict = begin(&engine, "ada").fail();
    until(|| engine.health().waiting == 0).await;
    let _ = fail(&other, "ada").await.unwrap();
    journal.let_go();
    let verdict = verdict.await.unwrap();
    assert!(matches!(verdict, Verdict::Rejected { failures: 2, .. }), "{verdict:?}");
    assert_eq!(shared.head().await, Ok(3));
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_full_queue_refuses_and_takes_no_slot_for_good() {
    let journal = Faulty::new();
    let policy = LockoutPolicy::new(0, 0);
    let builder = DurableEngine::builder().queue(2);
    let opened = builder.open("main".parse().unwrap(), policy, journal.clone()).await;
    let engine = Arc::new(opened.unwrap());
    journal.hold_back().await;
    let in_hand = begin(&engine, "ada").fail();
    until(|| engine.health().waiting == 0).await;
    let waiting = [begin(&engine, "ada").fail(), begin(&engine, "ada").fail()];
    for _ in 0..5 {
        let refused = begin(&engine, "new").fail().await;
        assert_eq!(refused, Err(JournalError::Overloaded { waiting: 2 }));
    }
    assert_eq!(engine.tracked_users(), 1, "only `ada` has attempts in flight");
    journal.let_go();
    let _ = in_hand.await.unwrap();
    for verdict in waiting {
        let _ = verdict.await.unwrap();
    }
    assert_eq!(failures(&engine, "ada"), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_closing_answers_all_that_was_asked_before() {
    let journal = Faulty::new();
    let engine = open(&journal, 0).await;
    journal.hold_back().await;
    let settled: Vec<_> = (0..1000).map(|_| begin(&engine, "ada").fail()).collect();
    let late = begin(&engine, "ada");
    let closing = tokio::spawn({
        let engine = Arc::clone(&engine);
        async move { engine.close().await }
    });
    journal.let_go();
    for verdict in settled {
        let _ = verdict.await.unwrap();
    }
    closing.await.unwrap();
    assert_eq!(failures(&engine, "ada"), 1000);
    assert_eq!(late.fail().await, Err(JournalError::Closed));
    engine.close().await; // again is nothing
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_a_closed_engine_admits_nobody_and_tells_right_from_wrong_by_nothing() {
    let journal = MemoryJournal::new();
    let engine = open(&journal, 3).await;
    let begun = [begin(&engine, "clean"), begin(&engine, "clean")];
    engine.close().await;
    let [right, wrong] = begun;
    assert_eq!(right.succeed().await, Err(JournalError::Closed));
    assert_eq!(wrong.fail().await, Err(JournalError::Closed));
    let refused = engine.begin(&org(), &user("new"), Factor::Password);
    assert!(matches!(refused, Admission::Refused(Refusal::Unavailable)), "{refused:?}");
    let refused = engine.lock(&org(), &user("ada")).await;
    assert_eq!(refused, Err(WriteError::Journal(JournalError::Closed)));
    assert!(!engine.health().writable);
}

/// A service that does not stop asking: during each append it asks for the next one.
#[tokio::test(flavor = "multi_thread")]
async fn d3_closing_comes_to_an_end_though_there_is_always_more_to_do() {
    let engine = Arc::new(OnceLock::<Arc<DurableEngine>>::new());
    let (appends, asking) = (Arc::new(AtomicU32::new(0)), Arc::clone(&engine));
    let counted = Arc::clone(&appends);
    let journal = Watched::new(MemoryJournal::new(), move |call| {
        // At some time it ends, or a fault would go on for ever.
        if let (Call::Append, Some(engine)) = (call, asking.get())
            && counted.fetch_add(1, Ordering::SeqCst) < 100_000
            && let Admission::Admitted(attempt) =
                engine.begin_owned(&org(), &user("ada"), Factor::Password)
        {
            drop(attempt.fail());
        }
    });
    let opened = DurableEngine::open("main".parse().unwrap(), LockoutPolicy::new(0, 0), journal);
    let opened = Arc::new(opened.await.unwrap());
    assert!(engine.set(Arc::clone(&opened)).is_ok());
    let _ = fail(&opened, "ada").await.unwrap();
    opened.close().await;
    assert!(appends.load(Ordering::SeqCst) < 100_000, "closing waited until nobody asked any more");
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_closing_does_not_wait_until_a_journal_writes_again() {
    for fault in [Fault::Unavailable, Fault::LostAnswer] {
        let broken = Faulty::new();
        let (closing, tried) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (asked, counted, hand) = (Arc::clone(&closing), Arc::clone(&tried), broken.clone());
        let journal = Watched::new(broken.clone(), move |call| {
            if matches!(call, Call::Probe | Call::Append)
                && asked.load(Ordering::SeqCst)
                && counted.fetch_add(1, Ordering::SeqCst) == 5
            {
                // At some time it writes again, or a fault would go on for ever.
                hand.mend();
            }
        });
        let policy = LockoutPolicy::new(3, 3);
        let opened = DurableEngine::open("main".parse().unwrap(), policy, journal).await;
        let engine = Arc::new(opened.unwrap());
        match fault {
            Fault::Unavailable => broken.break_down(true),
            _ => broken.next([fault].into_iter().chain([Fault::Unavailable; 99])),
        }
        let told = fail(&engine, "ada").await;
        assert!(matches!(told, Err(JournalError::Unavailable(_))), "{fault:?} {told:?}");
        closing.store(true, Ordering::SeqCst);
        engine.close().await;
        assert!(tried.load(Ordering::SeqCst) <= 5, "{fault:?}: it waited for the journal");
    }
}
