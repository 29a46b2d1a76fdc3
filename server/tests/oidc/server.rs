//! The command itself: its settings, its log, its numbers, and a start without the issuer.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::issuer::TestIssuer;
use super::signer::Token;
use super::{AUDIENCE, KEY, READ, RESOURCE_OWNER, ROLES, now};

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The command in the folder, with none of the settings of whoever runs the tests.
    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("portcullis"));
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PORTCULLIS_") {
                command.env_remove(name);
            }
        }
        command.current_dir(self.0.path()).args(args);
        command
    }

    #[track_caller]
    fn fails(&self, args: &[&str], part: &str) {
        let output = self.command(args).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(part), "{said}");
    }

    fn serve(&self, args: &[&str]) -> Server {
        let log = File::create(self.0.path().join("log")).unwrap();
        let port = ["serve", "--listen", "127.0.0.1:0", "--log-level", "trace"];
        let mut command = self.command(&[&port, args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| Some(line.unwrap().strip_prefix("listening on http://")?.to_owned()));
        Server { child, address: address.unwrap_or_else(|| panic!("it ended: {}", self.log())) }
    }

    fn log(&self) -> String {
        fs::read_to_string(self.0.path().join("log")).unwrap()
    }
}

struct Server {
    child: Child,
    address: String,
}

impl Server {
    /// The status and the whole answer.
    fn get(&self, path: &str, token: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n");
        write!(stream, "{head}authorization: Bearer {token}\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        (answer.split(' ').nth(1).unwrap().parse().unwrap(), answer)
    }
}

/// Also of a test that failed, nothing is left running.
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn token(issuer: &str) -> Token {
    Token::new(serde_json::json!({
        "iss": issuer,
        "sub": "318838604669748249",
        "aud": AUDIENCE,
        "exp": now() + 300,
        RESOURCE_OWNER: "operators",
        ROLES: {"IAM_OWNER": {"operators": "o"}},
    }))
}

#[test]
fn a_server_takes_the_tokens_of_its_issuer_and_tells_none() {
    let runtime = Runtime::new().unwrap();
    let issuer = runtime.block_on(async { TestIssuer::start(vec![KEY.jwk()]) });
    let place = Place::new();
    let flags = ["--oidc-issuer", &issuer.url, "--oidc-audience", AUDIENCE];
    let server = place.serve(&[&flags[..], &["--oidc-instance-org", "operators"]].concat());
    let good = token(&issuer.url).signed(&KEY);
    let (status, answer) = server.get(READ, &good);
    assert_eq!(status, 200, "{answer}");
    let expired = token(&issuer.url).claim("exp", 1).signed(&KEY);
    let (status, answer) = server.get(READ, &expired);
    assert_eq!(status, 401);
    assert!(answer.contains("AUTH-7fs1e") && !answer.contains(&expired), "{answer}");
    let own = fs::read_to_string(place.0.path().join("portcullis.db.token")).unwrap();
    assert_eq!(server.get(READ, own.trim_end()).0, 200);

    let (_, numbers) = server.get("/metrics", "");
    for line in [
        "portcullis_oidc_refused_total{reason=\"expired\"} 1\n",
        "portcullis_oidc_refused_total{reason=\"signature\"} 0\n",
        "portcullis_oidc_refused_total{reason=\"issuer_away\"} 0\n",
    ] {
        assert!(numbers.contains(line), "{numbers}");
    }
    let fetched = numbers
        .lines()
        .find_map(|line| line.strip_prefix("portcullis_oidc_keys_fetched_timestamp_seconds "));
    let fetched: f64 = fetched.unwrap().parse().unwrap();
    assert!(Duration::from_secs_f64(fetched).as_secs().abs_diff(now()) < 60, "{fetched}");

    drop(server);
    let log = place.log();
    assert!(log.contains("reason=\"expired\"") && log.contains("the issuer has answered"), "{log}");
    for part in good.split('.').chain(expired.split('.')).chain([own.trim_end()]) {
        assert!(!log.contains(part), "{log}");
    }
}

#[test]
fn a_server_starts_without_its_issuer_and_says_so() {
    // Nobody listens where somebody did.
    let url = format!("http://{}", TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap());
    let place = Place::new();
    let server = place.serve(&["--oidc-issuer", &url, "--oidc-audience", AUDIENCE]);
    let (status, answer) = server.get(READ, &token(&url).signed(&KEY));
    assert_eq!(status, 503, "{answer}");
    let own = fs::read_to_string(place.0.path().join("portcullis.db.token")).unwrap();
    assert_eq!(server.get(READ, own.trim_end()).0, 200);
    drop(server);
    let log = place.log();
    assert!(log.contains("the issuer's keys cannot be fetched"), "{log}");
    assert!(log.contains("Connection refused") && log.contains(&url), "{log}");
}

#[test]
fn settings_that_do_not_go_together_are_told_before_anything_is_opened() {
    let place = Place::new();
    fs::write(place.0.path().join("text.pem"), "no certificate").unwrap();
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    fs::write(place.0.path().join("broken.pem"), broken).unwrap();
    let together = "oidc_issuer and oidc_audience go together";
    let issuer = ["--oidc-issuer", "https://login.example.com"];
    let audience = ["--oidc-audience", AUDIENCE];
    for (flags, part) in [
        (&issuer[..], together),
        (&audience, together),
        (&["--oidc-issuer", "http://login.example.com", "--oidc-audience", "a"], "https://"),
        (&["--oidc-issuer", "login", "--oidc-audience", "a"], "\"login\" is no issuer: give a URL"),
        (&["--oidc-audience="], "is empty"),
        (&["--oidc-instance-org", " acme"], "is no organization"),
        (&["--oidc-refresh", "0"], "leaves no time"),
        (&["--oidc-keys-for", "soon"], "is no time"),
    ] {
        place.fails(&[&["config"], flags].concat(), part);
        place.fails(&[&["serve", "--listen", "127.0.0.1:0"], flags].concat(), part);
    }
    for (file, part) in [
        ("none.pem", "cannot read the root certificates none.pem"),
        ("text.pem", "the root certificates text.pem are of no use: there is no certificate"),
        (
            "broken.pem",
            "the root certificates broken.pem are of no use: a certificate cannot be read",
        ),
    ] {
        let serve = ["serve", "--listen", "127.0.0.1:0", "--oidc-ca", file];
        place.fails(&[&serve[..], &issuer, &audience].concat(), part);
    }
    assert!(!place.0.path().join("portcullis.db").exists());
}
