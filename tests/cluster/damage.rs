//! Rows that are not what was written, or not there: an error that says where, never another history.

use portcullis::journal::{CheckpointId, CheckpointPart, Journal, JournalError, PostgresJournal};

use super::{batch, postgres};

/// What reading says after somebody else has changed something.
async fn after(change: &str) -> Option<(Result<usize, JournalError>, Result<bool, JournalError>)> {
    let server = postgres::shared()?;
    let url = server.database().await;
    let journal = PostgresJournal::connect(&url).await.unwrap();
    journal.append(0, &batch(1, 1, 0, 9)).await.unwrap();
    let id = CheckpointId { writer: 1, begun: 7 };
    for number in 0..40 {
        let part = CheckpointPart { number, position: 7, state: vec![1; 9] };
        journal.save_part(id, &part).await.unwrap();
    }
    journal.finish_checkpoint(id, 40).await.unwrap();
    postgres::client(&url).await.batch_execute(change).await.unwrap();
    let events = journal.read_after(0, 100).await.map(|events| events.len());
    let checkpoint = journal.checkpoint().await;
    let whole = checkpoint.map(|found| found.is_some_and(|it| it.parts.len() == 40));
    Some((events, whole))
}

fn corrupt_at<T>(found: &Result<T, JournalError>) -> Option<u64> {
    match found {
        Err(JournalError::Corrupt { position, .. }) => Some(*position),
        _ => None,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m07_c09_an_event_that_was_changed_or_is_missing_is_an_error_with_its_position() {
    for (change, position) in [
        ("UPDATE portcullis.event SET actor = 'nobody' WHERE position = 4", 4),
        ("UPDATE portcullis.event SET payload = '' WHERE position = 4", 4),
        ("UPDATE portcullis.event SET at = at || 'x' WHERE position = 2", 2),
        ("DELETE FROM portcullis.event WHERE position = 5", 5),
        ("DELETE FROM portcullis.event WHERE position > 6", 7),
        ("DELETE FROM portcullis.event", 1),
    ] {
        let Some((events, checkpoint)) = after(change).await else { return };
        assert_eq!(corrupt_at(&events), Some(position), "{change}: {events:?}");
        assert_eq!(checkpoint, Ok(true), "{change}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn m07_c12_a_checkpoint_that_was_changed_or_lacks_a_part_is_an_error() {
    for change in [
        "UPDATE portcullis.checkpoint_part SET state = 'x' WHERE number = 33",
        "UPDATE portcullis.checkpoint_part SET position = 8 WHERE number = 3",
        "DELETE FROM portcullis.checkpoint_part WHERE number = 39",
    ] {
        let Some((events, checkpoint)) = after(change).await else { return };
        assert_eq!(corrupt_at(&checkpoint), Some(7), "{change}: {checkpoint:?}");
        assert_eq!(events, Ok(9), "{change}");
    }
    let Some((_, checkpoint)) = after("SELECT").await else { return };
    assert_eq!(checkpoint, Ok(true));
}
