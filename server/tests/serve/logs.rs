//! The log, and the ids of requests in it.

use serde_json::Value;

use super::client::{READ, WRITE, head};
use super::{Place, Server, eventually};

/// The lines of requests, once there are so many.
fn lines(server: &Server<'_>, number: usize) -> Vec<Value> {
    let read = || -> Vec<Value> {
        let log = server.log();
        let lines = log.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.filter(|line| line["message"].as_str().unwrap().starts_with("request")).collect()
    };
    eventually("a line for each request", || read().len() >= number);
    read()
}

#[test]
fn a_request_has_an_id_and_one_line_in_the_log() {
    let place = Place::new();
    let mut server = place.serve(&["--log-format", "json"]);
    let taken = server.get_with("/debug/healthz", &[("x-request-id", "abc-1")]);
    assert_eq!(taken.header("x-request-id"), Some("abc-1"));
    let made = server.get_with("/made/up", &[("x-request-id", "not valid")]);
    let made = made.header("x-request-id").unwrap().to_owned();
    assert!(made.len() > 16 && !made.contains("valid"), "{made}");
    server.authorized("GET", READ, "");
    let lines = lines(&server, 3);
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[0]["id"], &lines[0]["status"]), (&"abc-1".into(), &200.into()));
    assert_eq!(
        (&lines[0]["route"], &lines[0]["method"]),
        (&"/debug/healthz".into(), &"GET".into())
    );
    assert_eq!((&lines[1]["id"], &lines[1]["route"]), (&made.into(), &"other".into()));
    assert_eq!((&lines[2]["route"], &lines[2]["transport"]), (&READ.into(), &"rest".into()));
    assert!(lines[2]["millis"].as_f64().unwrap() > 0.0);
    server.stop();
}

#[test]
fn a_client_that_goes_away_is_in_the_log() {
    let place = Place::new();
    let mut server = place.serve(&["--log-format", "json"]);
    // Whoever wants to write waits for this one.
    let other = rusqlite::Connection::open(place.file("portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let token = format!("Bearer {}", server.token());
    let body = "{\"maxPasswordAttempts\":7}";
    let length = body.len().to_string();
    let headers = [
        ("content-length", length.as_str()),
        ("content-type", "application/json"),
        ("authorization", &token),
    ];
    let stream = server.begin(&(head("PUT", WRITE, &headers) + "\r\n" + body));
    // Until its handler runs there is nothing to go away from. One more asks for the number.
    let running = || server.get("/metrics").body.contains("portcullis_requests_running 2");
    eventually("the request is running", running);
    drop(stream);
    let line = || {
        let mut lines = lines(&server, 1).into_iter();
        lines.find(|line| line["message"] == "request whose client went away")
    };
    eventually("its line", || line().is_some());
    let line = line().unwrap();
    assert_eq!((&line["route"], line.get("status")), (&WRITE.into(), None));
    other.execute_batch("ROLLBACK").unwrap();
    server.stop();
}

#[test]
fn no_secret_is_in_the_log_or_the_metrics_at_any_level() {
    for format in ["text", "json"] {
        let place = Place::new();
        let mut server = place.serve(&["--log-level", "trace", "--log-format", format]);
        let token = server.token();
        assert_eq!(server.limit(), "10");
        server.authorized("PUT", WRITE, r#"{"maxPasswordAttempts":4,"note":"secret-in-body"}"#);
        server.get("/path-of-mine?access_token=secret-in-query");
        server.get_with(
            READ,
            &[("authorization", "Basic secret-in-header"), ("cookie", "secret-in-cookie")],
        );
        let metrics = server.get("/metrics").body;
        server.stop();
        for text in [server.log(), metrics, server.said.clone()] {
            for secret in [&token, "secret-in", "path-of-mine"] {
                assert!(!text.contains(secret), "{secret}: {text}");
            }
        }
    }
}
