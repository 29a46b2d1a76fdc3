//! Followers of the events, and a server that ends and comes again.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::Value;

use super::client::head;
use super::{PATIENCE, Place, Server};

const EVENTS: &str = "/portcullis/v1/events";

/// The events after a position, line by line.
struct Follower(BufReader<TcpStream>);

impl Follower {
    fn new(server: &Server<'_>, last: u64) -> Self {
        let (token, last) = (format!("Bearer {}", server.token()), last.to_string());
        let headers = [("authorization", token.as_str()), ("last-event-id", &last)];
        let mut stream = BufReader::new(server.begin(&(head("GET", EVENTS, &headers) + "\r\n")));
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            assert!(stream.read_line(&mut line).unwrap() > 0);
        }
        Self(stream)
    }

    /// The position of the next event; `None` at the end.
    fn next(&mut self) -> Option<u64> {
        // The server keeps a quiet connection alive, so that no single reading takes long.
        let until = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < until, "neither an event nor the end");
            let mut line = String::new();
            if self.0.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            assert!(!line.starts_with("event: error"), "{line}");
            if let Some(position) = line.strip_prefix("id: ") {
                return Some(position.trim_end().parse().unwrap());
            }
        }
    }
}

/// The newest position, by the server's own account.
fn newest(place: &Place) -> u64 {
    let events = place.run(&["events", "--output", "json"]);
    let last: Value = serde_json::from_str(events.stdout.lines().last().unwrap()).unwrap();
    last["position"].as_u64().unwrap()
}

#[test]
fn d4_a_follower_is_told_every_event_once_and_in_order_also_over_restarts() {
    let place = Place::new();
    let (mut last, mut seen) = (0, Vec::new());
    for round in 0..4 {
        let mut server = place.serve(&[]);
        let mut follower = Follower::new(&server, last);
        for limit in 0..3 {
            assert_eq!(server.set_limit(20 + round * 3 + limit).status, 200);
        }
        // Not all of them: what was not read is told again to whoever comes again.
        for _ in 0..2 {
            last = follower.next().unwrap();
            seen.push(last);
        }
        if round % 2 == 0 {
            server.stop();
        } else {
            server.signal(Signal::KILL);
            server.child.wait().unwrap();
        }
    }
    let mut server = place.serve(&[]);
    let mut follower = Follower::new(&server, last);
    let newest = newest(&place);
    while last < newest {
        last = follower.next().unwrap();
        seen.push(last);
    }
    assert_eq!(seen, (1..=newest).collect::<Vec<_>>());
    server.stop();
}

#[test]
fn a_signal_ends_followers_at_once_and_with_them_the_server() {
    let place = Place::new();
    let mut server = place.serve(&["--shutdown-timeout", "10m"]);
    let newest = newest(&place);
    let mut followers = [(); 3].map(|()| Follower::new(&server, newest - 1));
    for follower in &mut followers {
        assert_eq!(follower.next(), Some(newest));
    }
    let since = Instant::now();
    server.signal(Signal::TERM);
    for follower in &mut followers {
        assert_eq!(follower.next(), None);
    }
    assert_eq!(server.ended(), (Some(0), String::new()));
    assert!(since.elapsed() < Duration::from_secs(15), "{:?}", since.elapsed());
    assert!(!place.file("portcullis.db-wal").exists(), "the journal was closed");
}
