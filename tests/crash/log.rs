//! The write-ahead log as a process left it that was killed: damaged since, it is an error or gives the
//! same history, never a shorter one. And nobody takes the log from who is writing to it.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use portcullis::journal::{Journal, JournalError, SqliteJournal};
use portcullis::{DurableEngine, Recorded};

use super::syncs::batch;
use super::{child, open, org};

/// The files of a journal that was being written when its process was killed.
struct Left {
    database: Vec<u8>,
    log: Vec<u8>,
    index: Vec<u8>,
    events: Vec<Recorded>,
}

fn helper(file: &Path, helper: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(helper);
    name.into()
}

impl Left {
    /// After so many batches, the last of which is small.
    async fn after(batches: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("journal.db");
        let journal = SqliteJournal::open(&file).await.unwrap();
        let mut head = 0;
        for number in 1..=batches {
            head = journal.append(head, &batch(number, head, 3)).await.unwrap();
        }
        let read = |helper_name| std::fs::read(helper(&file, helper_name)).unwrap();
        let (database, log, index) = (read(""), read("-wal"), read("-shm"));
        Self { database, log, index, events: journal.read_after(0, usize::MAX).await.unwrap() }
    }

    /// Puts them into a file, each as it is given.
    fn put(&self, file: &Path, log: Option<&[u8]>, index: Option<&[u8]>) {
        std::fs::write(file, &self.database).unwrap();
        for (name, content) in [("-wal", log), ("-shm", index)] {
            let path = helper(file, name);
            let _ = std::fs::remove_file(&path);
            if let Some(content) = content {
                std::fs::write(&path, content).unwrap();
            }
        }
    }
}

async fn read(file: &Path) -> Result<Vec<Recorded>, JournalError> {
    let journal = SqliteJournal::open(file).await?;
    journal.read_after(0, usize::MAX).await
}

/// It names the log.
fn is_clear(fault: &JournalError) -> bool {
    matches!(fault, JournalError::Corrupt { journal, .. } if journal.ends_with("journal.db-wal"))
}

#[tokio::test]
async fn m07_a_log_that_was_damaged_after_a_kill_is_no_shorter_history() {
    let left = Left::after(8).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    left.put(&file, Some(&left.log), Some(&left.index));
    assert_eq!(read(&file).await.unwrap(), left.events);
    let (mut found, mut harmless) = (0, 0);
    for byte in (0..left.log.len()).step_by(61) {
        let mut flipped = left.log.clone();
        flipped[byte] ^= 1 << (byte % 8);
        left.put(&file, Some(&flipped), Some(&left.index));
        match read(&file).await {
            Ok(events) => {
                assert_eq!(events, left.events, "byte {byte}");
                harmless += 1;
            }
            Err(fault) => {
                assert!(is_clear(&fault), "byte {byte}: {fault:?}");
                found += 1;
            }
        }
    }
    assert!(found > 100 && harmless < 10, "{found} found, {harmless} harmless");
}

#[tokio::test]
async fn m07_a_log_that_was_cut_or_lost_after_a_kill_is_an_error() {
    let left = Left::after(8).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    for part in 0..40 {
        let length = left.log.len() * part / 40;
        left.put(&file, Some(&left.log[..length]), Some(&left.index));
        let fault = read(&file).await.unwrap_err();
        assert!(is_clear(&fault), "{length} of {}: {fault:?}", left.log.len());
    }
    left.put(&file, None, Some(&left.index));
    assert!(is_clear(&read(&file).await.unwrap_err()));
}

/// Without the shared index, as when the machine went down too: whatever has a later transaction behind
/// it is found. The last one cannot be told from one that was never finished.
#[tokio::test]
async fn m07_a_log_that_was_damaged_in_its_middle_is_an_error_without_its_index_too() {
    let left = Left::after(8).await;
    let all_but_the_last = left.events.len() - 3;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let (mut found, mut last) = (0, 0);
    for byte in (0..left.log.len()).step_by(61) {
        let mut flipped = left.log.clone();
        flipped[byte] ^= 1 << (byte % 8);
        left.put(&file, Some(&flipped), None);
        match read(&file).await {
            Ok(events) if events.len() == all_but_the_last => last += 1,
            Ok(events) => assert_eq!(events, left.events, "byte {byte}"),
            Err(fault) => {
                assert!(is_clear(&fault), "byte {byte}: {fault:?}");
                found += 1;
            }
        }
    }
    assert!(found > 100 && last < found / 2, "{found} found, {last} of the last transaction");
}

