//! Errors that no handler answers with: of the server itself, in the form of each protocol.

use axum::Json;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::transport::Transport;
use crate::api::error::Code;

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// An error. `status` is for HTTP; a gRPC answer is 200 whatever it says. The text must be ASCII without
/// a percent sign.
pub(super) fn error(
    transport: Transport,
    status: StatusCode,
    code: Code,
    text: &'static str,
) -> Response {
    match transport {
        Transport::Rest => {
            (status, Json(json!({ "code": code as u16, "message": text }))).into_response()
        }
        Transport::Connect => {
            let code = code.connect_name();
            (status, Json(json!({ "code": code, "message": text }))).into_response()
        }
        Transport::Grpc => of_grpc("application/grpc", code, text),
        Transport::GrpcWeb => of_grpc("application/grpc-web", code, text),
    }
}

/// An answer of headers only, as gRPC has it for errors.
fn of_grpc(kind: &'static str, code: Code, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (GRPC_STATUS, HeaderValue::from(code as u16)),
        (GRPC_MESSAGE, HeaderValue::from_static(text)),
    ];
    (headers, ()).into_response()
}
