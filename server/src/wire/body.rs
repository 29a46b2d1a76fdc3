//! The body of a request, as the guard lets it through.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use axum::body::{Body, Bytes};
use http_body::{Frame, SizeHint};

use super::buffer::Share;

/// A request whose body comes in.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) share: Share,
    pub(super) is_too_large: AtomicBool,
}

/// A body that ends with an error after so many bytes, and remembers that it did: whatever the handler
/// makes of that error, the answer is ours.
pub(super) struct Limited {
    pub(super) inner: Body,
    pub(super) left: u64,
    pub(super) reading: Arc<Reading>,
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
                self.reading.is_too_large.store(true, Ordering::Relaxed);
                return Poll::Ready(Some(Err(axum::Error::new("the body is too large"))));
            };
            self.left = left;
            if !self.reading.share.grow(length) {
                return Poll::Ready(Some(Err(axum::Error::new("there is no room for the body"))));
            }
        }
        if self.inner.is_end_stream() {
            self.reading.share.complete();
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

/// What nobody reads on is not waited for.
impl Drop for Limited {
    fn drop(&mut self) {
        self.reading.share.complete();
    }
}
