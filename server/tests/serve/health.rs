//! What machines that watch the server are told.

use super::client::READ;
use super::{Place, Server, eventually};

/// The value of a line of the metrics.
fn number(server: &Server<'_>, name: &str) -> Option<String> {
    let text = server.get("/metrics").body;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.map(String::from)
}

#[test]
fn a_server_is_alive_and_ready_and_counts() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    assert_eq!(server.get("/debug/healthz").status, 200);
    let ready = server.get("/debug/ready");
    assert_eq!((ready.status, ready.body.as_str()), (200, r#"{"ready":true}"#));
    for _ in 0..3 {
        server.authorized("GET", READ, "");
    }
    for name in 0..50 {
        server.get(&format!("/made/up/{name}"));
    }
    let requests = format!(
        "portcullis_requests_total{{route=\"{READ}\",transport=\"rest\",status=\"200\",method=\"GET\"}}"
    );
    assert_eq!(number(&server, &requests).as_deref(), Some("3"));
    let before = number(&server, "portcullis_journal_position").unwrap();
    assert_eq!(server.set_limit(7).status, 200);
    let after = number(&server, "portcullis_journal_position").unwrap();
    assert!(after.parse::<u64>().unwrap() > before.parse().unwrap());
    for (name, value) in [
        ("portcullis_journal_waiting", "0"),
        ("portcullis_journal_writable", "1"),
        ("portcullis_locked_users", "0"),
        ("portcullis_build_info{version=\"0.1.0\"}", "1"),
    ] {
        assert_eq!(number(&server, name).as_deref(), Some(value), "{name}");
    }
    let metrics = server.get("/metrics");
    assert!(metrics.header("content-type").unwrap().starts_with("text/plain; version=0.0.4"));
    assert!(metrics.body.contains("portcullis_request_duration_seconds_bucket{route="));
    assert!(!metrics.body.contains("made/up"), "{}", metrics.body);
    server.stop();
}

#[test]
fn a_server_whose_disk_cannot_be_written_is_alive_but_not_ready() {
    let place = Place::new();
    let mut server = place.serve(&[]);
    let other = rusqlite::Connection::open(place.file("portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    assert_eq!(server.set_limit(7).status, 503);
    let ready = server.get("/debug/ready");
    let told = r#"{"ready":false,"why":["the journal cannot be written"]}"#;
    assert_eq!((ready.status, ready.body.as_str()), (503, told));
    assert_eq!(server.get("/debug/healthz").status, 200);
    assert_eq!(number(&server, "portcullis_journal_writable").as_deref(), Some("0"));
    assert_eq!(server.limit(), "10");
    other.execute_batch("ROLLBACK").unwrap();
    eventually("ready again", || server.get("/debug/ready").status == 200);
    assert_eq!(server.set_limit(7).status, 200);
    server.stop();
}
