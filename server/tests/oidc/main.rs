//! Callers by JWT: a real issuer, the real directory, and the API's router.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::panic,
    reason = "helpers of tests may panic as tests may"
)]

mod away;
mod issuer;
mod roles;
mod server;
mod signer;
mod tokens;
mod users;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use axum::Router;
use axum::body::Body;
use http::Request;
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use portcullis::journal::SqliteJournal;
use portcullis::{Actor, DurableEngine, LockoutPolicy, ManualClock, OrgId, UserId};
use portcullis_server::api::roles::Role;
use portcullis_server::api::{Api, Settings};
use portcullis_server::directory::{JournalDirectory, UserKind};
use portcullis_server::oidc::{Issuer, OidcCallers, OidcOptions};
use portcullis_server::wire::{self, Options};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use issuer::TestIssuer;
use signer::{Signer, Token};

const READ: &str = "/management/v1/policies/lockout";
const AUDIENCE: &str = "318838604669748248";
const ROLES: &str = "urn:zitadel:iam:org:project:318838604669748248:roles";
const ROLES_OF_CLIENT: &str = "urn:zitadel:iam:org:project:roles";
const RESOURCE_OWNER: &str = "urn:zitadel:iam:user:resourceowner:id";

/// The issuer's key, where a test needs no other. RSA keys take a while to make.
static KEY: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("one"));
/// Somebody else's key.
static FOREIGN: LazyLock<Signer> = LazyLock::new(|| Signer::rsa("foreign"));

/// A server without its port. `acme` has the users `ada` and `eve`, `globex` has `hank`; `ada` owns
/// `acme` by an own token.
struct World {
    issuer: TestIssuer,
    callers: Arc<OidcCallers>,
    clock: ManualClock,
    engine: Arc<DurableEngine>,
    directory: Arc<JournalDirectory>,
    own_token: String,
    router: Router,
    numbers: PrometheusHandle,
    _recorder: metrics::LocalRecorderGuard<'static>,
    _folder: TempDir,
}

impl World {
    async fn new() -> Self {
        Self::with(TestIssuer::start(vec![KEY.jwk()]), |_| ()).await
    }

    async fn with(issuer: TestIssuer, change: impl FnOnce(&mut OidcOptions)) -> Self {
        // Of this thread alone, and so of this test.
        let recorder: &'static PrometheusRecorder =
            Box::leak(Box::new(PrometheusBuilder::new().build_recorder()));
        let guard = metrics::set_default_local_recorder(recorder);

        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("portcullis.db");
        let journal = SqliteJournal::open(&file).await.unwrap();
        let instance = "main".parse().unwrap();
        let engine = DurableEngine::open(instance, LockoutPolicy::new(3, 3), journal).await;
        let engine = Arc::new(engine.unwrap());
        let directory = JournalDirectory::open(Arc::clone(&engine), &file).await.unwrap();
        let directory = Arc::new(directory);
        let own_token = fill(&directory).await;

        let clock = ManualClock::at(SystemTime::now());
        let mut options = OidcOptions::new(issuer.url.parse().unwrap(), AUDIENCE);
        change(&mut options);
        let asked = Issuer::with_clock(options, clock.clone()).unwrap();
        let own = Arc::clone(&directory) as _;
        let callers = Arc::new(OidcCallers::new(asked, own, Arc::clone(&directory) as _));
        let (people, known) = (Arc::clone(&directory), Arc::clone(&callers));
        let api = Api::new(Arc::clone(&engine), people, known, Settings::default());
        Self {
            issuer,
            callers,
            clock,
            engine,
            directory,
            own_token,
            router: wire::router(api, Options::default()),
            numbers: recorder.handle(),
            _recorder: guard,
            _folder: folder,
        }
    }

    /// A token that is good, of `ada`, who owns `acme`.
    fn token(&self) -> Token {
        let now = now();
        Token::new(json!({
            "iss": self.issuer.url,
            "sub": "ada",
            "aud": ["client", AUDIENCE],
            "client_id": "client",
            "iat": now,
            "nbf": now,
            "exp": now + 300,
            RESOURCE_OWNER: "acme",
            ROLES: {"ORG_OWNER": {"acme": "acme.example"}},
        }))
    }

    /// A call with a token about an organization, or about the caller's own.
    async fn call(&self, token: &str, org: Option<&str>, line: &str) -> (u16, Value) {
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {token}"));
        request = request.header("content-type", "application/json");
        if let Some(org) = org {
            request = request.header("x-zitadel-orgid", org);
        }
        let body = if method == "GET" { "" } else { "{\"maxPasswordAttempts\":7}" };
        let request = request.body(Body::from(body)).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }

    /// What a reader of the own organization's policy is answered: the status, and the reason if the
    /// token was refused.
    async fn told(&self, token: &str) -> String {
        self.told_of(token, None).await
    }

    async fn told_of(&self, token: &str, org: Option<&str>) -> String {
        let before = self.refusals();
        let (status, body) = self.call(token, org, &format!("GET {READ}")).await;
        assert!(token.len() < 20 || !body.to_string().contains(token), "{body}");
        let after = self.refusals();
        let moved = after.iter().filter(|(reason, count)| before.get(*reason) != Some(*count));
        let reasons: Vec<_> = moved.map(|(reason, _)| reason.as_str()).collect();
        [vec![status.to_string().as_str()], reasons].concat().join(" ")
    }

    /// How often each reason was met.
    fn refusals(&self) -> BTreeMap<String, String> {
        let numbers = self.numbers.render();
        let refused = numbers.lines().filter_map(|line| {
            let of = line.strip_prefix("portcullis_oidc_refused_total{reason=\"")?;
            let (reason, count) = of.split_once("\"} ").unwrap();
            Some((reason.to_owned(), count.to_owned()))
        });
        refused.collect()
    }
}

async fn fill(directory: &JournalDirectory) -> String {
    let actor: Actor = "tester".parse().unwrap();
    for (in_org, id) in [("acme", "ada"), ("acme", "eve"), ("globex", "hank")] {
        directory.add_org(&actor, &org(in_org), in_org).await.unwrap();
        let kind = UserKind::Machine { name: id.to_owned(), description: String::new() };
        directory.add_user(&actor, &org(in_org), &user(id), id, kind).await.unwrap();
    }
    let (ada, acme) = (user("ada"), org("acme"));
    directory.add_member(&actor, &ada, Role::OrgOwner, Some(&acme)).await.unwrap();
    directory.add_token(&actor, &ada, None).await.unwrap().text.as_str().to_owned()
}

fn org(id: &str) -> OrgId {
    id.parse().unwrap()
}

fn user(id: &str) -> UserId {
    id.parse().unwrap()
}

/// In seconds since 1970.
fn now() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
}
