//! What no request may do: take for ever, send without end, or take the server down with it.

use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::Response;
use futures_util::FutureExt;
use http_body::{Frame, SizeHint};

use super::answer::error;
use super::transport::Transport;
use crate::api::error::Code;
use crate::config::Settings;
use crate::wire::Options;

/// The limits of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    time: Duration,
    body: u64,
}

impl Limits {
    pub(super) fn of(settings: &Settings) -> Self {
        Self { time: settings.request_timeout.0, body: settings.max_body.0 }
    }

    /// The same for the calls themselves.
    pub(super) fn wire(self) -> Options {
        Options { max_body: usize::try_from(self.body).unwrap_or(usize::MAX), timeout: self.time }
    }
}

/// Holds a request to the limits; its panic becomes an answer.
pub(super) async fn guard(State(limits): State<Limits>, request: Request, next: Next) -> Response {
    let transport = Transport::of(&request);
    let too_large = || {
        let text = "the body of the request is too large";
        error(transport, StatusCode::PAYLOAD_TOO_LARGE, Code::ResourceExhausted, text)
    };
    // What says its size need not be read to be refused.
    if http_body::Body::size_hint(request.body()).lower() > limits.body {
        return too_large();
    }
    let is_over = Arc::new(AtomicBool::new(false));
    let request = request.map(|inner| {
        Body::new(Limited { inner, left: limits.body, is_over: Arc::clone(&is_over) })
    });
    // A handler shares nothing with others but the engine, which is sound after any panic.
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind();
    match tokio::time::timeout(limits.time, answer).await {
        Ok(Ok(_)) if is_over.load(Ordering::Relaxed) => too_large(),
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) => {
            let text = "the server failed on this request";
            error(transport, StatusCode::INTERNAL_SERVER_ERROR, Code::Internal, text)
        }
        Err(_) => {
            let text = "the request took too long";
            error(transport, StatusCode::GATEWAY_TIMEOUT, Code::DeadlineExceeded, text)
        }
    }
}

/// A body that ends with an error after so many bytes, and remembers that it did: whatever the handler
/// makes of that error, the answer is ours.
struct Limited {
    inner: Body,
    left: u64,
    is_over: Arc<AtomicBool>,
}

impl http_body::Body for Limited {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = ready!(Pin::new(&mut self.inner).poll_frame(context));
        if let Some(Ok(frame)) = &frame {
            let length = frame.data_ref().map_or(0, Bytes::len);
            let left = u64::try_from(length).ok().and_then(|length| self.left.checked_sub(length));
            let Some(left) = left else {
                self.is_over.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err(axum::Error::new("the body is too large"))));
            };
            self.left = left;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::Router;
    use axum::body::to_bytes;
    use axum::extract::Request;
    use axum::middleware::from_fn_with_state;
    use axum::routing::post;
    use tower::ServiceExt;

    use super::*;

    fn app() -> Router {
        async fn fails() {
            panic!("a handler's own");
        }
        let limits = Limits { time: Duration::from_millis(50), body: 10 };
        Router::new()
            .route("/fails", post(fails))
            .route("/hangs", post(std::future::pending::<()>))
            .route("/reads", post(async |body: String| body))
            .route("/ignores", post(async |body: Body| drop(to_bytes(body, 99).await)))
            .layer(from_fn_with_state(limits, guard))
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
