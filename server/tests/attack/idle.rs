//! Connections that are only open.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::http2::Client;
use super::server::{Server, head, to_end};
use super::{MIB, eventually};

/// As many files as the system permits; gives how many connections can be open then.
fn room() -> usize {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.map_or(usize::MAX, |most| usize::try_from(most).unwrap().saturating_sub(500))
}

const PING: &str = "GET /debug/healthz HTTP/1.1\r\nhost: a\r\n\r\n";

/// A connection that is kept open after an answer.
fn kept(server: &Server) -> TcpStream {
    let mut stream = server.begin(PING);
    stream.read_exact(&mut [0; 15]).unwrap();
    stream
}

/// How many of these the server has closed.
fn closed(streams: &[TcpStream]) -> usize {
    let is_closed = |stream: &&TcpStream| {
        stream.set_nonblocking(true).unwrap();
        let read = stream.peek(&mut [0]);
        stream.set_nonblocking(false).unwrap();
        !matches!(read, Ok(1))
            && !matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    streams.iter().filter(is_closed).count()
}

#[test]
fn ten_thousand_idle_connections_keep_nobody_out() {
    const WANTED: usize = 10_000;
    let number = room().min(WANTED);
    if number < WANTED {
        eprintln!("!!! NOT {WANTED} CONNECTIONS: the system permits {number} (ulimit -Hn)");
    }
    let most = number.to_string();
    let server = Server::start(&["--max-connections", &most, "--header-timeout", "5m"]);
    let idle = |at: usize| if at.is_multiple_of(2) { server.connect() } else { kept(&server) };
    let mut idle: Vec<_> = (0..number).map(idle).collect();
    // Each question needs room too, which is made for some at a time.
    eventually("all are open", || {
        let open = usize::try_from(server.number("portcullis_connections_open")).unwrap();
        open >= number - number / 50
    });
    for _ in 0..20 {
        server.serves();
    }
    assert!(server.ended("evicted") > 0);
    assert_eq!(server.refused("connections"), 0);
    // Those that were answered, and lately, are served still.
    let last = idle.last_mut().unwrap();
    last.write_all((head("GET", "/debug/healthz", &[]) + "\r\n").as_bytes()).unwrap();
    assert!(to_end(last).contains("HTTP/1.1 200"));
    server.had_at_most(320 * MIB);
}

#[test]
fn half_open_connections_keep_nobody_out_and_come_to_an_end() {
    let server = Server::start(&["--max-connections", "20", "--header-timeout", "3s"]);
    // This one was answered, and is worth more than a hundred that never asked.
    let mut known = kept(&server);
    let mut open: Vec<_> = (0..100).map(|_| server.connect()).collect();
    eventually("most had to go", || closed(&open) >= 81);
    server.serves();
    known.write_all((head("GET", "/debug/healthz", &[]) + "\r\n").as_bytes()).unwrap();
    assert!(to_end(&mut known).contains("HTTP/1.1 200"));
    for stream in &mut open {
        assert_eq!(to_end(stream), "");
    }
    assert!(server.ended("evicted") >= 80);
    server.serves();
}

#[test]
fn half_open_tls_keeps_nobody_out() {
    let made = rcgen::generate_simple_self_signed([String::from("localhost")]).unwrap();
    let place = tempfile::tempdir().unwrap();
    let file = |name: &str| place.path().join(name).to_str().unwrap().to_owned();
    std::fs::write(file("cert.pem"), made.cert.pem()).unwrap();
    std::fs::write(file("key.pem"), made.signing_key.serialize_pem()).unwrap();
    let (cert, key) = (file("cert.pem"), file("key.pem"));
    let limits = ["--max-connections", "20", "--header-timeout", "5m"];
    let server = Server::start(&[&limits[..], &["--tls-cert", &cert, "--tls-key", &key]].concat());
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
    let config = Arc::new(config);
    let mut open: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for stream in open.iter_mut().skip(50) {
        // The beginning of a greeting. Its connection may have had to go.
        let _ = stream.write_all(&[22, 3, 1, 1, 0, 1, 0]);
    }
    eventually("most had to go", || closed(&open) >= 80);
    let name = ServerName::try_from("localhost").unwrap();
    let session = ClientConnection::new(config, name).unwrap();
    let mut stream = StreamOwned::new(session, server.connect());
    stream.write_all((head("GET", "/debug/healthz", &[]) + "\r\n").as_bytes()).unwrap();
    assert!(to_end(&mut stream).starts_with("HTTP/1.1 200"));
}

#[test]
fn no_descriptor_is_missing_for_who_comes() {
    let server = Server::start_with_files(120, &["--header-timeout", "5m"]);
    let open: Vec<_> = (0..400).map(|_| server.connect()).collect();
    eventually("most had to go", || closed(&open) >= 400 - (120 - 64));
    for _ in 0..5 {
        server.serves();
    }
    let log = std::fs::read_to_string(server.file("log")).unwrap();
    assert!(log.contains("fewer open files than max_connections needs"), "{log}");
}

#[test]
fn an_http2_connection_without_requests_comes_to_an_end() {
    let server = Server::start(&["--idle-timeout", "500ms"]);
    let mut idle = Client::open(&server, &[]);
    idle.get("/debug/healthz");
    // It answers whatever it is asked, and sends pings of its own.
    let begun = std::time::Instant::now();
    let ended = loop {
        if idle.ping().is_err() || idle.read_frame().is_none() {
            break begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "it is still open");
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(ended >= Duration::from_millis(400), "{ended:?}");
    assert_eq!(server.ended("idle"), 1);
    server.serves();
}
