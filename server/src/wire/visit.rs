//! Where a request comes from, and that this is counted: a request that turns out to be no known
//! caller's counts for its address, and an address that sent too many of those is refused before
//! anything of the request is looked at.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::body::Body;
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

/// Refuses who comes too often, and counts the others once the request is over.
#[expect(clippy::result_large_err, reason = "the answer of one who is refused is made once")]
pub(super) fn count<'w>(
    wire: &'w Wire,
    request: &mut Request<Body>,
) -> Result<Counted<'w>, Response> {
    let rates = &*wire.api.rates;
    let client = request.extensions().get().map(|&ClientAddress(client)| client);
    if let Some(Err(wait)) = client.map(|client| rates.look(client)) {
        Limit::AddressRate.refused();
        return Err(error::of(Transport::of(request), &ApiError::too_often(wait)));
    }
    let visit = Visit { client, ..Visit::default() };
    request.extensions_mut().insert(visit.clone());
    Ok(Counted { rates, visit })
}

/// Counts when it is dropped, and so also a request whose client went away.
pub(super) struct Counted<'a> {
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
