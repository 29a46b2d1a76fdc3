//! How calls come in. One port takes them all, and one table, `wire::calls`, serves them all; the
//! transports differ only in framing:
//!
//! ```text
//!   gRPC       length-prefixed protobuf          \
//!   gRPC-web   the same, trailers in the body     >  protobuf ──► run ──► protobuf
//!   Connect    protobuf or JSON                  /
//!   REST       JSON, query and path             /
//! ```
//!
//! gRPC and gRPC-web are told by their content type, Connect by its path (`/package.Service/Method`),
//! and everything else is REST, which answers for unknown paths as well.

mod body;
mod buffer;
mod call;
mod calls;
mod connect;
mod error;
mod grpc;
mod guard;
mod headers;
mod json;
mod openapi;
mod rest;
#[cfg(test)]
mod tests;
mod transport;
mod visit;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use futures_util::FutureExt;
use http::{Extensions, HeaderMap, Method, Request, header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower::{Layer, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;

use crate::api::error::{ApiError, Code};
use crate::api::rates::Rates;
use crate::api::{Api, Meta};
use crate::limits::Limit;
use call::{Call, Messages, Route, Run};
use guard::Guard;
pub(crate) use transport::Transport;
pub use visit::ClientAddress;
use visit::Visit;

/// Where the calls are described for programs.
const DOCUMENT: &str = "/openapi.json";

/// What every transport holds to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// The longest message that is read, in bytes.
    pub max_body: usize,
    /// The most bytes of all requests together that are not sent to their end yet; beyond it the request
    /// that takes longest is refused.
    pub max_buffered: usize,
    /// How many calls may run at the same time; more are refused at once.
    pub max_requests: usize,
    /// Requests a second from one address that are no known caller's; 0 for any number. Without a
    /// [`ClientAddress`] there is no such limit.
    pub rate_per_address: u32,
    /// Requests a second of one caller; 0 for any number.
    pub rate_per_caller: u32,
    /// The longest time that a caller waits; a caller may ask for less.
    pub timeout: Duration,
}

impl Options {
    /// What holds if nothing else is said.
    pub const DEFAULT: Self = Self {
        max_body: 1 << 20,
        max_buffered: 64 << 20,
        max_requests: 4096,
        rate_per_address: 1000,
        rate_per_caller: 100_000,
        timeout: Duration::from_secs(30),
    };
}

impl Default for Options {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// The API on every transport, as a router that others can be merged into: it takes whatever path no
/// other route takes.
pub fn router(api: Api, options: Options) -> Router {
    router_of(api, options, calls::CALLS)
}

fn router_of(api: Api, options: Options, calls: &'static [Call]) -> Router {
    Router::new().fallback(enter).with_state(Arc::new(Wire::new(api, options, calls)))
}

/// The way of every request: who comes too often is sent away, the others are held to the limits. Plain
/// functions and no layers, each of which would cost as much as a small call does.
async fn enter(State(wire): State<Arc<Wire>>, mut request: Request<Body>) -> Response {
    let _counted = match visit::count(&wire, &mut request) {
        Ok(counted) => counted,
        Err(refusal) => return refusal,
    };
    let inner = Arc::clone(&wire);
    wire.guard.hold(request, |request| answer(inner, request)).await
}

async fn answer(wire: Arc<Wire>, request: Request<Body>) -> Response {
    let headers = request.headers();
    // What only browsers ask for costs the others as much as their call does. The layer would take any
    // OPTIONS for a browser's.
    let is_plain_options = request.method() == Method::OPTIONS
        && !headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if is_plain_options {
        rest::options(&wire, &request)
    } else if headers.contains_key(header::ORIGIN) {
        let inner =
            service_fn(|request| dispatch(Arc::clone(&wire), request).map(Ok::<_, Infallible>));
        match wire.cors.layer(inner).oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    } else {
        dispatch(wire, request).await
    };
    headers::forbid_keeping(&mut response);
    response
}

/// The name of the call that a request makes, of a fixed set of names: its path in gRPC, or the pattern
/// of its path in REST. For whoever counts requests, which must not go by what clients make up.
#[must_use]
pub fn route_name(verb: &Method, path: &str) -> Option<&'static str> {
    let of_rpc = calls::CALLS.iter().find(|call| call.rpc == path).map(|call| call.rpc);
    let is_of = |call: &&Call| call.verb == verb && rest::is_of(call, path);
    of_rpc.or_else(|| calls::CALLS.iter().find(is_of).map(|call| call.path))
}

/// Chooses the transport of a request.
async fn dispatch(wire: Arc<Wire>, request: Request<Body>) -> Response {
    let content_type = headers::content_type(request.headers());
    if request.method() == Method::POST {
        if content_type.starts_with("application/grpc-web") {
            return grpc::web(wire, request).boxed().await;
        }
        if content_type.starts_with("application/grpc") {
            return grpc::serve(wire, request).boxed().await;
        }
    }
    let path = request.uri().path();
    if path == DOCUMENT {
        return rest::document(&wire, request.method());
    }
    match wire.rpc(path) {
        Some(route) => connect::serve(&wire, route, request).boxed().await,
        None => rest::serve(&wire, request).await,
    }
}

/// What the transports share.
#[derive(Debug)]
struct Wire {
    api: Arc<Api>,
    options: Options,
    guard: Guard,
    cors: CorsLayer,
    /// Made once: it changes with the program only.
    document: Bytes,
    /// A place for each call that may run.
    places: Arc<Semaphore>,
    routes: Vec<Route>,
    /// Where a gRPC path is among the routes.
    rpcs: HashMap<&'static str, usize>,
    /// The services that tell which services there are.
    reflection: Router,
}

impl Wire {
    fn new(api: Api, options: Options, calls: &'static [Call]) -> Self {
        let routes: Vec<_> = calls.iter().filter_map(Route::new).collect();
        let rpcs = routes.iter().enumerate().map(|(at, route)| (route.call.rpc, at)).collect();
        let rates = Rates::new(options.rate_per_address, options.rate_per_caller);
        let api = Arc::new(api.limited(rates));
        let places = options.max_requests.min(Semaphore::MAX_PERMITS);
        let places = Arc::new(Semaphore::new(places));
        Self {
            api,
            guard: Guard::new(&options),
            options,
            cors: headers::cors(),
            document: openapi::document(calls).to_string().into(),
            places,
            routes,
            rpcs,
            reflection: grpc::reflection(),
        }
    }

    /// The call of a gRPC path.
    fn rpc(&self, path: &str) -> Option<&Route> {
        self.routes.get(*self.rpcs.get(path)?)
    }

    /// Makes a call. Most are done at once, here; one that has to wait becomes a task of its own and runs
    /// to its end even if its caller leaves or has waited long enough, for nobody may cut a change in two.
    async fn run(
        &self,
        call: &'static Call,
        headers: &HeaderMap,
        extensions: &Extensions,
        request: Bytes,
    ) -> Result<Bytes, ApiError> {
        let Run::Unary(function) = call.run else { return Err(streams(call)) };
        let meta = meta(headers, extensions);
        let place = self.place().inspect_err(|_| meta.is_excused.store(true, Ordering::Relaxed))?;
        let running = function(Arc::clone(&self.api), meta, request);
        let mut running = AssertUnwindSafe(running).catch_unwind();
        // Whoever makes call after call without ever waiting lets others run now and then.
        tokio::task::consume_budget().await;
        let at_once = poll_fn(|context| Poll::Ready(running.poll_unpin(context))).await;
        let timeout = headers::timeout(headers).unwrap_or(Duration::MAX).min(self.options.timeout);
        let answer = match at_once {
            Poll::Ready(answer) => Ok(Ok(answer)),
            Poll::Pending => {
                let running = async move {
                    let _place = place;
                    running.await
                };
                tokio::time::timeout(timeout, tokio::spawn(running)).await
            }
        };
        match answer {
            Ok(Ok(Ok(answer))) => answer,
            // It has panicked, or the runtime ends.
            Ok(Ok(Err(_)) | Err(_)) => {
                Err(ApiError::plain(Code::Internal, "An internal error occurred"))
            }
            Err(_elapsed) => Err(ApiError::plain(Code::DeadlineExceeded, "deadline exceeded")),
        }
    }

    /// A place for a call to run in. Those who find none are not kept waiting: a queue would only be
    /// longer the slower the server is.
    fn place(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        Arc::clone(&self.places).try_acquire_owned().map_err(|_| {
            Limit::Requests.refused();
            ApiError::plain(Code::Unavailable, "the server is busy, try again later")
        })
    }

    /// Makes a call that answers with many messages, for as long as its caller listens.
    async fn stream(
        &self,
        call: &'static Call,
        headers: &HeaderMap,
        extensions: &Extensions,
        request: Bytes,
    ) -> Result<Messages, ApiError> {
        let Run::Stream(function) = call.run else { return Err(streams(call)) };
        let timeout = headers::timeout(headers).unwrap_or(Duration::MAX).min(self.options.timeout);
        let meta = meta(headers, extensions);
        let begun = tokio::time::timeout(timeout, function(&self.api, &meta, request)).await;
        begun.unwrap_or_else(|_| Err(ApiError::plain(Code::DeadlineExceeded, "deadline exceeded")))
    }

    /// Reads a request's body.
    async fn body(&self, body: Body) -> Result<Bytes, Oversized> {
        axum::body::to_bytes(body, self.options.max_body).await.map_err(|_| Oversized)
    }
}

/// The body is longer than is read, or ended too early.
#[derive(Debug)]
struct Oversized;

impl From<Oversized> for ApiError {
    fn from(_: Oversized) -> Self {
        Self::plain(Code::ResourceExhausted, "the request's body is too long")
    }
}

/// A call came by a transport that has not its form.
fn streams(call: &Call) -> ApiError {
    let text = match call.run {
        Run::Stream(_) => "this call answers with a stream: use gRPC, gRPC-web or its path",
        Run::Unary(_) => "this call answers with one message",
    };
    ApiError::plain(Code::Unimplemented, text)
}

fn meta(headers: &HeaderMap, extensions: &Extensions) -> Meta {
    let Visit { client, is_excused } = extensions.get().cloned().unwrap_or_default();
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    Meta {
        authorization: headers.get_all(header::AUTHORIZATION).iter().map(text).collect(),
        org: headers.get("x-zitadel-orgid").map(text).filter(|org| !org.is_empty()),
        user_agent: headers.get(header::USER_AGENT).map(text),
        last_event_id: headers.get("last-event-id").map(text),
        client,
        is_excused,
    }
}
