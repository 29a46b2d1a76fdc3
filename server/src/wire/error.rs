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
use super::{headers, json};
use crate::api::error::ApiError;
use crate::proto::google::rpc;
use crate::proto::zitadel::v1::ErrorDetail;

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

pub(super) fn grpc(error: &ApiError) -> tonic::Status {
    let status = status(error);
    let code = tonic::Code::from_i32(status.code);
    if status.details.is_empty() {
        return tonic::Status::new(code, status.message);
    }
    let details = status.encode_to_vec().into();
    tonic::Status::with_details(code, status.message, details)
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
        .and_then(|kind| json::write(&kind, status(error).encode_to_vec().into()).ok());
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
    response
}

/// A successful response with JSON in it.
pub(super) fn json_response(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    response.headers_mut().insert(header::CONTENT_TYPE, headers::JSON);
    response
}
