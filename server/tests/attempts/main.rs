//! The attempts API over the wire: the real router, engine and directory, on a journal in a file.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod broken;
mod equal;
mod feed;
mod flows;
mod histories;
mod ids;
mod library;
mod locks;
mod registry;
mod routes;
mod said;
mod standing;
mod storm;
mod stream;
mod trouble;
mod wires;

use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use portcullis::journal::{Journal, SqliteJournal};
use portcullis::{Actor, DurableEngine, Factor, LockoutPolicy, OrgId, UserId};
use portcullis_server::api::roles::Role;
use portcullis_server::api::{Api, Settings};
use portcullis_server::directory::{JournalDirectory, UserKind};
use portcullis_server::proto::portcullis::v1 as proto;
use portcullis_server::wire::{Options, router};
use tempfile::TempDir;

use said::{Said, factor, outcome};
use wires::{How, Refusal, Request};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server without its port.
struct Served {
    engine: Arc<DurableEngine>,
    directory: Arc<JournalDirectory>,
    api: Api,
    router: Router,
}

impl Served {
    async fn new(engine: Arc<DurableEngine>, file: &Path, settings: Settings) -> Self {
        let directory = JournalDirectory::open(Arc::clone(&engine), file).await.unwrap();
        let directory = Arc::new(directory);
        let (of, callers) = (Arc::clone(&directory), Arc::clone(&directory));
        let api = Api::new(Arc::clone(&engine), of, callers, settings);
        let router = router(api.clone(), Options::default());
        Self { engine, directory, api, router }
    }
}

/// A server with people: `acme` has `ada` and `bob`, `globex` has `hank`, and `home` two callers, `root`
/// who may do everything, and `login`, a login service for all.
struct World {
    served: Served,
    root: String,
    login: String,
    folder: TempDir,
}

impl Deref for World {
    type Target = Served;

    fn deref(&self) -> &Served {
        &self.served
    }
}

impl World {
    /// Five failures lock, and nobody is told how many there were.
    async fn new() -> Self {
        Self::with(Settings::default()).await
    }

    async fn with(settings: Settings) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let journal = SqliteJournal::open(folder.path().join("journal.db")).await.unwrap();
        Self::on(folder, journal, settings).await
    }

    /// On a journal that may stand before the one in the folder; what is there already stays.
    async fn on(folder: TempDir, journal: impl Journal, settings: Settings) -> Self {
        let main = "main".parse().unwrap();
        let engine = DurableEngine::open(main, LockoutPolicy::new(5, 5), journal).await;
        let file = folder.path().join("journal.db");
        let served = Served::new(Arc::new(engine.unwrap()), &file, settings).await;
        let (root, login) = (String::new(), String::new());
        let mut world = Self { served, root, login, folder };
        for name in ["acme", "globex", "home"] {
            world.directory.add_org(&tester(), &org(name), name).await.unwrap();
        }
        for (of, name) in [("acme", "ada"), ("acme", "bob"), ("globex", "hank")] {
            world.add(of, name).await;
        }
        world.root = world.token("root", "home", Role::IamOwner, None).await;
        world.login = world.token("login", "home", Role::IamLoginService, None).await;
        world
    }

    /// Another process on the same journal.
    async fn beside(&self) -> Served {
        let file = self.folder.path().join("journal.db");
        let journal = SqliteJournal::open(&file).await.unwrap();
        let engine = Arc::new(DurableEngine::open_existing(journal).await.unwrap());
        Served::new(engine, &file, Settings::default()).await
    }

    /// Adds a human.
    async fn add(&self, of: &str, name: &str) {
        let (org, user) = (org(of), user(name));
        self.directory.add_user(&tester(), &org, &user, name, human()).await.unwrap();
    }

    /// The token of a new machine user with a role.
    async fn token(&self, name: &str, of: &str, role: Role, on: Option<&str>) -> String {
        let (id, on) = (user(name), on.map(org));
        let directory = &self.directory;
        directory.add_machine(&tester(), (&org(of), &id), name, name, "").await.unwrap();
        directory.add_member(&tester(), &id, role, on.as_ref()).await.unwrap();
        let token = directory.add_token(&tester(), &id, None).await.unwrap();
        token.text.as_str().to_owned()
    }

    /// A call with the token of the login service.
    async fn ask<R: Request>(&self, how: How, request: R) -> Result<R::Answer, Refusal> {
        wires::call(&self.router, how, &self.login, &request).await
    }

    /// A call over REST with the token of whoever may do everything.
    async fn order<R: Request>(&self, request: R) -> Result<R::Answer, Refusal> {
        wires::call(&self.router, How::Rest, &self.root, &request).await
    }

    /// The id of an attempt at the password of `acme`'s user, which must be admitted.
    async fn begun(&self, name: &str) -> String {
        let answer = self.ask(How::Rest, begin("acme", name, "password")).await.unwrap();
        let Some(proto::begin_attempt_response::Admission::Admitted(it)) = answer.admission else {
            panic!("not admitted: {answer:?}")
        };
        it.attempt_id
    }

    async fn settle(&self, id: &str, what: &str) -> String {
        self.ask(How::Rest, settle(id, what)).await.said()
    }

    async fn record(&self, name: &str, of_factor: &str, what: &str) -> String {
        self.ask(How::Rest, record("acme", name, of_factor, what)).await.said()
    }

    /// All that decides about a user, and how much there is on record in all.
    fn state(&self, name: &str) -> String {
        let status = self.engine.status(&user(name));
        let failures = Factor::ALL.map(|factor| status.failures(factor));
        format!("{:?} {failures:?} at {}", status.lock, self.engine.health().position)
    }
}

fn begin(of: &str, name: &str, of_factor: &str) -> proto::BeginAttemptRequest {
    let (org_id, user_id) = (of.to_owned(), name.to_owned());
    proto::BeginAttemptRequest { org_id, user_id, factor: factor(of_factor).0, client: None }
}

fn settle(id: &str, what: &str) -> proto::SettleAttemptRequest {
    proto::SettleAttemptRequest { attempt_id: id.to_owned(), outcome: outcome(what) }
}

fn record(of: &str, name: &str, of_factor: &str, what: &str) -> proto::RecordAttemptRequest {
    let proto::BeginAttemptRequest { org_id, user_id, factor, client } = begin(of, name, of_factor);
    proto::RecordAttemptRequest { org_id, user_id, factor, outcome: outcome(what), client }
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

fn human() -> UserKind {
    let none = String::new;
    UserKind::Human { first_name: none(), last_name: none(), email: none() }
}

/// Tries until something holds.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let until = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < until, "{what}: not within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
