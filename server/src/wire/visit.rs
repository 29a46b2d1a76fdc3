//! Where a request comes from, and that this is counted: a request that turns out to be no known
//! caller's counts for its address, and an address that sent too many of those is refused before
//! anything of the request is looked at.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
use axum::extract::State;
use axum::middleware::Next;
use axum::response::Response;
use http::Request;

use super::{Transport, Wire, error};
use crate::api::error::ApiError;
use crate::api::rates::Rates;
use crate::limits::Limit;

/// The address of who sent a request. Whoever mounts the router and knows it puts it into the request's
/// extensions; without it there is no rate per address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientAddress(pub IpAddr);

/// What the calls are told of a request's sender, and tell of it; in the request's extensions.
#[derive(Clone, Debug, Default)]
pub(super) struct Visit {
    pub(super) client: Option<IpAddr>,
    pub(super) is_excused: Arc<AtomicBool>,
}

/// Refuses who comes too often, and counts the others.
pub(super) async fn count(
    State(wire): State<Arc<Wire>>,
    mut request: Request<Body>,
    next: Next,
) -> Response {
    let rates = &wire.api.rates;
    let client = request.extensions().get().map(|&ClientAddress(client)| client);
    if let Some(Err(wait)) = client.map(|client| rates.look(client)) {
        Limit::AddressRate.refused();
        return error::of(Transport::of(&request), &ApiError::too_often(wait));
    }
    let visit = Visit { client, ..Visit::default() };
    request.extensions_mut().insert(visit.clone());
    let _counted = Counted { rates, visit };
    next.run(request).await
}

/// Counts when it is dropped, and so also a request whose client went away.
struct Counted<'a> {
    rates: &'a Rates,
    visit: Visit,
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        if let Some(client) = self.visit.client
            && !self.visit.is_excused.load(Ordering::Relaxed)
        {
            self.rates.count(client);
        }
    }
}
