//! Clients that send a byte now and then.

use std::io::Write;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::server::{READ, Server, WRITE, head, to_end};
use super::{MIB, eventually};

/// Sends a byte on each every 50 ms, and has the other client do its work meanwhile.
fn drip(server: &Server, streams: &mut [TcpStream], time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        for stream in &mut *streams {
            // It may be closed already.
            let _ = stream.write_all(b"x");
        }
        server.serves();
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn slow_heads_and_slow_bodies_come_to_an_end() {
    let server = Server::start(&["--header-timeout", "1s", "--request-timeout", "1s"]);
    let body = head("PUT", WRITE, &[("content-length", "9999")]) + "\r\n{";
    let begun = ["G", "GET / HTTP/1.1\r\nhost: a\r\nx-slow: ", "PRI * HT", &body];
    let open = |begun: &&str| -> Vec<_> { (0..50).map(|_| server.begin(begun)).collect() };
    let mut streams: Vec<_> = begun.iter().flat_map(open).collect();
    drip(&server, &mut streams, Duration::from_secs(2));
    for stream in &mut streams {
        let answer = to_end(stream);
        assert!(!answer.starts_with("HTTP/1.1 2"), "{answer}");
    }
    assert_eq!(server.refused("time"), 50);
    assert!(server.number("portcullis_connections_unused_total") >= 100);
    server.had_at_most(128 * MIB);
}

#[test]
fn slow_bodies_take_no_place_from_calls() {
    let server = Server::start(&["--max-requests", "2"]);
    let headers = [("content-length", "9999"), ("authorization", server.token.as_str())];
    let body = head("PUT", WRITE, &headers) + "\r\n{";
    let mut streams: Vec<_> = (0..50).map(|_| server.begin(&body)).collect();
    drip(&server, &mut streams, Duration::from_millis(500));
    assert_eq!(server.refused("requests"), 0);
}

#[test]
fn bodies_that_do_not_end_have_to_go_for_others() {
    // Two hundred bodies of half a mebibyte are a hundred mebibytes.
    let server = Server::start(&["--max-buffered", "8MiB", "--rate-per-address", "0"]);
    let headers = [("content-length", "1048576")];
    let body = head("PUT", WRITE, &headers) + "\r\n" + &" ".repeat(512 << 10);
    let before = server.status("VmRSS");
    let streams: Vec<_> = (0..200).map(|_| server.begin(&body)).collect();
    server.serves();
    eventually("the oldest are refused", || server.refused("buffered") >= 150);
    server.serves();
    // Each sends the rest. Who came last is the server's to say, and a connection that it closed may be
    // reset before its answer is read.
    let (mut refused, mut welcome) = (0, 0);
    for mut stream in streams {
        let sent = stream.write_all(&vec![b' '; 512 << 10]);
        let answer = to_end(&mut stream);
        if answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1\r\n") {
            refused += 1;
        } else if answer.starts_with("HTTP/1.1 401") && sent.is_ok() {
            welcome += 1;
        }
    }
    assert!(refused >= 1 && welcome >= 1, "{refused} refused, {welcome} welcome");
    server.had_at_most(before + 48 * MIB);
}

#[test]
fn a_head_that_is_too_large_is_refused_by_the_setting() {
    let large = [("x-large", &*"x".repeat(10 << 10))];
    for (flags, status) in [(&["--max-header", "8KiB"][..], 431), (&[], 401)] {
        let server = Server::start(flags);
        let answer = server.send("GET", READ, &large, "");
        assert_eq!(answer.status, status);
        // Many small ones are as bad.
        let many = "a: b\r\n".repeat(20_000);
        let many = server.begin(format!("GET / HTTP/1.1\r\n{many}"));
        assert!(to_end(&mut { many }).starts_with("HTTP/1.1 431"));
        server.serves();
    }
}