/// Pages are copied from the log to the database in their order, the one that counts them first.
#[tokio::test]
async fn m07_what_was_being_copied_from_the_log_at_a_kill_is_the_whole_history() {
    let mut left = Left::after(60).await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    left.put(&file, Some(&left.log), None);
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_query(None, "wal_checkpoint", |_| Ok(())).unwrap();
    let copied = std::fs::read(&file).unwrap();
    drop(connection);
    let (before, page) = (left.database.len(), 4096);
    assert!(copied.len() > before + page, "there are new pages");
    for length in (page..=copied.len()).step_by(page) {
        left.database.resize(length.max(before), 0);
        left.database[..length].copy_from_slice(&copied[..length]);
        left.put(&file, Some(&left.log), None);
        assert_eq!(read(&file).await.unwrap(), left.events, "{length} bytes copied");
    }
}

/// What another round of the log left behind it is no damage, nor is what a killed process had not
/// finished.
#[tokio::test]
async fn what_is_behind_the_end_of_a_log_is_no_damage() {
    let (long, short) = (Left::after(20).await, Left::after(4).await);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    for behind in [&long.log[short.log.len()..], &[0; 9000], &long.log[..9000]] {
        let whole = [&short.log, behind].concat();
        for index in [Some(&*short.index), None] {
            short.put(&file, Some(&whole), index);
            assert_eq!(read(&file).await.unwrap(), short.events);
        }
    }
    // An index of another round says nothing.
    short.put(&file, Some(&short.log), Some(&long.index));
    assert_eq!(read(&file).await.unwrap(), short.events);
}

/// What is being written is not taken for damaged.
#[tokio::test]
async fn a_log_is_looked_at_beside_a_process_that_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let mut writer = child("kill::writes_until_killed", &file);
    let mut told = BufReader::new(writer.stdout.take().unwrap()).lines();
    // It goes on writing as long as it is read from.
    let reader = std::thread::spawn(move || told.by_ref().map_while(Result::ok).count());
    let (mut head, mut looks) = (0, 0);
    while looks < 300 || head < 3_000 {
        let journal = SqliteJournal::open(&file).await.unwrap();
        head = journal.head().await.unwrap();
        looks += 1;
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert!(reader.join().unwrap() > 0);
}

/// A program that opens the file and closes it, such as one that makes a backup, must see that the
/// engine has it open: if it took itself for the last, it would remove the log.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn m28_an_open_journal_keeps_its_lock_on_the_file_whatever_else_is_opened() {
    use std::os::unix::fs::MetadataExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let is_locked = || {
        let number = format!(":{} ", std::fs::metadata(&file).unwrap().ino());
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        // Where SQLite has the lock that says that a connection is open.
        locks.lines().any(|line| line.contains(&number) && line.contains(" 1073741826 "))
    };
    let first = open(&file, 5).await;
    assert!(is_locked(), "after the first append");
    let second = DurableEngine::open_existing(SqliteJournal::open(&file).await.unwrap()).await;
    let second = second.unwrap();
    assert!(is_locked(), "with a second engine");
    second.lock(&org(), &"ada".parse().unwrap()).await.unwrap();
    second.close().await;
    drop(second);
    assert!(is_locked(), "after the second has gone");
    drop(read(&file).await.unwrap());
    assert!(is_locked(), "after a reader has gone");
    match std::process::Command::new("sqlite3")
        .arg(&file)
        .arg(".backup backup.db")
        .current_dir(&folder)
        .output()
    {
        Err(_) => println!("SKIPPED: sqlite3 is not installed, so its backup was not tried"),
        Ok(backup) => assert!(backup.status.success(), "{backup:?}"),
    }
    let user = "eve".parse().unwrap();
    first.lock(&org(), &user).await.unwrap();
    drop(first);
    let engine = open(&file, 5).await;
    assert!(engine.is_locked("ada") && engine.is_locked("eve"));
    engine.close().await;
}
