//! The directory in the journal: the projection, its callers, and the commands that fill it.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod import;
mod model;
mod queries;
mod rebuild;
mod tokens;
mod writes;

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;

use portcullis::journal::SqliteJournal;
use portcullis::{Actor, Clock, DurableEngine, InstanceId, LockoutPolicy, OrgId, UserId};
use portcullis_server::directory::{JournalDirectory, User, UserFilter, UserKind, UserQuery};
use serde_json::Value;
use tempfile::TempDir;

/// What a run came to.
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Run {
    #[track_caller]
    fn json(&self) -> Value {
        assert_eq!(self.code, 0, "{}", self.stderr);
        serde_json::from_str(&self.stdout).unwrap()
    }

    /// It ends with that code, and says so on stderr with that part.
    #[track_caller]
    fn fails(&self, code: i32, part: &str) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        assert!(self.stderr.contains(part), "{}", self.stderr);
    }
}

/// A folder with a journal in it.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        wait(async { place.engine().await.close().await });
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("portcullis.db")
    }

    async fn engine(&self) -> Arc<DurableEngine> {
        let journal = SqliteJournal::open(self.file()).await.unwrap();
        let instance: InstanceId = "main".parse().unwrap();
        let policy = LockoutPolicy::new(3, 3);
        Arc::new(DurableEngine::open(instance, policy, journal).await.unwrap())
    }

    async fn directory(&self) -> JournalDirectory {
        JournalDirectory::open(self.engine().await, &self.file()).await.unwrap()
    }

    async fn directory_at(&self, clock: impl Clock + 'static) -> JournalDirectory {
        let engine = self.engine().await;
        JournalDirectory::open_with_clock(engine, &self.file(), clock).await.unwrap()
    }

    /// The tables, as another program sees them.
    fn tables(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.file()).unwrap()
    }

    fn run(&self, args: &[&str]) -> Run {
        self.run_with(args, "")
    }

    /// Runs `portcullis` in the folder with that input.
    fn run_with(&self, args: &[&str], input: &str) -> Run {
        let mut command = assert_cmd::cargo::cargo_bin_cmd!("portcullis");
        let command = command.current_dir(self.folder.path()).args(args).write_stdin(input);
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Run {
            code: output.status.code().unwrap(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }

    #[track_caller]
    fn json(&self, args: &[&str]) -> Value {
        self.run(&[args, &["--output", "json"]].concat()).json()
    }

    /// The types of the events, in order.
    fn types(&self) -> Vec<String> {
        let events = self.run(&["events", "--output", "json"]);
        let event = |line| serde_json::from_str::<Value>(line).unwrap();
        let of = |line| event(line)["type"].as_str().unwrap().to_owned();
        events.stdout.lines().map(of).collect()
    }
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}

fn org(id: &str) -> OrgId {
    id.parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

fn tester() -> Actor {
    "tester".parse().unwrap()
}

fn machine(name: &str) -> UserKind {
    UserKind::Machine { name: String::from(name), description: String::new() }
}

/// Adds an organization and machine users with user names like their ids.
async fn fill(directory: &JournalDirectory, of: &str, users: &[&str]) {
    directory.add_org(&tester(), &org(of), of).await.unwrap();
    for id in users {
        directory.add_user(&tester(), &org(of), &user(id), id, machine(id)).await.unwrap();
    }
}

fn query(filter: UserFilter) -> UserQuery {
    UserQuery { orgs: None, filter, offset: 0, limit: 0, ascending: true, by_user_name: false }
}

fn ids(users: &[User]) -> Vec<&str> {
    users.iter().map(|user| user.id.as_str()).collect()
}
