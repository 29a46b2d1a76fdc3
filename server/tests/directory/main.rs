//! The directory in the journal: the projection, its callers, and the commands that fill it. With
//! `PORTCULLIS_TESTS_ON=postgres` all of it in PostgreSQL, else in files.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

#[path = "../../../tests/common/postgres.rs"]
mod postgres;

mod import;
mod model;
mod place;
mod queries;
mod rebuild;
mod tokens;
mod writes;

use std::future::Future;

use portcullis::{Actor, OrgId, UserId};
use portcullis_server::directory::{JournalDirectory, User, UserFilter, UserKind, UserQuery};
use serde_json::Value;

use place::Place;

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
