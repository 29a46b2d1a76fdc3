//! The client that asks the issuer: short answers in JSON, within a time, and from nowhere else.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use http::{HeaderValue, Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client as HttpClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::{ClientConfig, RootCertStore};
use serde::de::DeserializeOwned;

use super::url::UrlError;

/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// The certificates that an issuer's own must go back to: those that the system trusts, and others.
#[derive(Clone, Debug, Default)]
pub struct Roots(Vec<CertificateDer<'static>>);

impl Roots {
    /// Those of the system, and those in PEM form beside them.
    ///
    /// # Errors
    ///
    /// If there is none, or one that cannot be read.
    pub fn with_pem(pem: &[u8]) -> Result<Self, RootError> {
        let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
        let certificates = certificates.map_err(|why| RootError::Unreadable(why.to_string()))?;
        if certificates.is_empty() {
            return Err(RootError::None);
        }
        let mut store = RootCertStore::empty();
        for certificate in &certificates {
            let added = store.add(certificate.clone());
            added.map_err(|why| RootError::Unreadable(why.to_string()))?;
        }
        Ok(Self(certificates))
    }
}

/// What is wrong with root certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// There is none.
    #[error("there is no certificate in PEM form")]
    None,
    /// One is none.
    #[error("a certificate cannot be read: {0}")]
    Unreadable(String),
    /// TLS cannot be spoken.
    #[error("TLS cannot be set up: {0}")]
    Tls(String),
}

/// Why an answer of the issuer's is of no use. The answer itself is not repeated.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("{0} cannot be reached: {1}")]
    Unreachable(Uri, String),
    #[error("{0} has not answered within {1:?}")]
    Slow(Uri, Duration),
    #[error("{0} answers {1}; redirects are not followed")]
    Status(Uri, StatusCode),
    #[error("the answer of {0} breaks off or is longer than {LONGEST} bytes")]
    Body(Uri),
    #[error("the answer of {0} is not what it should be: line {1}, column {2}")]
    Json(Uri, usize, usize),
    #[error("{0} speaks for another issuer; the issuer must be set as it calls itself")]
    OtherIssuer(Uri),
    #[error("{0} names an address of keys that is not safe: {1}")]
    Keys(Uri, UrlError),
}

type Https = HttpClient<HttpsConnector<HttpConnector>, Empty<Bytes>>;

pub(super) struct Client {
    https: Https,
    patience: Duration,
}

impl Client {
    pub(super) fn new(roots: Roots, patience: Duration) -> Result<Self, RootError> {
        let mut store = RootCertStore::empty();
        // A system without any may still name its issuer's own root, or ask on this machine only.
        store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        store.add_parsable_certificates(roots.0);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|why| RootError::Tls(why.to_string()))?
            .with_root_certificates(store)
            .with_no_client_auth();
        // Whether an address may go without TLS is decided where it comes from.
        let connector = HttpsConnectorBuilder::new().with_tls_config(tls).https_or_http();
        let https = HttpClient::builder(TokioExecutor::new())
            // Asked every few minutes: a kept connection would be a dead one.
            .pool_max_idle_per_host(0)
            .build(connector.enable_http1().build());
        Ok(Self { https, patience })
    }

    /// Reads what an address tells.
    pub(super) async fn get<T: DeserializeOwned>(&self, from: &Uri) -> Result<T, FetchError> {
        let answer = tokio::time::timeout(self.patience, self.body(from)).await;
        let body = answer.map_err(|_| FetchError::Slow(from.clone(), self.patience))??;
        serde_json::from_slice(&body)
            .map_err(|why| FetchError::Json(from.clone(), why.line(), why.column()))
    }

    async fn body(&self, from: &Uri) -> Result<Bytes, FetchError> {
        let unreachable = |why: &dyn Error| FetchError::Unreachable(from.clone(), causes(why));
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = from.clone();
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.https.request(request).await.map_err(|why| unreachable(&why))?;
        if response.status() != StatusCode::OK {
            return Err(FetchError::Status(from.clone(), response.status()));
        }
        let body = Limited::new(response.into_body(), LONGEST).collect().await;
        Ok(body.map_err(|_| FetchError::Body(from.clone()))?.to_bytes())
    }
}

/// An error with what is behind it: the first one alone says next to nothing.
fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}
