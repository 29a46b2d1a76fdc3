//! The end: by a signal, with what runs finished.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::client::{Answer, WRITE, connect, head};
use super::{Place, Server, eventually};

/// The body whose end is sent later.
const BODY: (&str, &str) = ("{\"maxPasswordAttempts\":7,", "\"maxOtpAttempts\":1}");

/// A request that the server has begun to handle, and cannot end yet.
fn half(server: &Server<'_>) -> TcpStream {
    let (token, length) = (server.token(), (BODY.0.len() + BODY.1.len()).to_string());
    let token = format!("Bearer {token}");
    let headers = [
        ("authorization", token.as_str()),
        ("content-type", "application/json"),
        ("content-length", &length),
        ("expect", "100-continue"),
    ];
    let mut stream = server.begin(&(head("PUT", WRITE, &headers) + "\r\n"));
    // The server asks for the body: its handler runs.
    let mut told = [0; 25];
    std::io::Read::read_exact(&mut stream, &mut told).unwrap();
    assert_eq!(&told, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(BODY.0.as_bytes()).unwrap();
    stream
}

fn refuses(server: &Server<'_>) -> bool {
    TcpStream::connect(server.address).is_err()
}

#[test]
fn a_signal_lets_a_request_finish_and_takes_no_other() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let mut server = place.serve(&[]);
        let idle = connect(server.address);
        let mut stream = half(&server);
        server.signal(signal);
        eventually("no more connections", || refuses(&server));
        assert!(server.child.try_wait().unwrap().is_none());
        stream.write_all(BODY.1.as_bytes()).unwrap();
        let answer = Answer::read(stream);
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(server.ended(), (Some(0), String::new()));
        drop(idle);
        assert!(!place.file("portcullis.db-wal").exists(), "the journal was closed");
        let mut server = place.serve(&[]);
        assert_eq!(server.limit(), "7");
        server.stop();
    }
}

#[test]
fn a_request_that_does_not_finish_is_not_waited_for_longer_than_asked() {
    let place = Place::new();
    let mut server = place.serve(&["--shutdown-timeout", "300ms"]);
    let stream = half(&server);
    let since = Instant::now();
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), (Some(0), String::new()));
    let taken = since.elapsed();
    assert!((Duration::from_millis(290)..Duration::from_secs(5)).contains(&taken), "{taken:?}");
    assert!(!place.file("portcullis.db-wal").exists(), "the journal was closed");
    drop(stream);
}

#[test]
fn a_second_signal_ends_the_waiting() {
    let place = Place::new();
    let mut server = place.serve(&["--shutdown-timeout", "1h"]);
    let stream = half(&server);
    server.signal(Signal::TERM);
    eventually("no more connections", || refuses(&server));
    server.signal(Signal::TERM);
    assert_eq!(server.ended(), (Some(0), String::new()));
    drop(stream);
}
