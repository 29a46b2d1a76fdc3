//! A real issuer on a port of this machine, which can also do what an issuer should not.

use std::future::pending;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum_server::tls_rustls::RustlsConfig;
use http::StatusCode;
use http::header::LOCATION;
use serde_json::{Value, json};

/// How an issuer answers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Mode {
    Well,
    /// With this status.
    Fails(StatusCode),
    /// With a redirect to the right place, and the keys beside it.
    Redirects,
    /// Rightly, after a while.
    Slow(Duration),
    /// Not at all: it takes the request and is quiet.
    Silent,
    /// Rightly, but at great length.
    Bloated,
    /// With something that is no JSON.
    Garbled,
}

/// What an issuer says, which a test may change at any time.
pub(crate) struct Says {
    pub(crate) issuer: String,
    pub(crate) jwks_uri: String,
    pub(crate) keys: Vec<Value>,
    pub(crate) mode: Mode,
    /// How often it was asked for its keys.
    pub(crate) asked: usize,
}

pub(crate) struct TestIssuer {
    pub(crate) url: String,
    says: Arc<Mutex<Says>>,
}

impl TestIssuer {
    /// An issuer in clear text. It ends with the runtime.
    pub(crate) fn start(keys: Vec<Value>) -> Self {
        let socket = socket();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let (issuer, app) = Self::new(url, keys);
        let server = axum_server::from_tcp(socket).unwrap();
        tokio::spawn(server.serve(app.into_make_service()));
        issuer
    }

    /// The same in TLS, with this certificate for `localhost`.
    pub(crate) async fn start_tls(keys: Vec<Value>, cert: String, key: String) -> Self {
        let socket = socket();
        let url = format!("https://localhost:{}", socket.local_addr().unwrap().port());
        let (issuer, app) = Self::new(url, keys);
        let tls = RustlsConfig::from_pem(cert.into_bytes(), key.into_bytes()).await.unwrap();
        let server = axum_server::from_tcp_rustls(socket, tls).unwrap();
        tokio::spawn(server.serve(app.into_make_service()));
        issuer
    }

    fn new(url: String, keys: Vec<Value>) -> (Self, Router) {
        let jwks_uri = format!("{url}/keys");
        let says = Says { issuer: url.clone(), jwks_uri, keys, mode: Mode::Well, asked: 0 };
        let says = Arc::new(Mutex::new(says));
        let app = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys_of))
            .route("/elsewhere", get(keys_of))
            .with_state(Arc::clone(&says));
        (Self { url, says }, app)
    }

    pub(crate) fn says(&self) -> MutexGuard<'_, Says> {
        self.says.lock().unwrap()
    }
}

fn socket() -> TcpListener {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.set_nonblocking(true).unwrap();
    socket
}

async fn discovery(State(says): State<Arc<Mutex<Says>>>) -> Response {
    let (document, mode) = {
        let says = says.lock().unwrap();
        let document = json!({
            "issuer": says.issuer,
            "jwks_uri": says.jwks_uri,
            "authorization_endpoint": format!("{}/authorize", says.issuer),
            "response_types_supported": ["code"],
        });
        (document, says.mode.clone())
    };
    match mode {
        Mode::Silent => pending().await,
        Mode::Slow(time) => {
            tokio::time::sleep(time).await;
            axum::Json(document).into_response()
        }
        Mode::Fails(status) => status.into_response(),
        _ => axum::Json(document).into_response(),
    }
}

async fn keys_of(State(says): State<Arc<Mutex<Says>>>, uri: http::Uri) -> Response {
    let (keys, mode) = {
        let mut says = says.lock().unwrap();
        says.asked += 1;
        (json!({"keys": says.keys}), says.mode.clone())
    };
    match mode {
        Mode::Redirects if uri.path() == "/keys" => {
            (StatusCode::FOUND, [(LOCATION, "/elsewhere")], axum::Json(keys)).into_response()
        }
        Mode::Bloated => (keys.to_string() + &" ".repeat(1 << 20)).into_response(),
        Mode::Garbled => "<html>".into_response(),
        _ => axum::Json(keys).into_response(),
    }
}
