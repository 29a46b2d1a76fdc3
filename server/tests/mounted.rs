//! `examples/mounted.rs`: a login service with the API beside its own route, on one engine.

#![allow(
    missing_docs,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests may panic as tests may"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request};
use portcullis::{Actor, DurableEngine, Factor};
use portcullis_server::directory::{Directory, JournalDirectory, first_start};
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

#[path = "../../examples/mounted.rs"]
#[allow(dead_code, reason = "it is a program")]
mod mounted;

struct Service {
    app: Router,
    engine: Arc<DurableEngine>,
    directory: JournalDirectory,
    token: String,
    _folder: TempDir,
}

impl Service {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (engine, directory) = mounted::open(&folder.path().join("mounted.db")).await.unwrap();
        let token = first_start(&directory).await.unwrap().unwrap().token;
        let app = mounted::app(&engine, directory.clone()).unwrap();
        Self { app, engine, directory, token: token.as_str().to_owned(), _folder: folder }
    }

    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, HeaderMap, Value) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", self.token))
            .header("x-zitadel-orgid", "acme")
            .header("content-type", "application/json")
            .body(Body::from(body.to_string()))
            .unwrap();
        let answer = self.app.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 1 << 20).await.unwrap();
        (parts.status.as_u16(), parts.headers, serde_json::from_slice(&body).unwrap())
    }

    async fn log_in(&self, name: &str, password: &str) -> (u16, HeaderMap, Value) {
        let body = json!({ "name": name, "password": password });
        self.call(Method::POST, "/login", body).await
    }
}

const RIGHT: &str = "correct horse battery staple";

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_over_the_api_is_seen_by_the_next_login() {
    let service = Service::start().await;
    let policy = "/management/v1/policies/lockout";
    assert_eq!(service.log_in(" ADA ", RIGHT).await.0, 200);
    let limit = json!({ "maxPasswordAttempts": 1, "maxOtpAttempts": 1 });
    assert_eq!(service.call(Method::POST, policy, limit).await.0, 200);
    assert_eq!(service.log_in("ada", "wrong").await.0, 401);
    assert!(service.engine.is_locked("ada"));
    assert_eq!(service.log_in("ada", RIGHT).await.0, 401);
    assert_eq!(service.call(Method::POST, "/v2/users/ada/unlock", json!({})).await.0, 200);
    assert_eq!(service.call(Method::DELETE, policy, json!({})).await.0, 200);
    // The instance's five hold again.
    assert_eq!(service.log_in("ada", "wrong").await.0, 401);
    assert!(!service.engine.is_locked("ada"));
    let (_, _, status) =
        service.call(Method::GET, "/portcullis/v1/users/ada/lock", json!({})).await;
    assert_eq!(status["factors"][0]["failures"], 1);
    assert_eq!(service.log_in("ada", RIGHT).await.0, 200);
    service.engine.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn m14_the_own_route_lets_in_nobody_whom_an_administrator_has_locked_or_deactivated() {
    let service = Service::start().await;
    for (shut, open) in [
        ("/v2/users/ada/lock", "/v2/users/ada/unlock"),
        ("/v2/users/ada/deactivate", "/v2/users/ada/reactivate"),
    ] {
        assert_eq!(service.log_in("ada", RIGHT).await.0, 200);
        assert_eq!(service.call(Method::POST, shut, json!({})).await.0, 200);
        assert_eq!(service.log_in("ada", RIGHT).await.0, 401, "{shut}");
        assert_eq!(service.log_in("ada", "wrong").await.0, 401, "{shut}");
        assert_eq!(service.call(Method::POST, open, json!({})).await.0, 200);
    }
    let ada = "ada".parse().unwrap();
    assert_eq!(service.engine.status(&ada).failures(Factor::Password), 0);
    service.directory.remove_user(&Actor::system(), &ada).await.unwrap();
    assert_eq!(service.log_in("ada", RIGHT).await.0, 401);
    service.engine.close().await;
}

/// Not only what is answered, but also when: the quickest of some tries of each kind come at the same
/// time, though one of them checks a password and waits for the disk.
#[tokio::test(flavor = "multi_thread")]
async fn m19_a_wrong_password_a_locked_and_an_unknown_user_get_one_answer_at_one_time() {
    let service = Service::start().await;
    let mut kinds = Vec::new();
    for (kind, name, password) in [
        ("wrong", "ada", "wrong"),
        ("unknown", "bob", "wrong"),
        ("locked, wrong", "ada", "wrong"),
        ("locked, right", "ada", RIGHT),
    ] {
        if kind == "locked, wrong" {
            service.call(Method::POST, "/v2/users/ada/lock", json!({})).await;
        }
        let mut quickest = Duration::MAX;
        let mut answer = None;
        for _ in 0..3 {
            let begun = Instant::now();
            let (status, mut headers, body) = service.log_in(name, password).await;
            quickest = quickest.min(begun.elapsed());
            headers.remove("date");
            answer = Some((status, headers, body));
        }
        kinds.push((kind, answer.unwrap(), quickest));
    }
    let (_, answer, time) = &kinds[0];
    assert_eq!((answer.0, &answer.2), (401, &json!({ "answer": "denied" })));
    for (kind, its_answer, its_time) in &kinds {
        assert_eq!(its_answer, answer, "{kind}");
        let apart = its_time.abs_diff(*time);
        assert!(apart < Duration::from_millis(100), "{kind} is {apart:?} apart");
    }
    service.engine.close().await;
}
