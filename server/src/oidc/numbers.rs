//! Numbers of callers by JWT for Prometheus. Every label has a bounded set of values.

use std::time::SystemTime;

use metrics::{counter, describe_counter, describe_gauge, gauge};

use super::token::Refusal;

const REFUSED: &str = "portcullis_oidc_refused_total";
const FETCHED: &str = "portcullis_oidc_keys_fetched_timestamp_seconds";

pub(super) fn describe() {
    describe_counter!(REFUSED, "Callers by JWT who were refused, by reason");
    describe_gauge!(FETCHED, "When the keys in use were fetched, 0 as long as there are none");
    // There from the start: a counter that appears at its first event is missed by alerts.
    for reason in Refusal::ALL.iter().map(|refusal| refusal.label()).chain(["issuer_away"]) {
        counter!(REFUSED, "reason" => reason).absolute(0);
    }
    gauge!(FETCHED).set(0.0);
}

pub(super) fn refused(reason: &'static str) {
    counter!(REFUSED, "reason" => reason).increment(1);
}

pub(super) fn fetched(at: SystemTime) {
    let since = at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    gauge!(FETCHED).set(since.as_secs_f64());
}
