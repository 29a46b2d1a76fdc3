//! What clients may not do.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::Place;
use super::client::{Answer, READ, WRITE, connect, head};

#[test]
fn a_body_that_is_too_large_is_refused() {
    let place = Place::new();
    let mut server = place.serve(&["--max-body", "1KiB"]);
    let told = r#"{"code":8,"message":"the body of the request is too large"}"#;
    // It says its size, and is refused before it is sent.
    let said = head("PUT", WRITE, &[("content-length", "1025")]) + "\r\n";
    let answer = Answer::read(server.begin(&said));
    assert_eq!((answer.status, answer.body.as_str()), (413, told));
    // It does not say its size.
    let chunks = head("PUT", WRITE, &[("transfer-encoding", "chunked")]) + "\r\n401\r\n";
    let answer = Answer::read(server.begin(&(chunks + &"x".repeat(0x401))));
    assert_eq!((answer.status, answer.body.as_str()), (413, told));
    assert_eq!(server.set_limit(7).status, 200);
    server.stop();
}

#[test]
fn a_request_that_takes_too_long_is_answered() {
    let place = Place::new();
    let mut server = place.serve(&["--request-timeout", "100ms"]);
    let token = format!("Bearer {}", server.token());
    let headers = [("content-length", "9"), ("authorization", &token)];
    let stream = server.begin(&(head("PUT", WRITE, &headers) + "\r\n{"));
    let answer = Answer::read(stream);
    let told = r#"{"code":4,"message":"the request took too long"}"#;
    assert_eq!((answer.status, answer.body.as_str()), (504, told));
    server.stop();
}

#[test]
fn a_client_that_sends_its_header_slowly_is_cut_off() {
    let place = Place::new();
    let mut server = place.serve(&["--header-timeout", "200ms"]);
    for begun in ["", "GE", "GET / HTTP/1.1\r\nhost: a\r\nx-slow: "] {
        let mut stream = server.begin(begun);
        let since = Instant::now();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        assert!(since.elapsed() < Duration::from_secs(5), "{begun:?}");
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{begun:?}");
    }
    // The same between two requests.
    let mut stream = server.begin("GET /debug/healthz HTTP/1.1\r\nhost: a\r\n\r\nGET /deb");
    let (since, mut answer) = (Instant::now(), String::new());
    let _ = stream.read_to_string(&mut answer);
    assert!(since.elapsed() < Duration::from_secs(5));
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 1, "{answer}");
    server.stop();
}

#[test]
fn a_header_that_is_too_large_is_refused() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    let answer = server.get_with(READ, &[("x-large", &"x".repeat(40 << 10))]);
    assert_eq!(answer.status, 431);
    server.stop();
}

#[test]
fn of_more_connections_than_may_be_those_of_least_use_are_closed() {
    let place = Place::new();
    let mut server = place.serve(&["--max-connections", "2"]);
    let answered = || {
        let mut stream = connect(server.address);
        stream.write_all(b"GET /debug/healthz HTTP/1.1\r\nhost: a\r\n\r\n").unwrap();
        stream.read_exact(&mut [0; 15]).unwrap();
        stream
    };
    let (mut first, mut second) = (answered(), answered());
    let mut third = answered();
    // The first one was idle for longest; the others go on.
    let _ = first.read_to_end(&mut Vec::new());
    for stream in [&mut second, &mut third] {
        stream.write_all((head("GET", "/debug/healthz", &[]) + "\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("HTTP/1.1 200"), "{answer}");
    }
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains("\nportcullis_connections_ended_total{why=\"evicted\"} 1\n"),
        "{metrics}"
    );
    server.stop();
}
