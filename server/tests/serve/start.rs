//! Starting: the first time, again, and not at all.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;

use super::Place;
use super::client::{READ, connect};

#[test]
fn the_first_start_makes_all_that_is_needed_to_call() {
    let place = Place::new();
    let mut server = place.serve(&["--max-password-attempts", "3"]);
    assert_eq!(server.said.lines().count(), 5, "{}", server.said);
    let file = place.file("portcullis.db.token");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let token = server.token();
    assert!(token.len() > 10 && !server.said.contains(&token), "{}", server.said);
    let line = server.said.lines().find_map(|line| line.strip_prefix("try")).unwrap().trim();
    let curl = format!(
        "curl -H \"Authorization: Bearer $(cat 'portcullis.db.token')\" {}{READ}",
        server.url
    );
    assert_eq!(line, curl);
    assert_eq!(server.limit(), "3");
    server.stop();
}

#[test]
fn a_second_start_keeps_the_policy_and_makes_nothing() {
    let place = Place::new();
    let mut server = place.serve(&["--instance", "main", "--max-password-attempts", "3"]);
    let token = server.token();
    assert_eq!(server.set_limit(7).status, 200);
    server.stop();
    let mut server = place.serve(&["--max-password-attempts", "9"]);
    assert_eq!(server.said.lines().count(), 1, "{}", server.said);
    assert_eq!((server.limit(), server.token()), ("7".into(), token));
    server.stop();
    let other = place.run(&["serve", "--instance", "other", "--listen", "127.0.0.1:0"]);
    other.fails(2, "other");
}

#[test]
fn an_address_in_use_is_a_fault_before_anything_is_made() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let run = place.run(&["serve", "--listen", &address]);
    run.fails(1, &format!("cannot listen on {address}: Address already in use"));
    assert!(fs::read_dir(place.0.path()).unwrap().next().is_none());
}

#[test]
fn a_journal_that_is_none_is_bad_input() {
    let place = Place::new();
    place.write("portcullis.db", "hello");
    place.run(&["serve", "--listen", "127.0.0.1:0"]).fails(2, "too short");
    let nowhere = ["serve", "--listen", "127.0.0.1:0", "--journal", "no/such/folder.db"];
    let run = place.run(&nowhere);
    assert!(run.code != 0 && run.stderr.contains("no/such/folder.db"), "{}", run.stderr);
}

#[test]
fn http_2_is_spoken_on_the_same_port() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    assert_eq!(server.get("/debug/healthz").status, 200);
    let mut stream = connect(server.address);
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").unwrap();
    let mut frame = [0; 9];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(frame[3], 4, "a frame of settings: {frame:?}");
    drop(stream);
    server.stop();
}
