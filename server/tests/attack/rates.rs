//! Callers who come too often, and those who would rather be somebody else.

use std::time::{Duration, Instant};

use super::eventually;
use super::server::{Answer, READ, Server};

const CONNECT: &str = "/zitadel.management.v1.ManagementService/GetLockoutPolicy";

/// A request with a token that is none.
fn wrong(server: &Server, forwarded: &[(&str, &str)]) -> Answer {
    let headers = [forwarded, &[("authorization", "Bearer 1.wrong")]].concat();
    server.send("GET", READ, &headers, "")
}

fn waits_at_least_a_second(answer: &Answer) {
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert_eq!(wait, 1, "{answer:?}");
}

#[test]
fn a_wrong_token_counts_for_its_address_and_a_right_one_does_not() {
    let server = Server::start(&["--rate-per-address", "5"]);
    for _ in 0..20 {
        server.serves();
    }
    let refused = (0..20).map(|_| wrong(&server, &[])).find(|answer| answer.status != 401);
    let refused = refused.unwrap();
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body, r#"{"code":8,"message":"too many requests, try again later"}"#);
    waits_at_least_a_second(&refused);
    assert!(server.refused("address_rate") >= 1);
    eventually("the address may come again", || wrong(&server, &[]).status == 401);
    // What is no call counts as well.
    let mut all = (0..20).map(|_| server.send("GET", "/made/up", &[], "").status);
    assert!(all.any(|status| status == 429));
    // Who watches the server is not counted.
    assert_eq!(server.send("GET", "/debug/healthz", &[], "").status, 200);
}

#[test]
fn a_caller_has_a_rate_on_every_transport() {
    let server = Server::start(&["--rate-per-caller", "5"]);
    let token = ("authorization", server.token.as_str());
    let json = ("content-type", "application/json");
    let too_often = |path: &str, method: &str, body: &str| {
        let answers = (0..50).map(|_| server.send(method, path, &[token, json], body));
        answers.into_iter().find(|answer| answer.status != 200).unwrap()
    };
    let (rest, connect) = (too_often(READ, "GET", ""), too_often(CONNECT, "POST", "{}"));
    let text = "too many requests, try again later";
    assert_eq!((rest.status, connect.status), (429, 429));
    assert_eq!(rest.body, format!("{{\"code\":8,\"message\":\"{text}\"}}"));
    assert_eq!(connect.body, format!("{{\"code\":\"resource_exhausted\",\"message\":\"{text}\"}}"));
    waits_at_least_a_second(&rest);
    waits_at_least_a_second(&connect);
    let grpc = [token, ("content-type", "application/grpc-web+proto")];
    let answers = (0..50).map(|_| server.send("POST", CONNECT, &grpc, "\0\0\0\0\0"));
    let told = answers.into_iter().find(|answer| {
        answer.body.contains("grpc-status:8") || answer.header("grpc-status") == Some("8")
    });
    let told = told.unwrap();
    assert!(format!("{}{}", told.head, told.body).contains("retry-after"), "{told:?}");
    assert!(server.refused("caller_rate") >= 3);
}

#[test]
fn m23_a_header_that_anybody_can_write_gives_no_other_address() {
    let other = |at: usize| format!("203.0.113.{at}");
    let server = Server::start(&["--rate-per-address", "5"]);
    let mut all = (0..50).map(|at| wrong(&server, &[("x-forwarded-for", &other(at))]).status);
    assert!(all.any(|status| status == 429), "whatever it claims, it is one address");
    // Behind a proxy that is trusted each client is its own, and cannot claim to be another.
    let server = Server::start(&["--rate-per-address", "5", "--trusted-proxies", "127.0.0.0/8"]);
    let status = |claimed: &str| wrong(&server, &[("x-forwarded-for", claimed)]).status;
    assert!((0..50).all(|at| status(&other(at)) == 401));
    let forged = |at: usize| format!("{}, 198.51.100.7", other(at));
    assert!((0..50).any(|at| status(&forged(at)) == 429));
    assert!((0..50).any(|_| wrong(&server, &[]).status == 429), "the proxy itself");
    assert_eq!(status("198.51.100.8"), 401);
}

#[test]
fn m25_who_is_refused_ties_up_nothing() {
    let server = Server::start(&["--rate-per-address", "1"]);
    eventually("the address is refused", || wrong(&server, &[]).status == 429);
    // It is told to wait for a second, and the server does not do that in its place.
    let quickest = |_| {
        let begun = Instant::now();
        (wrong(&server, &[]).status == 429).then(|| begun.elapsed())
    };
    let quickest = (0..10).filter_map(quickest).min().unwrap();
    assert!(quickest < Duration::from_millis(500), "{quickest:?}");
    let threads = server.status("Threads");
    let text = super::server::head("GET", READ, &[("authorization", "Bearer 1.wrong")]) + "\r\n";
    let begun = Instant::now();
    let streams: Vec<_> = (0..1000).map(|_| server.begin(&text)).collect();
    let refused = streams.into_iter().filter(|stream| Answer::of(stream).status == 429).count();
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    assert!(refused >= 900, "{refused}");
    assert_eq!(server.status("Threads"), threads);
    // The one that is left is that of the question itself.
    assert_eq!(server.number("portcullis_requests_running"), 1);
}
