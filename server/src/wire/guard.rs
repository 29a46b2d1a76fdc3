//! What no request may do: take for ever, send without end, or take the server down with it.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use futures_util::FutureExt;
use http::{Request, StatusCode};
use http_body::Body as _;
use tokio::sync::oneshot;

use super::body::{Limited, Reading};
use super::buffer::Buffer;
use super::{Options, Transport, error};
use crate::api::error::{ApiError, Code};
use crate::limits::Limit;

/// The limits of a request.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    time: Duration,
    body: u64,
    buffer: Arc<Buffer>,
}

impl Guard {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            time: options.timeout,
            body: u64::try_from(options.max_body).unwrap_or(u64::MAX),
            buffer: Arc::new(Buffer::new(options.max_buffered)),
        }
    }

    /// Has the body of a request held to the limits. `None` if there is no room for it.
    fn limit(
        &self,
        request: Request<Body>,
    ) -> Option<(Request<Body>, Arc<Reading>, oneshot::Receiver<()>)> {
        let (share, stopped) = self.buffer.admit(head(&request))?;
        let reading = Arc::new(Reading { share, is_too_large: AtomicBool::new(false) });
        let body = |inner| Limited { inner, left: self.body, reading: Arc::clone(&reading) };
        Some((request.map(|inner| Body::new(body(inner))), reading, stopped))
    }
}

impl Guard {
    /// Holds a request to the limits, until there is the head of its answer; its panic becomes an answer.
    pub(super) async fn hold<F: Future<Output = Response>>(
        &self,
        request: Request<Body>,
        next: impl FnOnce(Request<Body>) -> F,
    ) -> Response {
        let transport = Transport::of(&request);
        // What says its size need not be read to be refused.
        if request.body().size_hint().lower() > self.body {
            return too_large(transport);
        }
        let (request, reading, stopped) = if request.body().is_end_stream() {
            (request, None, None)
        } else {
            let Some((request, reading, stopped)) = self.limit(request) else {
                return no_room(transport);
            };
            (request, Some(reading), Some(stopped))
        };
        // A handler shares nothing with others but the engine, which is sound after any panic.
        let answer = AssertUnwindSafe(next(request)).catch_unwind();
        let answer = tokio::select! {
            biased;
            () = told(stopped) => return no_room(transport),
            answer = tokio::time::timeout(self.time, answer) => answer,
        };
        let is_too_large = |reading: &Arc<Reading>| reading.is_too_large.load(Ordering::Relaxed);
        match answer {
            Ok(Ok(_)) if reading.as_ref().is_some_and(is_too_large) => too_large(transport),
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => {
                let error = ApiError::plain(Code::Internal, "the server failed on this request");
                error::of(transport, &error)
            }
            Err(_) => {
                Limit::Time.refused();
                let error = ApiError::plain(Code::DeadlineExceeded, "the request took too long");
                error::of(transport, &error)
            }
        }
    }
}

/// Waits until a request has to go; one that never has to waits for ever.
async fn told(stopped: Option<oneshot::Receiver<()>>) {
    if let Some(stopped) = stopped
        && stopped.await.is_ok()
    {
        return;
    }
    std::future::pending::<()>().await;
}

fn too_large(transport: Transport) -> Response {
    Limit::Body.refused();
    let text = "the body of the request is too large";
    let mut response = error::of(transport, &ApiError::plain(Code::ResourceExhausted, text));
    if matches!(transport, Transport::Rest | Transport::Connect) {
        *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
    }
    response
}

fn no_room(transport: Transport) -> Response {
    Limit::Buffered.refused();
    let text = "too much is being sent to the server at once, try again later";
    error::of(transport, &ApiError::plain(Code::Unavailable, text))
}

/// About as many bytes as the head of a request takes.
fn head(request: &Request<Body>) -> usize {
    const ENTRY: usize = 64;
    let bytes = request.headers().iter().fold(0_usize, |bytes, (name, value)| {
        bytes.saturating_add(ENTRY).saturating_add(name.as_str().len()).saturating_add(value.len())
    });
    bytes.saturating_add(request.uri().path().len())
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::body::to_bytes;
    use axum::extract::State;
    use axum::middleware::{Next, from_fn_with_state};
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;

    async fn hold(State(guard): State<Guard>, request: Request<Body>, next: Next) -> Response {
        guard.hold(request, |request| next.run(request)).await
    }

    fn app() -> Router {
        async fn fails() {
            panic!("a handler's own");
        }
        let timeout = Duration::from_millis(50);
        let guard = Guard::new(&Options { max_body: 10, timeout, ..Options::DEFAULT });
        Router::new()
            .route("/fails", post(fails))
            .route("/hangs", post(std::future::pending::<()>))
            .route("/reads", post(async |body: String| body))
            .route("/ignores", post(async |body: Body| drop(to_bytes(body, 99).await)))
            .layer(from_fn_with_state(guard, hold))
    }

    async fn call(path: &str, kind: &str, body: Body) -> (u16, Option<String>, String) {
        let request = Request::post(path).header("content-type", kind).body(body).unwrap();
        let answer = app().oneshot(request).await.unwrap();
        let grpc = answer.headers().get("grpc-status").map(|code| code.to_str().unwrap().into());
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), 999).await.unwrap();
        (status, grpc, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn rest(path: &str, body: Body) -> (u16, String) {
        let (status, _, body) = call(path, "application/json", body).await;
        (status, body)
    }

    /// A body that does not say its size.
    fn chunks(number: usize) -> Body {
        let chunks = std::iter::repeat_n(Ok::<_, Infallible>("12345"), number);
        Body::from_stream(futures_util::stream::iter(chunks))
    }

    #[tokio::test]
    async fn a_panic_is_an_answer() {
        let told = (500, r#"{"code":13,"message":"the server failed on this request"}"#.into());
        assert_eq!(rest("/fails", Body::empty()).await, told);
    }

    #[tokio::test]
    async fn a_request_that_takes_too_long_is_answered() {
        let told = (504, r#"{"code":4,"message":"the request took too long"}"#.into());
        assert_eq!(rest("/hangs", Body::empty()).await, told);
        for kind in ["application/grpc", "application/grpc-web+proto"] {
            let told = call("/hangs", kind, Body::empty()).await;
            assert_eq!(told, (200, Some("4".into()), String::new()));
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_large_is_refused_whoever_reads_it() {
        let large = r#"{"code":8,"message":"the body of the request is too large"}"#;
        assert_eq!(rest("/reads", Body::from("0123456789")).await, (200, "0123456789".into()));
        assert_eq!(rest("/reads", chunks(2)).await, (200, "1234512345".into()));
        assert_eq!(rest("/reads", Body::from("0123456789x")).await, (413, large.into()));
        assert_eq!(rest("/reads", chunks(3)).await, (413, large.into()));
        assert_eq!(rest("/ignores", chunks(3)).await, (413, large.into()));
    }
}
