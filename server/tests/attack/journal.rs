//! A journal that is too slow for all that is asked of it.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use portcullis::journal::SqliteJournal;
use portcullis::{DurableEngine, LockoutPolicy};
use portcullis_server::api::{Api, Settings};
use portcullis_server::directory::{JournalDirectory, first_start};
use portcullis_server::wire::{Options, router};

use super::server::{Answer, READ, Server, WRITE, head};
use super::{MIB, eventually};

/// Holds the journal's file as a slow disk would.
fn hold(file: &std::path::Path) -> rusqlite::Connection {
    let other = rusqlite::Connection::open(file).unwrap();
    other.busy_timeout(Duration::from_secs(5)).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn change(token: &str, limit: usize) -> String {
    let body = format!("{{\"maxPasswordAttempts\":{limit},\"maxOtpAttempts\":1}}");
    let length = body.len().to_string();
    head("PUT", WRITE, &[("authorization", token), ("content-length", &length)]) + "\r\n" + &body
}

/// Every answer is the change, or that it was not made and may be tried again.
fn count(answers: impl IntoIterator<Item = Answer>) -> (usize, usize) {
    let (mut made, mut refused) = (0, 0);
    for answer in answers {
        match answer.status {
            200 => made += 1,
            503 => {
                assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                refused += 1;
            }
            _ => panic!("{answer:?}"),
        }
    }
    (made, refused)
}

#[test]
fn a_slow_journal_has_no_queue_without_end_before_it() {
    let server = Server::start(&["--max-requests", "8"]);
    let other = hold(&server.file("portcullis.db"));
    let streams: Vec<_> =
        (0..500).map(|at| server.begin(change(&server.token, 100 + at))).collect();
    // They are refused at once, while the others wait.
    eventually("many are refused", || server.refused("requests") >= 490);
    other.execute_batch("COMMIT").unwrap();
    let (made, refused) = count(streams.into_iter().map(Answer::of));
    assert_eq!(made + refused, 500);
    assert!((1..=10).contains(&made), "{made} were made");
    server.serves();
    server.had_at_most(128 * MIB);
}

#[test]
fn a_journal_that_takes_no_more_is_unavailable_on_the_wire() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("journal.db");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let (token, engine) = runtime.block_on(async {
        let journal = SqliteJournal::open(&file).await.unwrap();
        let instance = "main".parse().unwrap();
        let engine = DurableEngine::builder().queue(4);
        let engine = engine.open(instance, LockoutPolicy::new(5, 5), journal).await.unwrap();
        let engine = Arc::new(engine);
        let directory = JournalDirectory::open(Arc::clone(&engine), &file).await.unwrap();
        let directory = Arc::new(directory);
        let made = first_start(&directory).await.unwrap().unwrap();
        let api = Api::new(
            Arc::clone(&engine),
            Arc::clone(&directory) as _,
            directory,
            Settings::default(),
        );
        let app = router(api, Options::default());
        let listener = tokio::net::TcpListener::from_std(listener).unwrap();
        tokio::spawn(async { axum::serve(listener, app).await });
        (format!("Bearer {}", made.token.as_str()), engine)
    });
    let send = |text: String| {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(super::PATIENCE)).unwrap();
        std::io::Write::write_all(&mut stream, text.as_bytes()).unwrap();
        stream
    };
    assert_eq!(Answer::of(send(change(&token, 99))).status, 200);
    let other = hold(&file);
    let streams: Vec<_> = (0..200).map(|at| send(change(&token, 100 + at))).collect();
    eventually("the queue is full", || engine.health().waiting == 4);
    // Reads go on meanwhile.
    let read = head("GET", READ, &[("authorization", &token)]) + "\r\n";
    assert_eq!(Answer::of(send(read)).status, 200);
    other.execute_batch("COMMIT").unwrap();
    let (made, refused) = count(streams.into_iter().map(Answer::of));
    assert_eq!(made + refused, 200);
    assert!(made >= 1 && refused >= 1, "{made} were made, {refused} refused");
    runtime.block_on(engine.close());
}
