//! Errors in the form of each wire.

use axum::body::{Body, Bytes};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use http::{HeaderValue, StatusCode, header};
use prost::{Message, Name};
use prost_types::Any;
use serde_json::json;

use super::call::DESCRIPTORS;
use super::{Transport, headers, json};
use crate::api::error::ApiError;
use crate::proto::google::rpc;
use crate::proto::zitadel::v1::ErrorDetail;

const GRPC_WEB: HeaderValue = HeaderValue::from_static("application/grpc-web");

fn detail(error: &ApiError) -> Option<ErrorDetail> {
    let id = error.id()?.to_owned();
    Some(ErrorDetail { id, message: error.text().to_owned() })
}

fn status(error: &ApiError) -> rpc::Status {
    let any = |detail: ErrorDetail| Any {
        type_url: ErrorDetail::type_url(),
        value: detail.encode_to_vec(),
    };
    rpc::Status {
        code: error.code() as i32,
        message: error.to_string(),
        details: detail(error).map(any).into_iter().collect(),
    }
}

/// An error of no call's own: of the limits, before there is a call.
pub(super) fn of(transport: Transport, error: &ApiError) -> Response {
    match transport {
        Transport::Rest => rest(error),
        Transport::Connect => connect(error),
        Transport::Grpc => grpc(error).into_http(),
        Transport::GrpcWeb => {
            // An answer of headers only, as gRPC has it for errors, is the same in gRPC-web.
            let mut response = grpc(error).into_http();
            response.headers_mut().insert(header::CONTENT_TYPE, GRPC_WEB);
            response
        }
    }
}

pub(super) fn grpc(error: &ApiError) -> tonic::Status {
    let status = status(error);
    let code = tonic::Code::from_i32(status.code);
    let mut grpc = if status.details.is_empty() {
        tonic::Status::new(code, status.message)
    } else {
        let details = status.encode_to_vec().into();
        tonic::Status::with_details(code, status.message, details)
    };
    if let Some(wait) = retry_after(error) {
        grpc.metadata_mut().insert(header::RETRY_AFTER.as_str(), wait.into());
    }
    grpc
}

/// Whole seconds, at least one: sooner is not what the header can say.
fn retry_after(error: &ApiError) -> Option<u64> {
    let wait = error.retry_after()?;
    Some(wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1))
}

pub(super) fn connect(error: &ApiError) -> Response {
    let details: Vec<_> = detail(error)
        .map(|detail| {
            let value = STANDARD_NO_PAD.encode(detail.encode_to_vec());
            json!({ "type": ErrorDetail::full_name(), "value": value })
        })
        .into_iter()
        .collect();
    let mut body = json!({ "code": error.code().connect_name(), "message": error.to_string() });
    if let (false, Some(body)) = (details.is_empty(), body.as_object_mut()) {
        body.insert("details".to_owned(), details.into());
    }
    answer(error, body.to_string().into())
}

pub(super) fn rest(error: &ApiError) -> Response {
    answer(error, body(error))
}

/// A `google.rpc.Status` as JSON.
pub(super) fn body(error: &ApiError) -> Bytes {
    let body = DESCRIPTORS
        .get_message_by_name(&rpc::Status::full_name())
        .and_then(|kind| json::write(&kind, &status(error).encode_to_vec()).ok());
    body.unwrap_or_else(|| Bytes::from_static(br#"{"code":13}"#))
}

fn answer(error: &ApiError, body: Bytes) -> Response {
    let mut response = json_response(body);
    *response.status_mut() = StatusCode::from_u16(error.code().http_status())
        .unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if response.status() == StatusCode::UNAUTHORIZED
        && let Ok(message) = HeaderValue::try_from(error.to_string())
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, message);
    }
    if let Some(wait) = retry_after(error) {
        response.headers_mut().insert(header::RETRY_AFTER, wait.into());
    }
    response
}

/// A successful response with JSON in it.
pub(super) fn json_response(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, headers::JSON);
    response
}
