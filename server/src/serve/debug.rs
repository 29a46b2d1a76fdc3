//! What machines that watch the server ask: is it alive, does it work, and how much.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use portcullis::OrgId;
use serde::Serialize;

use super::metrics::Metrics;
use crate::api::Api;

/// How long the directory may take until it counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Clone)]
struct Watched {
    api: Api,
    metrics: Metrics,
}

/// The routes.
pub(super) fn router(api: Api, metrics: Metrics) -> Router {
    Router::new()
        .route("/debug/healthz", get(|| async { "ok" }))
        .route("/debug/ready", get(ready))
        .route("/metrics", get(numbers))
        .with_state(Watched { api, metrics })
}

/// Whether requests can be answered now, and if not, why.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    why: Vec<&'static str>,
}

async fn ready(State(Watched { api, .. }): State<Watched>) -> Response {
    let mut why = Vec::new();
    if !api.engine().health().writable {
        why.push("the journal cannot be written");
    }
    if !can_read_directory(&api).await {
        why.push("the directory cannot be read");
    }
    let ready = why.is_empty();
    let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(Ready { ready, why })).into_response()
}

/// Asks the directory something; the answer does not matter. The cause of an error is for the log: it
/// has names of files in it, and anybody may ask.
async fn can_read_directory(api: &Api) -> bool {
    let Ok(org) = OrgId::try_from("ready") else { return false };
    match tokio::time::timeout(PATIENCE, api.directory.has_org(&org)).await {
        Ok(Ok(_)) => true,
        Ok(Err(cause)) => {
            tracing::warn!(%cause, "the directory cannot be read");
            false
        }
        Err(_) => {
            tracing::warn!("the directory does not answer");
            false
        }
    }
}

async fn numbers(State(Watched { api, metrics }): State<Watched>) -> Response {
    let text = metrics.render(&api);
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
}
