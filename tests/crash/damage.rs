//! A file that is not what was written: a clear error with its position, never a shorter history.

use std::path::{Path, PathBuf};

use portcullis::durable::Admission;
use portcullis::journal::{Journal, JournalError, SqliteJournal};
use portcullis::{DurableEngine, Factor, Refusal};

use super::{open, org};

/// A journal of some users' failures, closed, in one file.
async fn written(folder: &Path) -> PathBuf {
    let file = folder.join("journal.db");
    let engine = open(&file, 0).await;
    for number in 0..300 {
        let user = format!("user {}", number % 30).parse().unwrap();
        let Admission::Admitted(attempt) = engine.begin(&org(), &user, Factor::Password) else {
            panic!("nobody is locked");
        };
        let _ = attempt.fail().await.unwrap();
    }
    engine.close().await;
    assert!(!folder.join("journal.db-wal").exists(), "a closed journal is one file");
    file
}

/// Opens the engine of a file and reads all of its events.
async fn read(file: &Path) -> Result<usize, JournalError> {
    let journal = SqliteJournal::open(file).await?;
    let events = journal.read_after(0, usize::MAX).await?;
    let engine = DurableEngine::open_existing(journal).await?;
    engine.close().await;
    Ok(events.len())
}

fn is_clear(fault: &JournalError, file: &Path) -> bool {
    let names_it = fault.to_string().contains(&file.display().to_string());
    let kind = matches!(fault, JournalError::Corrupt { .. } | JournalError::Foreign { .. });
    names_it && kind
}

#[tokio::test]
async fn m07_a_file_that_was_cut_anywhere_is_told_from_a_shorter_one() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path()).await;
    assert_eq!(read(&file).await, Ok(301));
    let whole = std::fs::read(&file).unwrap();
    for part in 1..60 {
        let length = whole.len() * part / 60;
        std::fs::write(&file, &whole[..length]).unwrap();
        let fault = read(&file).await.unwrap_err();
        assert!(is_clear(&fault, &file), "{length} of {}: {fault:?}", whole.len());
    }
}

#[tokio::test]
async fn m07_a_flipped_bit_is_an_error_or_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path()).await;
    let journal = SqliteJournal::open(&file).await.unwrap();
    let events = journal.read_after(0, usize::MAX).await.unwrap();
    drop(journal);
    let whole = std::fs::read(&file).unwrap();
    let (mut found, mut harmless) = (0, 0);
    for byte in (0..whole.len()).step_by(97) {
        let mut flipped = whole.clone();
        flipped[byte] ^= 1 << (byte % 8);
        std::fs::write(&file, &flipped).unwrap();
        for helper in ["journal.db-wal", "journal.db-shm"] {
            let _ = std::fs::remove_file(folder.path().join(helper));
        }
        let opened = SqliteJournal::open(&file).await;
        let read = match opened {
            Ok(journal) => journal.read_after(0, usize::MAX).await,
            Err(fault) => Err(fault),
        };
        match read {
            Ok(read) => {
                assert_eq!(read, events, "byte {byte}");
                harmless += 1;
            }
            Err(fault) => {
                let clear =
                    is_clear(&fault, &file) || matches!(fault, JournalError::Unavailable(_));
                assert!(clear, "byte {byte}: {fault:?}");
                found += 1;
            }
        }
    }
    assert!(found > 100 && harmless > 0, "{found} found, {harmless} harmless");
}

