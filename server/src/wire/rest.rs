//! REST, as ZITADEL's gateway has it: the path chooses the call, and body, query and path together
//! are its message. Answers are JSON, whatever the request's content type says.

mod path;
mod query;
mod sse;

use axum::body::Body;
use axum::response::Response;
use http::request::Parts;
use http::{HeaderValue, Method, Request, StatusCode, header};
use prost::Message;
use prost_reflect::DynamicMessage;

use super::call::{Call, Route, Run};
use super::{Oversized, Wire, error, json};
use crate::api::error::{ApiError, Code};

pub(super) async fn serve(wire: &Wire, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    // The router takes the body from the answer to a HEAD, and leaves its length.
    let verb = if parts.method == Method::HEAD { &Method::GET } else { &parts.method };
    let answer = match find(wire, verb, parts.uri.path()) {
        Ok(found) => answer(wire, &found, &parts, body).await,
        Err(refusal) => Err(refusal),
    };
    answer.unwrap_or_else(Refusal::response)
}

/// Answers OPTIONS that do not come from a browser.
pub(super) fn options(wire: &Wire, request: &Request<Body>) -> Response {
    let path = request.uri().path();
    let allowed =
        if wire.rpc(path).is_some() { "POST, OPTIONS".to_owned() } else { allow(wire, path) };
    if allowed.is_empty() {
        return error::rest(&ApiError::plain(Code::NotFound, "Not Found"));
    }
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    set_allow(&mut response, allowed);
    response
}

/// Answers with the description of all calls.
pub(super) fn document(wire: &Wire, verb: &Method) -> Response {
    if [Method::GET, Method::HEAD].contains(verb) {
        return error::json_response(wire.document.clone());
    }
    not_allowed(String::from("GET, HEAD, OPTIONS")).response()
}

fn not_allowed(allowed: String) -> Refusal {
    let error = ApiError::plain(Code::Unimplemented, "Method Not Allowed");
    Refusal { error, status: Some(StatusCode::METHOD_NOT_ALLOWED), allowed: Some(allowed) }
}

/// A call that a path and a method chose.
struct Found<'a> {
    route: &'a Route,
    /// Fields whose values the path has, still encoded.
    fields: Vec<(&'static str, &'a str)>,
}

fn find<'a>(wire: &'a Wire, verb: &Method, path: &'a str) -> Result<Found<'a>, Refusal> {
    for route in wire.routes.iter().filter(|route| route.call.verb == verb) {
        if let Some(fields) = path::fields(route.call.path, path) {
            return Ok(Found { route, fields });
        }
    }
    let allowed = allow(wire, path);
    if allowed.is_empty() {
        return Err(ApiError::plain(Code::NotFound, "Not Found").into());
    }
    Err(not_allowed(allowed))
}

/// Whether a path is that of a call.
pub(super) fn is_of(call: &Call, path: &str) -> bool {
    path::fields(call.path, path).is_some()
}

/// The methods of a path; empty if there is no such path.
fn allow(wire: &Wire, path: &str) -> String {
    let mut verbs = Vec::new();
    for route in &wire.routes {
        if path::fields(route.call.path, path).is_some() {
            verbs.push(route.call.verb.as_str());
        }
    }
    if verbs.contains(&"GET") {
        verbs.push("HEAD");
    }
    if !verbs.is_empty() {
        verbs.push("OPTIONS");
    }
    verbs.join(", ")
}

fn set_allow(response: &mut Response, allowed: String) {
    if let Ok(allowed) = HeaderValue::try_from(allowed) {
        response.headers_mut().insert(header::ALLOW, allowed);
    }
}

async fn answer(
    wire: &Wire,
    found: &Found<'_>,
    parts: &Parts,
    body: Body,
) -> Result<Response, Refusal> {
    let route = found.route;
    let mut message = if [Method::POST, Method::PUT].contains(&route.call.verb) {
        json::read(&route.input, &wire.body(body).await?)?
    } else {
        let mut message = DynamicMessage::new(route.input.clone());
        query::bind(&mut message, parts.uri.query().unwrap_or_default())?;
        message.encode_to_vec()
    };
    for (name, value) in &found.fields {
        json::set(&mut message, &route.input, name, &path::decode(value)?)?;
    }
    let request = message.into();
    if let Run::Stream(_) = route.call.run {
        return Ok(sse::response(
            wire.stream(route.call, &parts.headers, &parts.extensions, request).await?,
            route,
        ));
    }
    let answer = wire.run(route.call, &parts.headers, &parts.extensions, request).await?;
    Ok(error::json_response(json::write(&route.output, &answer)?))
}

/// Why there is no answer.
struct Refusal {
    error: ApiError,
    /// HTTP's own status, where the code's would be less true.
    status: Option<StatusCode>,
    /// What the header `allow` says.
    allowed: Option<String>,
}

impl Refusal {
    fn response(self) -> Response {
        let mut response = error::rest(&self.error);
        if let Some(status) = self.status {
            *response.status_mut() = status;
        }
        if let Some(allowed) = self.allowed {
            set_allow(&mut response, allowed);
        }
        response
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        Self { error, status: None, allowed: None }
    }
}

impl From<Oversized> for Refusal {
    fn from(oversized: Oversized) -> Self {
        let status = Some(StatusCode::PAYLOAD_TOO_LARGE);
        Self { error: oversized.into(), status, allowed: None }
    }
}
