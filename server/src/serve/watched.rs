//! The bodies of a request and of its answer, watched for whose turn it is.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use http_body::{Body as _, Frame, SizeHint};

use super::connection::{Connection, Request, Stage};

/// Watches a request of a connection.
pub(super) fn request(
    request: http::Request<Body>,
    connection: Arc<Connection>,
) -> (http::Request<Body>, Arc<Request>) {
    let watched = Arc::new(Request::begin(connection));
    if request.body().is_end_stream() {
        watched.received();
        return (request, watched);
    }
    let body = |inner| Body::new(Received { inner, request: Arc::clone(&watched) });
    (request.map(body), watched)
}

/// Watches its answer from the head on.
pub(super) fn answer(answer: Response, request: Arc<Request>) -> Response {
    request.go(|_| Stage::Unread);
    answer.map(|inner| Body::new(Answered { inner, request }))
}

type Polled = Poll<Option<Result<Frame<Bytes>, axum::Error>>>;

/// The body of a request, received once it has come to its end or nobody reads on.
struct Received {
    inner: Body,
    request: Arc<Request>,
}

impl http_body::Body for Received {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        if matches!(frame, Poll::Ready(None)) || self.inner.is_end_stream() {
            self.request.received();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        self.request.received();
    }
}

/// The body of an answer. It is asked for more once its client has room for it: until then it is the
/// client's turn, and ours while there is nothing to send.
struct Answered {
    inner: Body,
    request: Arc<Request>,
}

impl http_body::Body for Answered {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Polled {
        let frame = Pin::new(&mut self.inner).poll_frame(context);
        let stage = if frame.is_pending() { Stage::Quiet } else { Stage::Unread };
        self.request.go(|_| stage);
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