#[tokio::test]
async fn a_file_of_another_kind_or_a_newer_version_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let text = b"{\"not\": \"a journal\"}\n".repeat(40);
    std::fs::write(&file, &text).unwrap();
    let fault = SqliteJournal::open(&file).await.unwrap_err();
    assert!(matches!(fault, JournalError::Foreign { .. }), "{fault:?}");
    assert_eq!(std::fs::read(&file).unwrap(), text);

    let other = folder.path().join("other.db");
    let connection = rusqlite::Connection::open(&other).unwrap();
    connection.execute_batch("CREATE TABLE things (a)").unwrap();
    let fault = SqliteJournal::open(&other).await.unwrap_err();
    assert!(fault.to_string().contains("another program"), "{fault}");

    let newer = folder.path().join("newer.db");
    open(&newer, 1).await.close().await;
    let connection = rusqlite::Connection::open(&newer).unwrap();
    connection.pragma_update(None, "user_version", 99).unwrap();
    drop(connection);
    let fault = SqliteJournal::open(&newer).await.unwrap_err();
    assert!(fault.to_string().contains("its version is 99"), "{fault}");
    let folder_itself = SqliteJournal::open(folder.path()).await.unwrap_err();
    assert!(folder_itself.to_string().contains("a folder"), "{folder_itself}");
}

#[tokio::test]
async fn an_event_that_was_tampered_with_stops_the_opening_at_its_position() {
    for (statement, position) in [
        ("DELETE FROM event WHERE position = 77", 77),
        ("UPDATE event SET id = 'user 9' WHERE position = 88", 88),
        ("UPDATE event SET type = 'user.unlocked' WHERE position = 99", 99),
        ("DELETE FROM event WHERE position > 250", 251),
        ("UPDATE event SET actor = '' WHERE position = 5", 5),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = written(folder.path()).await;
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute_batch(statement).unwrap();
        drop(connection);
        let journal = SqliteJournal::open(&file).await.unwrap();
        match DurableEngine::open_existing(journal).await.unwrap_err() {
            JournalError::Corrupt { position: found, .. } => assert_eq!(found, position),
            other => panic!("{statement}: {other:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_is_read_and_says_why_it_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path()).await;
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("BEGIN IMMEDIATE").unwrap();
    // Another holds the file for ever: whoever wants to write waits its time and is told.
    let engine = open(&file, 0).await;
    assert_eq!(engine.health().position, 301);
    let user = "user 1".parse().unwrap();
    assert_eq!(engine.status(&user).failures(Factor::Password), 10);
    let Admission::Admitted(attempt) = engine.begin(&org(), &user, Factor::Password) else {
        panic!("nobody is locked");
    };
    let told = attempt.fail().await.unwrap_err();
    assert!(told.to_string().contains("locked"), "{told}");
    let refused = engine.begin(&org(), &user, Factor::Password);
    assert!(matches!(refused, Admission::Refused(Refusal::Unavailable)));
    connection.execute_batch("ROLLBACK").unwrap();
    while !engine.health().writable {
        tokio::task::yield_now().await;
    }
    engine.close().await;
}

/// A file as the first version of it was, which had no index of the events but checks.
#[tokio::test]
async fn a_file_of_an_older_version_is_brought_up_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = written(folder.path()).await;
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch("DROP INDEX event_but_checks; PRAGMA user_version = 1").unwrap();
    drop(connection);
    assert_eq!(read(&file).await, Ok(301));
    let connection = rusqlite::Connection::open(&file).unwrap();
    let index = "SELECT count(*) FROM sqlite_schema WHERE name = 'event_but_checks'";
    assert_eq!(connection.query_row(index, [], |row| row.get(0)), Ok(1));
}

/// Whoever looks at a file at the moment at which others make it finds nothing yet or the journal,
/// never another program's file; and whoever makes it together with another waits for that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_file_that_is_being_made_is_no_other_programs() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..100 {
        let file = folder.path().join(format!("journal {number}.db"));
        let mut tasks = Vec::new();
        for task in 0..4 {
            let file = file.clone();
            tasks.push(tokio::spawn(async move {
                if task < 2 {
                    open(&file, 5).await.close().await;
                } else {
                    while SqliteJournal::open(&file).await.unwrap().head().await.unwrap() == 0 {}
                }
            }));
        }
        for task in tasks {
            task.await.unwrap();
        }
    }
}
