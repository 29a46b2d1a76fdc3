//! Two processes on one file: one limit, one truth, and none starves.

use std::io::{BufRead, BufReader, Write};
use std::sync::Arc;

use portcullis::durable::Admission;
use portcullis::{Factor, UserId, Verdict};

use super::{child, given_file, open, org};

/// The child: eight tasks guess at one user until it is locked. Then it tells when it sees the user
/// unlocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn guesses() {
    let Some(file) = given_file() else { return };
    let engine = open(&file, 5).await;
    let user: UserId = "ada".parse().unwrap();
    println!("OPENED");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (engine, user) = (Arc::clone(&engine), user.clone());
        tasks.push(tokio::spawn(async move {
            let mut rejected = 0;
            loop {
                match engine.begin_owned(&org(), &user, Factor::Password) {
                    Admission::Admitted(attempt) => match attempt.fail().await.unwrap() {
                        Verdict::Rejected { .. } => rejected += 1,
                        other => assert!(matches!(other, Verdict::Locked(_)), "{other:?}"),
                    },
                    Admission::Busy => tokio::task::yield_now().await,
                    Admission::Locked(_) => return rejected,
                    other @ Admission::Refused(_) => panic!("{other:?}"),
                }
            }
        }));
    }
    let mut rejected = 0;
    for task in tasks {
        rejected += task.await.unwrap();
    }
    println!("REJECTED {rejected}");
    std::io::stdout().flush().unwrap();
    while engine.is_locked("ada") {
        tokio::task::yield_now().await;
    }
    println!("UNLOCKED");
    std::io::stdin().lock().read_line(&mut String::new()).unwrap();
    engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_m01_m28_two_processes_disclose_the_limit_and_an_unlock_reaches_both() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("journal.db");
    let mut processes: Vec<_> = (0..2).map(|_| child("processes::guesses", &file)).collect();
    let mut outputs: Vec<_> = processes
        .iter_mut()
        .map(|process| BufReader::new(process.stdout.take().unwrap()).lines())
        .collect();
    let mut line = |number: usize, starts: &str| loop {
        let line = outputs[number].next().unwrap().unwrap();
        if let Some(at) = line.find(starts) {
            break line[at + starts.len()..].trim().to_owned();
        }
    };
    for number in 0..2 {
        line(number, "OPENED");
    }
    for process in &mut processes {
        process.stdin.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
    let rejected: Vec<u32> =
        (0..2).map(|number| line(number, "REJECTED").parse().unwrap()).collect();
    assert_eq!(rejected.iter().sum::<u32>(), 5, "{rejected:?}");

    let operator = open(&file, 5).await;
    let user: UserId = "ada".parse().unwrap();
    assert!(operator.is_locked("ada"));
    operator.unlock(&user).await.unwrap();
    for number in 0..2 {
        line(number, "UNLOCKED");
    }
    operator.close().await;
    for mut process in processes {
        process.stdin.take().unwrap().write_all(b"end\n").unwrap();
        assert!(process.wait().unwrap().success());
    }
}
