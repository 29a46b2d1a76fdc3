//! The server under attack, and the client that must not notice.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::PATIENCE;

pub(crate) const READ: &str = "/management/v1/policies/lockout";
pub(crate) const WRITE: &str = "/admin/v1/policies/password/lockout";

/// A server that listens, on a journal of its own.
pub(crate) struct Server {
    place: TempDir,
    child: Child,
    pub(crate) address: SocketAddr,
    pub(crate) token: String,
    /// The policy that is set next: each is another one.
    changes: AtomicU32,
}

impl Server {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let program = assert_cmd::cargo::cargo_bin!("portcullis").to_str().unwrap();
        Self::start_by(&[&[program], flags].concat(), 0)
    }

    /// The same, in a system that permits so many open files.
    pub(crate) fn start_with_files(files: usize, flags: &[&str]) -> Self {
        let program = assert_cmd::cargo::cargo_bin!("portcullis").to_str().unwrap();
        let script = format!("ulimit -n {files}; exec \"$@\"");
        Self::start_by(&[&["sh", "-c", &script, "sh", program], flags].concat(), 4)
    }

    /// `flags` are put behind the first `before` + 1 words.
    fn start_by(words: &[&str], before: usize) -> Self {
        let place = tempfile::tempdir().unwrap();
        let log = File::create(place.path().join("log")).unwrap();
        let (program, flags) = words.split_at(before + 1);
        let mut command = Command::new(program[0]);
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("PORTCULLIS_") {
                command.env_remove(name);
            }
        }
        let port = ["serve", "--listen", "127.0.0.1:0", "--log-level", "warn"];
        command.current_dir(place.path()).args(&program[1..]).args(port).args(flags);
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let url = loop {
            let Some(line) = lines.next() else {
                panic!("it ended: {}", fs::read_to_string(place.path().join("log")).unwrap());
            };
            if let Some(url) = line.unwrap().strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        let address = url.split_once("://").unwrap().1.parse().unwrap();
        let token = fs::read_to_string(place.path().join("portcullis.db.token")).unwrap();
        let token = format!("Bearer {}", token.trim_end());
        Self { place, child, address, token, changes: AtomicU32::new(1000) }
    }

    pub(crate) fn file(&self, name: &str) -> std::path::PathBuf {
        self.place.path().join(name)
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// A connection on which that has been sent.
    pub(crate) fn begin(&self, text: impl AsRef<[u8]>) -> TcpStream {
        let mut stream = self.connect();
        stream.write_all(text.as_ref()).unwrap();
        stream
    }

    /// The only answer on a connection of its own.
    pub(crate) fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let length = body.len().to_string();
        let headers = [headers, &[("content-length", &length)]].concat();
        Answer::of(self.begin(head(method, path, &headers) + "\r\n" + body))
    }

    /// What the client does that must not notice: it changes the policy and reads it.
    #[track_caller]
    pub(crate) fn serves(&self) {
        let begun = Instant::now();
        let number = self.changes.fetch_add(1, Ordering::Relaxed);
        let token = [("authorization", self.token.as_str())];
        let body = format!("{{\"maxPasswordAttempts\":{number},\"maxOtpAttempts\":1}}");
        let answer = self.send("PUT", WRITE, &token, &body);
        assert_eq!(answer.status, 200, "{answer:?}");
        let answer = self.send("GET", READ, &token, "");
        assert_eq!(answer.status, 200, "{answer:?}");
        let told = format!("\"maxPasswordAttempts\":\"{number}\"");
        assert!(answer.body.contains(&told), "{answer:?}");
        let time = begun.elapsed();
        assert!(time < Duration::from_secs(5), "two requests took {time:?}");
    }

    /// A number of the metrics, with its labels.
    pub(crate) fn number(&self, name: &str) -> u64 {
        let text = self.send("GET", "/metrics", &[], "").body;
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    pub(crate) fn refused(&self, limit: &str) -> u64 {
        self.number(&format!("portcullis_refused_total{{limit=\"{limit}\"}}"))
    }

    pub(crate) fn ended(&self, why: &str) -> u64 {
        self.number(&format!("portcullis_connections_ended_total{{why=\"{why}\"}}"))
    }

    /// A line of what the system tells of the process.
    pub(crate) fn status(&self, name: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        line.unwrap().split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The most memory that it has had, in KiB, is within a bound.
    #[track_caller]
    pub(crate) fn had_at_most(&self, bound: u64) {
        let most = self.status("VmHWM");
        assert!(most <= bound, "{most} KiB, which is more than {bound}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if !std::thread::panicking() {
            let log = fs::read_to_string(self.file("log")).unwrap();
            assert!(!log.contains("panic"), "{log}");
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Answer {
    /// Reads a connection to its end, which has one answer on it.
    pub(crate) fn of(mut from: impl Read) -> Self {
        let text = to_end(&mut from);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{text:?}"));
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

/// What is read until the server ends the connection. One that is left open is an error.
pub(crate) fn to_end(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    match from.read_to_end(&mut bytes) {
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
            panic!("it is still open after {}", String::from_utf8_lossy(&bytes))
        }
        // It may be reset, since what was sent was not read.
        _ => String::from_utf8_lossy(&bytes).into_owned(),
    }
}

/// The head of the only request on a connection, without the blank line behind it.
pub(crate) fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> String {
    let headers = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let headers: String = headers.collect();
    format!("{method} {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n{headers}")
}
