//! A file that cannot grow, as on a full disk: nobody is admitted, nothing is told, and once there is
//! room the same engine goes on.

use std::process::Command;

use portcullis::durable::Admission;
use portcullis::journal::{Journal, JournalError, SqliteJournal};
use portcullis::{Factor, Refusal, UserId, Verdict};

use super::{given_file, open, org};

/// Lets this process's files grow to a size, or to any.
fn allow_files_of(bytes: Option<u64>) {
    let soft = bytes.map_or(String::from("unlimited"), |bytes| bytes.to_string());
    let pid = std::process::id().to_string();
    let set = Command::new("prlimit")
        .args(["--pid", &pid, &format!("--fsize={soft}:unlimited")])
        .status()
        .expect("`prlimit` of util-linux");
    assert!(set.success());
}

/// The child, since the limit is a process's. The parent started it with the signal ignored that
/// would end a process for writing too much.
#[tokio::test(flavor = "multi_thread")]
async fn runs_out_of_room() {
    let Some(file) = given_file() else { return };
    let engine = open(&file, 0).await;
    let user: UserId = "ada".parse().unwrap();
    let begin = |user: &UserId| engine.begin_owned(&org(), user, Factor::Password);
    let admitted = |user: &UserId| match begin(user) {
        Admission::Admitted(attempt) => attempt,
        other => panic!("{other:?}"),
    };
    let _ = admitted(&user).fail().await.unwrap();
    let in_flight: Vec<_> = (0..6).map(|_| admitted(&user)).collect();
    let clean: UserId = "clean".parse().unwrap();
    let clean_in_flight = admitted(&clean);
    allow_files_of(Some(std::fs::metadata(&file).unwrap().len() + 40_000));

    let mut told = 1;
    let fault = loop {
        match admitted(&user).fail().await {
            Ok(Verdict::Rejected { failures, .. }) => told = failures,
            Ok(other) => panic!("{other:?}"),
            Err(fault) => break fault,
        }
    };
    assert!(matches!(fault, JournalError::Unavailable(_)), "{fault}");
    for (number, attempt) in in_flight.into_iter().enumerate() {
        let settled = if number % 2 == 0 { attempt.succeed().await } else { attempt.fail().await };
        assert!(matches!(settled, Err(JournalError::Unavailable(_))), "{settled:?}");
    }
    assert!(clean_in_flight.succeed().await.is_err(), "not even a clean success is told");
    assert!(matches!(begin(&clean), Admission::Refused(Refusal::Unavailable)));
    assert_eq!(engine.status(&user).failures(Factor::Password), told);

    allow_files_of(None);
    while !engine.health().writable {
        tokio::task::yield_now().await;
    }
    let after = match admitted(&user).fail().await {
        Ok(Verdict::Rejected { failures, .. }) => failures,
        other => panic!("{other:?}"),
    };
    // The one that was in doubt may count by now; nothing that was told has been lost.
    assert!(after == told + 1 || after == told + 2, "{told} {after}");
    engine.close().await;
    let journal = SqliteJournal::open(&file).await.unwrap();
    let head = journal.head().await.unwrap();
    assert_eq!(journal.read_after(0, usize::MAX).await.unwrap().len() as u64, head);
    assert_eq!(head, u64::from(after) + 1);
    println!("WENT ON after {told}");
}

#[test]
fn d3_m29_a_full_disk_admits_nobody_tells_nothing_and_ends_when_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    // A shell that ignores the signal hands that on to what it becomes.
    let test = std::env::current_exe().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; exec \"$0\" --exact full::runs_out_of_room --nocapture"])
        .arg(test)
        .env("PORTCULLIS_CRASH_FILE", &file)
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(printed.contains("WENT ON"), "{printed}");
}
