//! The commands on a journal from outside: what is typed, what comes back, and what is in the file.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod beside;
mod check;
mod events;
mod locks;
mod policy;
mod trail;
mod usage;

use std::future::Future;
use std::path::PathBuf;

use portcullis::durable::Admission;
use portcullis::journal::SqliteJournal;
use portcullis::{DurableEngine, Factor, LockoutPolicy, OrgId, UserId, Verdict};
use serde_json::Value;
use tempfile::TempDir;

/// What a run came to.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// Each line as an object.
    fn lines(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{}", self.stderr);
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// It ends with that code, says so on stderr alone, and the message has that part.
    #[track_caller]
    fn fails(&self, code: i32, part: &str) {
        assert_eq!((self.code, self.stdout.as_str()), (code, ""), "{}", self.stderr);
        assert!(self.stderr.contains(part), "{}", self.stderr);
    }
}

/// A folder with a journal in it, or the place of one.
struct Place {
    folder: TempDir,
}

impl Place {
    /// Without a journal.
    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// With the journal of an instance whose policy has these limits.
    fn new(password: u32, otp: u32) -> Self {
        let place = Self::empty();
        let (password, otp) = (password.to_string(), otp.to_string());
        let limits = ["--max-password-attempts", &password, "--max-otp-attempts", &otp];
        let made = place.run(&[&["policy", "set", "--create"], &limits[..]].concat());
        assert_eq!(made.code, 0, "{}", made.stderr);
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    /// Runs `portcullis` in the folder: the journal is found by its default name.
    fn run(&self, args: &[&str]) -> Run {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("portcullis");
        let output = command.current_dir(self.folder.path()).args(args).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--output", "json"]].concat()).json()
    }

    /// The types of the events in the trail, with whose they are.
    fn trail(&self) -> Vec<(String, String)> {
        let events = self.run(&["events", "--output", "json"]).lines();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        events.iter().map(|event| (text(&event["type"]), text(&event["id"]))).collect()
    }

    /// An engine of this process on the journal.
    async fn engine(&self) -> DurableEngine {
        let journal = SqliteJournal::open(self.file()).await.unwrap();
        DurableEngine::open_existing(journal).await.unwrap()
    }

    /// A journal whose organization has users who failed so often.
    fn with_failures(limit: u32, users: &[(&str, u32)]) -> Self {
        let place = Self::new(limit, limit);
        wait(async {
            let engine = place.engine().await;
            for (user, failures) in users {
                for _ in 0..*failures {
                    fail(&engine, "acme", user).await;
                }
            }
            engine.close().await;
        });
        place
    }
}

/// A check of the user's password that fails.
async fn fail(engine: &DurableEngine, org: &str, user: &str) -> Option<Verdict> {
    let (org, user): (OrgId, UserId) = (org.parse().unwrap(), user.parse().unwrap());
    match engine.begin(&org, &user, Factor::Password) {
        Admission::Admitted(attempt) => Some(attempt.fail().await.unwrap()),
        _ => None,
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn limits(password: u32, otp: u32) -> LockoutPolicy {
    LockoutPolicy::new(password, otp)
}
