//! Connect's unary protocol: the path of gRPC, a plain body in protobuf or JSON.

use axum::body::{Body, Bytes};
use axum::response::Response;
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode, header};

use super::call::Route;
use super::{Wire, error, headers, json};
use crate::api::error::{ApiError, Code};

const PROTO: HeaderValue = HeaderValue::from_static("application/proto");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, application/proto");

pub(super) async fn serve(wire: &Wire, route: &Route, request: Request<Body>) -> Response {
    if request.method() != Method::POST {
        let text = "only POST calls a method";
        let post = HeaderValue::from_static("POST");
        return refuse(StatusCode::METHOD_NOT_ALLOWED, text, (header::ALLOW, post));
    }
    let is_json = match headers::content_type(request.headers()).as_str() {
        "application/json" => true,
        "application/proto" => false,
        _ => {
            let text = "the content type is neither application/json nor application/proto";
            let accept = (header::HeaderName::from_static("accept-post"), BOTH);
            return refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, text, accept);
        }
    };
    let (parts, body) = request.into_parts();
    if let Err(error) = check(&parts.headers) {
        return error::connect(&error);
    }
    let body = match wire.body(body).await {
        Ok(body) => body,
        Err(oversized) => {
            let mut response = error::connect(&oversized.into());
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return response;
        }
    };
    match answer(wire, route, &parts, is_json, body).await {
        Ok(response) => response,
        Err(error) => error::connect(&error),
    }
}

async fn answer(
    wire: &Wire,
    route: &Route,
    Parts { headers, extensions, .. }: &Parts,
    is_json: bool,
    body: Bytes,
) -> Result<Response, ApiError> {
    if is_json {
        let message = json::read(&route.input, &body)?.into();
        let answer = wire.run(route.call, headers, extensions, message).await?;
        return Ok(error::json_response(json::write(&route.output, &answer)?));
    }
    let answer = wire.run(route.call, headers, extensions, body).await?;
    let mut response = Response::new(Body::from(answer));
    response.headers_mut().insert(header::CONTENT_TYPE, PROTO);
    Ok(response)
}

fn check(headers: &HeaderMap) -> Result<(), ApiError> {
    if headers.get("connect-protocol-version").is_some_and(|version| version != "1") {
        let text = "connect-protocol-version must be \"1\"";
        return Err(ApiError::plain(Code::InvalidArgument, text));
    }
    if headers.get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity") {
        let text = "the body must not be compressed";
        return Err(ApiError::plain(Code::Unimplemented, text));
    }
    Ok(())
}

/// An answer about HTTP rather than about a call.
fn refuse(
    status: StatusCode,
    text: &str,
    (name, value): (header::HeaderName, HeaderValue),
) -> Response {
    let mut response = error::connect(&ApiError::plain(Code::Unimplemented, text));
    *response.status_mut() = status;
    response.headers_mut().insert(name, value);
    response
}
