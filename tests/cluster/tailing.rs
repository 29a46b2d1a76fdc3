//! Reading on while others write: no gap, no event too early, and news that come by themselves.

use std::pin::pin;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use portcullis::Recorded;
use portcullis::journal::{AppendError, Journal, Position, PostgresJournal};

use super::past::of;
use super::{batch, postgres, user};

const WRITERS: u64 = 4;
const LASTS: Duration = Duration::from_secs(30);

/// Appends as a committer does: one try, and then past what others wrote, or in the queue.
async fn append(journal: &PostgresJournal, writer: u64, number: u64, head: Position) -> Position {
    let (events, name) = (1 + number % 3, format!("user{writer}"));
    match journal.append(head, &of(&name, writer, number, head, events)).await {
        Ok(head) => head,
        Err(AppendError::Behind) if number.is_multiple_of(2) => {
            let batch = of(&name, writer, number, head, events);
            let passed = journal.append_past(head, &batch, &[user(&name)]).await.unwrap();
            head + passed.len() as u64 + events
        }
        Err(AppendError::Behind) => {
            let hold = journal.hold(head).await.unwrap();
            let head = hold.events().last().map_or(head, |event| event.position);
            hold.append(&of(&name, writer, number, head, events)).await.unwrap()
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c01_c09_a_tail_beside_four_writers_has_no_gap() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let reader = PostgresJournal::connect(&url).await.unwrap();
    reader.append(0, &batch(9, 1, 0, 1)).await.unwrap();
    let began = Instant::now();
    let mut writers = Vec::new();
    for writer in 1..=WRITERS {
        let journal = PostgresJournal::connect(&url).await.unwrap();
        writers.push(tokio::spawn(async move {
            let (mut head, mut number) = (1, 0);
            while began.elapsed() < LASTS {
                number += 1;
                head = append(&journal, writer, number, head).await;
            }
            (1..=number).map(|number| 1 + number % 3).sum::<u64>()
        }));
    }
    let mut tail: Vec<Recorded> = Vec::new();
    let last = |tail: &[Recorded]| tail.last().map_or(0, |event| event.position);
    let mut written = pin!(join_all(writers));
    let all = loop {
        tokio::select! {
            written = &mut written => break 1 + written.into_iter().map(Result::unwrap).sum::<u64>(),
            () = reader.changed(last(&tail)) => {
                // A gap would be an error.
                tail.extend(reader.read_after(last(&tail), 7).await.unwrap());
            }
        }
    };
    while last(&tail) < all {
        let read = reader.read_after(last(&tail), 7).await.unwrap();
        assert!(!read.is_empty(), "there is no more after {}, of {all}", last(&tail));
        tail.extend(read);
    }
    assert!(tail.iter().map(|event| event.position).eq(1..=all));
    assert_eq!(reader.head().await, Ok(all));
}

#[tokio::test(flavor = "multi_thread")]
async fn c10_news_come_at_once_and_without_a_notice_soon() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let writer = PostgresJournal::connect(&url).await.unwrap();
    let reader = PostgresJournal::connect(&url).await.unwrap();
    writer.append(0, &batch(1, 1, 0, 1)).await.unwrap();
    reader.changed(0).await;
    let started = Instant::now();
    for head in 1..=30 {
        writer.append(head, &batch(1, head + 1, head, 1)).await.unwrap();
        reader.changed(head).await;
    }
    // To look alone would take a quarter of a second each time, on average.
    assert!(started.elapsed() < Duration::from_secs(3), "{:?}", started.elapsed());

    let silent = "UPDATE portcullis.journal SET position = position + 1";
    postgres::client(&url).await.batch_execute(silent).await.unwrap();
    let looked = tokio::time::timeout(Duration::from_secs(10), reader.changed(31)).await;
    assert!(looked.is_ok(), "nobody looked");
}

#[tokio::test(flavor = "multi_thread")]
async fn c07_a_hold_from_far_behind_has_all_events() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = PostgresJournal::connect(&url).await.unwrap();
    for number in 0..3 {
        journal.append(number * 3000, &batch(1, number, number * 3000, 3000)).await.unwrap();
    }
    let held = journal.hold(1).await.unwrap();
    assert!(held.events().iter().map(|event| event.position).eq(2..=9000));
    assert_eq!(held.append(&batch(2, 1, 9000, 1)).await, Ok(9001));
    assert_eq!(journal.read_after(0, 5000).await.unwrap().len(), 5000);
    assert_eq!(journal.read_after(0, usize::MAX).await.unwrap().len(), 9001);
}
