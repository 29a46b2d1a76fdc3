//! Headers that every transport has: who may call from where, for how long, and that nothing is kept.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::response::Response;
use http::Method;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use tower_http::cors::{AllowOrigin, CorsLayer};

pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Any page may call: what a call may do hangs on its token, and no browser adds that by itself.
pub(super) fn cors() -> CorsLayer {
    const NAMES: [&str; 10] = [
        "x-zitadel-orgid",
        "last-event-id",
        "x-user-agent",
        "x-grpc-web",
        "x-requested-with",
        "connect-protocol-version",
        "connect-timeout-ms",
        "grpc-timeout",
        "origin",
        "accept-language",
    ];
    let allowed = [header::CONTENT_TYPE, header::ACCEPT, header::AUTHORIZATION]
        .into_iter()
        .chain(NAMES.map(HeaderName::from_static));
    CorsLayer::new()
        .allow_origin(AllowOrigin::mirror_request())
        .allow_credentials(true)
        .allow_methods([
            Method::GET,
            Method::HEAD,
            Method::POST,
            Method::PUT,
            Method::PATCH,
            Method::DELETE,
            Method::OPTIONS,
        ])
        .allow_headers(allowed.collect::<Vec<_>>())
        .expose_headers([
            header::LOCATION,
            header::CONTENT_LENGTH,
            header::RETRY_AFTER,
            HeaderName::from_static("grpc-status"),
            HeaderName::from_static("grpc-message"),
            HeaderName::from_static("grpc-status-details-bin"),
        ])
        .max_age(Duration::from_mins(10))
}

/// Forbids caches to keep an answer.
pub(super) fn forbid_keeping(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    if let Some(now) = now() {
        headers.insert(header::EXPIRES, now);
    }
}

/// The time as headers have it, written once a second.
fn now() -> Option<HeaderValue> {
    static WRITTEN: Mutex<Option<(i64, HeaderValue)>> = Mutex::new(None);
    let now = Timestamp::now();
    let mut written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((second, text)) = &*written
        && *second == now.as_second()
    {
        return Some(text.clone());
    }
    let text = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok()?;
    let text = HeaderValue::try_from(text).ok()?;
    *written = Some((now.as_second(), text.clone()));
    Some(text)
}

/// The content type without its parameters, in lower case.
pub(super) fn content_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let kind = value.and_then(|value| value.split(';').next()).unwrap_or_default();
    kind.trim().to_ascii_lowercase()
}

/// How long the caller waits, as gRPC or Connect has it.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    if let Some(value) = text("grpc-timeout") {
        let (amount, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
        let amount: u64 = amount.parse().ok()?;
        return match unit {
            "H" => Some(Duration::from_secs(amount.checked_mul(3600)?)),
            "M" => Some(Duration::from_secs(amount.checked_mul(60)?)),
            "S" => Some(Duration::from_secs(amount)),
            "m" => Some(Duration::from_millis(amount)),
            "u" => Some(Duration::from_micros(amount)),
            "n" => Some(Duration::from_nanos(amount)),
            _ => None,
        };
    }
    text("connect-timeout-ms")?.parse().ok().map(Duration::from_millis)
}
