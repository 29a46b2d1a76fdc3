//! `portcullis serve` and `portcullis config` from outside: the real command, its port, its signals.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod calls;
mod catalogue;
mod client;
mod config;
mod documented;
mod followed;
mod health;
mod hidden;
mod killed;
mod limits;
mod load;
mod logs;
mod shutdown;
mod start;
mod tls;

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder for a journal and what is beside it.
struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, content: &str) {
        fs::write(self.file(name), content).unwrap();
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

    /// Runs the command to its end.
    fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, &[])
    }

    /// The same, with these environment variables.
    fn run_with(&self, args: &[&str], variables: &[(&str, &str)]) -> Run {
        let output = self.command(args).envs(variables.iter().copied()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    /// Starts a server on a free port, and waits until it listens.
    fn serve(&self, args: &[&str]) -> Server<'_> {
        let port = ["serve", "--listen", "127.0.0.1:0"];
        let log = File::create(self.file("log")).unwrap();
        let mut command = self.command(&[&port, args].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut said = String::new();
        let url = loop {
            let begun = said.len();
            let read = stdout.read_line(&mut said).unwrap();
            assert_ne!(read, 0, "it ended: {}", fs::read_to_string(self.file("log")).unwrap());
            if let Some(url) = said[begun..].trim_end().strip_prefix("listening on ") {
                break url.to_owned();
            }
        };
        let (_, address) = url.split_once("://").unwrap();
        let address = address.parse().unwrap();
        Server { place: self, child, said, stdout, url, address }
    }
}

/// What a run came to.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    /// It ends with that code, says so on stderr alone, and the message has that part.
    #[track_caller]
    fn fails(&self, code: i32, part: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{}", self.stderr);
        assert!(self.stderr.contains(part), "{}", self.stderr);
    }
}

/// A server that listens.
struct Server<'p> {
    place: &'p Place,
    child: Child,
    /// What it said on stdout until it listened.
    said: String,
    stdout: BufReader<ChildStdout>,
    url: String,
    address: SocketAddr,
}

impl Server<'_> {
    fn log(&self) -> String {
        fs::read_to_string(self.place.file("log")).unwrap()
    }

    fn token(&self) -> String {
        fs::read_to_string(self.place.file("portcullis.db.token")).unwrap().trim_end().to_owned()
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Waits for its end; gives the exit code and what it said on stdout after it listened.
    fn ended(&mut self) -> (Option<i32>, String) {
        let until = Instant::now() + PATIENCE;
        let code = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status.code();
            }
            assert!(Instant::now() < until, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(5));
        };
        let mut rest = String::new();
        while self.stdout.read_line(&mut rest).unwrap() > 0 {}
        (code, rest)
    }

    /// Ends it as an operator would.
    fn stop(&mut self) {
        self.signal(Signal::TERM);
        assert_eq!(self.ended(), (Some(0), String::new()), "{}", self.log());
    }
}

/// Also of a test that failed, nothing is left running.
impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Tries until something holds.
#[track_caller]
fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
