//! Every request: its id, its line in the log, its part in the metrics. What a client chooses (paths,
//! names of users, headers) is in none of them but for the id, which is checked.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method};
use axum::middleware::Next;
use axum::response::Response;

use super::metrics;
use crate::wire::{Transport, route_name};

const ID: HeaderName = HeaderName::from_static("x-request-id");

/// Watches a request from its head to the head of its answer.
pub(super) async fn observe(mut request: Request, next: Next) -> Response {
    let id = id(request.headers());
    request.headers_mut().insert(ID, id.clone());
    metrics::request_begins();
    let mut watched = Watched {
        id,
        method: method(request.method()),
        transport: Transport::of(&request),
        path: request.extensions().get().cloned(),
        route: route_name(request.method(), request.uri().path()),
        status: None,
        grpc_status: None,
        begun: Instant::now(),
    };
    let mut response = next.run(request).await;
    response.headers_mut().insert(ID, watched.id.clone());
    watched.answered(&response);
    response
}

/// A request that is being watched; the end of it is reported when it is dropped, so that one whose
/// client went away is reported too.
struct Watched {
    id: HeaderValue,
    method: &'static str,
    transport: Transport,
    path: Option<MatchedPath>,
    route: Option<&'static str>,
    status: Option<u16>,
    grpc_status: Option<u16>,
    begun: Instant,
}

impl Watched {
    fn answered(&mut self, response: &Response) {
        self.status = Some(response.status().as_u16());
        if matches!(self.transport, Transport::Grpc | Transport::GrpcWeb) {
            // An answer that is no error has its status, 0, after its message.
            let status = response.headers().get("grpc-status");
            let status = status.and_then(|status| status.to_str().ok()?.parse().ok());
            self.grpc_status = Some(status.unwrap_or(0));
        }
    }

    fn route(&self) -> &str {
        match (self.route, &self.path) {
            (Some(name), _) => name,
            (None, Some(path)) => path.as_str(),
            (None, None) => "other",
        }
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let taken = self.begun.elapsed();
        metrics::request(&metrics::Request {
            method: self.method,
            route: self.route(),
            transport: self.transport.name(),
            status: self.status,
            grpc_status: self.grpc_status,
            taken,
        });
        tracing::info!(
            id = self.id.to_str().unwrap_or_default(),
            method = self.method,
            route = self.route(),
            transport = self.transport.name(),
            status = self.status,
            grpc_status = self.grpc_status,
            millis = taken.as_secs_f64() * 1e3,
            "{}",
            if self.status.is_some() { "request" } else { "request whose client went away" }
        );
    }
}

/// The methods that there are: a client may make up any other.
fn method(method: &Method) -> &'static str {
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    known.into_iter().find(|known| method == known).unwrap_or("other")
}

/// The client's id for the request, if it is of use in a log, or a new one.
fn id(headers: &HeaderMap) -> HeaderValue {
    const LONGEST: usize = 128;
    let is_valid = |id: &&HeaderValue| {
        (1..=LONGEST).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
    };
    headers.get(ID).filter(is_valid).cloned().unwrap_or_else(new_id)
}

/// An id that no other request of this process has, nor, but for chance, one of another.
fn new_id() -> HeaderValue {
    static PROCESS: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let id = format!("{:016x}-{}", *PROCESS, NEXT.fetch_add(1, Ordering::Relaxed));
    HeaderValue::try_from(id).unwrap_or(HeaderValue::from_static("none"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_taken_if_it_is_short_and_visible() {
        let taken = |id: &[u8]| {
            let value = HeaderValue::from_bytes(id).unwrap();
            super::id(&HeaderMap::from_iter([(ID, value.clone())])) == value
        };
        assert!(taken(b"a") && taken(b"~!{}") && taken(&[b'x'; 128]));
        assert!(!taken(b"") && !taken(b"a b") && !taken(b"\xc3\xbc") && !taken(&[b'x'; 129]));
        assert_ne!(new_id(), new_id());
    }

    #[test]
    fn made_up_methods_have_one_name() {
        assert_eq!(method(&Method::PUT), "PUT");
        assert_eq!(method(&Method::from_bytes(b"BREW").unwrap()), "other");
    }
}
