//! Which protocol a request speaks.

use axum::extract::Request;
use axum::http::header::CONTENT_TYPE;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    Grpc,
    GrpcWeb,
    Connect,
    Rest,
}

impl Transport {
    /// Tells it by the content type, and Connect from REST by the path: a Connect call goes to
    /// `/package.Service/Method`.
    pub(crate) fn of(request: &Request) -> Self {
        let kind = request.headers().get(CONTENT_TYPE).map_or(&b""[..], |kind| kind.as_bytes());
        let service = request.uri().path().split('/').nth(1);
        if kind.starts_with(b"application/grpc-web") {
            Self::GrpcWeb
        } else if kind.starts_with(b"application/grpc") {
            Self::Grpc
        } else if service.is_some_and(|service| service.contains('.')) {
            Self::Connect
        } else {
            Self::Rest
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::Connect => "connect",
            Self::Rest => "rest",
        }
    }
}
