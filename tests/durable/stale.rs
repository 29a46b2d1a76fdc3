//! How old what a clean success has seen may be (D7), and what that does not touch.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use portcullis::journal::{JournalError, MemoryJournal};
use portcullis::{DurableEngine, LockoutPolicy, Verdict};

use super::faulty::Faulty;
use super::{begin, fail, open, org, succeed, until, user};

const HOUR: Duration = Duration::from_hours(1);
const SOON: Duration = Duration::from_millis(60);

/// An engine that learns of what others write only when it looks, and another on the same journal.
async fn two(stale: Option<Duration>) -> (Faulty, Arc<DurableEngine>, Arc<DurableEngine>) {
    let journal = MemoryJournal::new();
    let other = open(&journal, 3).await;
    let mut deaf = Faulty::on(journal);
    deaf.deaf = true;
    let mut builder = DurableEngine::builder();
    if let Some(stale) = stale {
        builder = builder.stale_success(stale);
    }
    let instance = "main".parse().unwrap();
    let one = builder.open(instance, LockoutPolicy::new(3, 3), deaf.clone()).await.unwrap();
    (deaf, Arc::new(one), other)
}

async fn passed(moment: Instant, time: Duration) {
    until(|| moment.elapsed() > time).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_a_clean_success_is_exact_by_default_and_stale_only_where_that_was_asked_for() {
    for (stale, right) in [(None, false), (Some(Duration::ZERO), false), (Some(HOUR), true)] {
        let (_, one, other) = two(stale).await;
        let (begun, guess) = (begin(&one, "ada"), begin(&one, "bob"));
        for id in ["ada", "bob"] {
            other.lock(&org(), &user(id)).await.unwrap();
        }
        let settled = begun.succeed().await.unwrap();
        assert_eq!(settled == Verdict::Accepted, right, "{stale:?}: {settled:?}");
        assert_eq!(matches!(settled, Verdict::Locked(_)), !right, "{stale:?}: {settled:?}");
        // A failure is decided at the head whatever was asked for.
        let settled = guess.fail().await;
        assert!(matches!(settled, Ok(Verdict::Locked(_))), "{stale:?}: {settled:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d7_what_was_written_longer_ago_than_asked_for_is_seen() {
    let (journal, one, other) = two(Some(SOON)).await;
    let begun = begin(&one, "ada");
    other.lock(&org(), &user("ada")).await.unwrap();
    passed(Instant::now(), SOON).await;
    let looks = journal.looks.load(Ordering::SeqCst);
    assert!(matches!(begun.succeed().await, Ok(Verdict::Locked(_))));
    assert!(journal.looks.load(Ordering::SeqCst) > looks);
}

/// An append's answer that comes late tells of the head as it was when it was asked for, at the oldest.
#[tokio::test(flavor = "multi_thread")]
async fn d7_what_was_seen_is_as_old_as_the_asking_and_not_as_the_answer() {
    let (journal, one, _) = two(Some(SOON)).await;
    let asked = Instant::now();
    journal.hold_back().await;
    let failing = tokio::spawn(begin(&one, "ada").fail());
    passed(asked, SOON * 2).await;
    journal.let_go();
    assert!(failing.await.unwrap().is_ok());
    let looks = journal.looks.load(Ordering::SeqCst);
    assert_eq!(succeed(&one, "clean").await, Ok(Verdict::Accepted));
    assert_eq!(journal.looks.load(Ordering::SeqCst), looks + 1, "the head was not looked at");
}

#[tokio::test(flavor = "multi_thread")]
async fn d3_m29_however_stale_a_success_may_be_a_journal_that_cannot_write_accepts_nobody() {
    let (journal, one, _) = two(Some(HOUR)).await;
    let looks = journal.looks.load(Ordering::SeqCst);
    assert_eq!(succeed(&one, "clean").await, Ok(Verdict::Accepted));
    assert_eq!(journal.looks.load(Ordering::SeqCst), looks, "it was to look at nothing");
    let begun = begin(&one, "clean");
    journal.break_down(true);
    assert!(fail(&one, "bob").await.is_err());
    let settled = begun.succeed().await;
    assert!(matches!(settled, Err(JournalError::Unavailable(_))), "{settled:?}");
}
