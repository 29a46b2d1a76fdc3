//! Copies of batches that went past others, for those who go past them: they change nothing but the time.

use std::collections::HashMap;

use portcullis::journal::{AppendError, CheckpointId, CheckpointPart, Journal};

use super::past::{all, founded, moved, of};
use super::{postgres, user};

#[tokio::test(flavor = "multi_thread")]
async fn d6_whoever_goes_past_others_is_told_the_same_with_copies_and_without() {
    let Some(server) = postgres::shared() else { return };
    let damages = [
        "",
        "DELETE FROM portcullis.batch",
        "DELETE FROM portcullis.batch WHERE position = 3",
        "DELETE FROM portcullis.batch WHERE position = 6",
        "DELETE FROM portcullis.batch WHERE position = 7",
        "UPDATE portcullis.batch SET events = set_byte(events, 9, 1 + get_byte(events, 9) % 100)",
        "UPDATE portcullis.batch SET events = ''",
    ];
    for damage in damages {
        let url = server.database().await;
        let journal = founded(&url).await;
        let client = postgres::client(&url).await;
        let batches = [of("ada", 1, 1, 1, 2), of("bob", 1, 2, 3, 3), of("cid", 1, 3, 6, 1)];
        for batch in &batches {
            let (head, users) = (batch.events[0].position - 1, [user("ada"), user("bob")]);
            assert_eq!(journal.append_past(head, batch, &users).await, Ok(Vec::new()));
        }
        client.batch_execute(damage).await.unwrap();
        let there: Vec<_> = batches.iter().flat_map(|batch| batch.events.clone()).collect();
        let (sent, eve) = (of("eve", 2, 1, 1, 2), [user("eve")]);
        for after in [1, 3, 4, 6, 7] {
            // Sent again it is there already, wherever it is expected.
            let passed = &there[usize::try_from(after - 1).unwrap()..];
            let told = journal.append_past(after, &sent, &eve).await;
            assert_eq!(told.as_deref(), Ok(passed), "{damage}, after {after}");
        }
        client.batch_execute("DELETE FROM portcullis.batch").await.unwrap();
        assert_eq!(journal.append_past(1, &sent, &eve).await, Ok(there), "its copy is gone");
        assert_eq!(all(&journal).await[7..], moved(&sent, 6));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_batch_goes_past_nothing_that_it_was_decided_on_with_copies_and_without() {
    let Some(server) = postgres::shared() else { return };
    for damage in ["", "DELETE FROM portcullis.batch WHERE position = 2"] {
        let url = server.database().await;
        let journal = founded(&url).await;
        for (id, after) in [("ada", 1), ("bob", 2), ("cid", 3)] {
            let users = [user("somebody else")];
            let written = journal.append_past(after, &of(id, 1, after, after, 1), &users).await;
            assert_eq!(written, Ok(Vec::new()));
        }
        postgres::client(&url).await.batch_execute(damage).await.unwrap();
        for (users, is_behind) in [
            ([user("eve"), user("ada")], true),
            ([user("bob"), user("eve")], true),
            ([user("cid"), user("cid")], true),
            ([user("somebody else"), user("eve")], false),
        ] {
            let told = journal.append_past(1, &of("eve", 2, 1, 1, 1), &users).await;
            assert_eq!(told == Err(AppendError::Behind), is_behind, "{users:?}: {told:?}");
        }
        assert_eq!(journal.head().await, Ok(5));
    }
}

/// Users whose marks, the checksums of their ids, are the same.
fn with_one_mark() -> [String; 2] {
    let mut seen = HashMap::new();
    // Far apart: the checksums of numbers that follow each other differ.
    for id in (1_u64..).map(|number| number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string()) {
        if let Some(other) = seen.insert(crc32fast::hash(id.as_bytes()), id.clone()) {
            return [other, id];
        }
    }
    unreachable!("there are more users than marks")
}

#[tokio::test(flavor = "multi_thread")]
async fn users_with_one_mark_are_told_apart() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = founded(&url).await;
    let [one, other] = with_one_mark();
    let first = of(&one, 1, 1, 1, 2);
    assert_eq!(journal.append_past(1, &first, &[user(&one)]).await, Ok(Vec::new()));
    let past = journal.append_past(1, &of(&other, 2, 1, 1, 1), &[user(&other)]).await;
    assert_eq!(past, Ok(first.events));
    let late = journal.append_past(1, &of(&one, 2, 2, 1, 1), &[user(&one)]).await;
    assert_eq!(late, Err(AppendError::Behind));
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_goes_past_copies_reads_no_rows_and_whoever_reads_the_trail_reads_no_copies() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = founded(&url).await;
    let first = of("ada", 1, 1, 1, 2);
    assert_eq!(journal.append_past(1, &first, &[user("ada")]).await, Ok(Vec::new()));
    let client = postgres::client(&url).await;
    client.batch_execute("UPDATE portcullis.batch SET events = ''").await.unwrap();
    assert_eq!(all(&journal).await[1..], first.events);

    let second = of("bob", 1, 2, 3, 1);
    assert_eq!(journal.append_past(3, &second, &[user("bob")]).await, Ok(Vec::new()));
    client.batch_execute("UPDATE portcullis.event SET crc = 0 WHERE position = 4").await.unwrap();
    let past = journal.append_past(3, &of("eve", 2, 1, 3, 1), &[user("eve")]).await;
    assert_eq!(past, Ok(second.events));
    assert!(journal.read_after(3, 9).await.is_err(), "the row is damaged");
}

/// Who is so far behind that not all of it has a copy any more reads it.
#[tokio::test(flavor = "multi_thread")]
async fn copies_are_kept_until_the_next_checkpoint() {
    let Some(server) = postgres::shared() else { return };
    let url = server.database().await;
    let journal = founded(&url).await;
    for after in 1..5 {
        let (batch, users) = (of("ada", 1, after, after, 1), [user("ada")]);
        assert_eq!(journal.append_past(after, &batch, &users).await, Ok(Vec::new()));
    }
    let checkpoint = CheckpointId { writer: 1, begun: 3 };
    let part = CheckpointPart { number: 0, position: 3, state: Vec::new() };
    journal.save_part(checkpoint, &part).await.unwrap();
    journal.finish_checkpoint(checkpoint, 1).await.unwrap();
    let copies = "SELECT array_agg(position ORDER BY position) FROM portcullis.batch";
    let copies = postgres::client(&url).await.query_one(copies, &[]).await.unwrap();
    assert_eq!(copies.get::<_, Vec<i64>>(0), [4, 5]);
    let passed = journal.append_past(1, &of("eve", 2, 1, 1, 1), &[user("eve")]).await.unwrap();
    assert_eq!(passed.len(), 4);
}
