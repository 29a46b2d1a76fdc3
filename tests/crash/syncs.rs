//! Durability stops at the n-th sync, for every n of a run: what the disk has is then the log as it
//! was when that sync returned, and of what was written after it any part.

use std::path::Path;

use portcullis::journal::{Batch, Journal, SqliteJournal};
use portcullis::{
    Actor, Aggregate, DurableEngine, Event, Factor, InstanceId, LockoutPolicy, PolicyEvent,
    Recorded,
};

pub(crate) fn batch(number: u64, after: u64, events: u64) -> Batch {
    let event = |position| {
        let instance: InstanceId = "main".parse().unwrap();
        let (aggregate, event) = if position == 1 {
            let policy = PolicyEvent::Added(LockoutPolicy::new(0, 0));
            (Aggregate::Instance(instance), Event::InstancePolicy(policy))
        } else {
            let user = format!("a user with a name that takes up room {}", position % 5);
            let user = Aggregate::User { org: super::org(), user: user.parse().unwrap() };
            (user, Event::CheckFailed { factor: Factor::Password, info: None })
        };
        let at = std::time::SystemTime::now();
        Recorded { position, sequence: position, at, actor: Actor::system(), aggregate, event }
    };
    Batch { writer: 1, number, events: (after + 1..=after + events).map(event).collect() }
}

fn log_of(file: &Path) -> std::path::PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

#[tokio::test]
async fn d2_m07_whichever_sync_was_the_last_the_acknowledged_are_there_and_no_half_batch() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let journal = SqliteJournal::open(&file).await.unwrap();
    // After each append: how long the log is, and where the head stands.
    let mut acknowledged = Vec::new();
    let mut head = 0;
    for number in 1..=40 {
        let events = 1 + (number * 7) % 23;
        let appended = journal.append(head, &batch(number, head, events)).await.unwrap();
        head = appended;
        acknowledged.push((std::fs::metadata(log_of(&file)).unwrap().len(), head));
    }
    let (database, log) = (std::fs::read(&file).unwrap(), std::fs::read(log_of(&file)).unwrap());
    assert_eq!(log.len() as u64, acknowledged.last().unwrap().0, "the log was not begun anew");

    let crashed = folder.path().join("crashed.db");
    for (index, (synced, head)) in acknowledged.iter().enumerate() {
        let next = acknowledged.get(index + 1).map_or(*synced, |next| next.0);
        // The sync held, and of the next append nothing, a byte, parts, all but a byte, were written.
        for extra in [0, 1, 24, 2000, 4120, next.saturating_sub(*synced).saturating_sub(1)] {
            let length = usize::try_from((synced + extra).min(next.max(*synced))).unwrap();
            if length as u64 == next && next != *synced {
                continue;
            }
            std::fs::write(&crashed, &database).unwrap();
            std::fs::write(log_of(&crashed), &log[..length]).unwrap();
            let _ = std::fs::remove_file(folder.path().join("crashed.db-shm"));
            let reopened = SqliteJournal::open(&crashed).await.unwrap();
            assert_eq!(reopened.head().await, Ok(*head), "sync {index}, {extra} bytes more");
            let events = reopened.read_after(0, usize::MAX).await.unwrap();
            assert_eq!(events.len() as u64, *head);
            let engine = DurableEngine::open_existing(reopened).await.unwrap();
            assert_eq!(engine.health().position, *head);
            engine.close().await;
        }
    }
}
