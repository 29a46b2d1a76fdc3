//! Clients that ask and do not read.

use std::io::{Read, Write};
use std::time::{Duration, Instant};

use super::http2::{Client, HEADERS, RST_STREAM, SETTINGS};
use super::server::{READ, Server};
use super::{MIB, eventually};

const DOCUMENT: &str = "/openapi.json";

#[test]
fn a_pipeline_of_requests_whose_answers_nobody_reads_ends() {
    let server = Server::start(&["--write-timeout", "500ms", "--rate-per-address", "0"]);
    let request = format!("GET {DOCUMENT} HTTP/1.1\r\nhost: a\r\n\r\n").repeat(100);
    let before = server.status("VmRSS");
    let ask = |_| {
        let mut stream = server.connect();
        stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
        // Until the server reads no more.
        while stream.write_all(request.as_bytes()).is_ok() {}
        stream
    };
    let streams: Vec<_> = (0..20).map(ask).collect();
    server.serves();
    eventually("all have ended", || server.ended("unread") == 20);
    server.serves();
    drop(streams);
    server.had_at_most(before + 64 * MIB);
}

#[test]
fn http2_streams_without_a_window_end() {
    let server = Server::start(&["--write-timeout", "2s", "--rate-per-address", "0"]);
    let before = server.status("VmRSS");
    let open = |_| {
        // INITIAL_WINDOW_SIZE
        let mut client = Client::open(&server, &[(4, 0)]);
        for _ in 0..100 {
            client.request("GET", DOCUMENT).unwrap();
        }
        client
    };
    let mut clients: Vec<_> = (0..20).map(open).collect();
    server.serves();
    for client in &mut clients {
        let begun = Instant::now();
        let mut heads = 0;
        while let Some(frame) = client.read_frame() {
            heads += usize::from(frame.kind == HEADERS);
            assert!(begun.elapsed() < Duration::from_secs(20), "it is still open");
        }
        assert!(heads > 0, "it was answered");
    }
    assert_eq!(server.ended("unread"), 20);
    server.serves();
    server.had_at_most(before + 64 * MIB);
}

#[test]
fn a_client_that_reads_slowly_is_served() {
    let server = Server::start(&["--write-timeout", "1s", "--rate-per-address", "0"]);
    let request = format!("GET {DOCUMENT} HTTP/1.1\r\nhost: a\r\n\r\n");
    let mut stream = server.connect();
    stream.set_write_timeout(Some(Duration::from_millis(100))).unwrap();
    // Until the server waits for its client.
    while stream.write_all(request.as_bytes()).is_ok() {}
    let until = Instant::now() + Duration::from_secs(3);
    while Instant::now() < until {
        stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
        std::thread::sleep(Duration::from_millis(100));
    }
    assert_eq!(server.ended("unread"), 0);
}

#[test]
fn one_connection_has_so_many_streams_and_no_more() {
    let server = Server::start(&["--max-streams", "3"]);
    let mut client = Client::open(&server, &[]);
    let told = loop {
        let frame = client.read_frame().unwrap();
        if frame.kind == SETTINGS && !frame.payload.is_empty() {
            break frame.payload;
        }
    };
    let most = told.chunks(6).find(|setting| setting[..2] == [0, 3]).unwrap();
    assert_eq!(most[2..], 3_u32.to_be_bytes());
    // Whoever opens more is refused that one, and the others go on.
    let streams: Vec<_> = (0..4).map(|_| client.request("POST", READ).unwrap()).collect();
    let refused = loop {
        let frame = client.read_frame().unwrap();
        if frame.kind == RST_STREAM {
            break frame;
        }
    };
    assert_eq!((refused.stream, &refused.payload[..]), (streams[3], &7_u32.to_be_bytes()[..]));
    server.serves();
}
