//! Numbers for Prometheus. Every label has a bounded set of values.

use std::time::Duration;

use metrics::{
    Label, counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram,
};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};

use crate::api::Api;
use crate::exit::Failure;
use crate::limits::{Limit, REFUSED};

const REQUESTS: &str = "portcullis_requests_total";
const DURATION: &str = "portcullis_request_duration_seconds";
const RUNNING: &str = "portcullis_requests_running";
const POSITION: &str = "portcullis_journal_position";
const WAITING: &str = "portcullis_journal_waiting";
const WRITABLE: &str = "portcullis_journal_writable";
const TRACKED: &str = "portcullis_tracked_users";
const LOCKED: &str = "portcullis_locked_users";
const ATTEMPTS: &str = "portcullis_open_attempts";
const ADMISSIONS: &str = "portcullis_admissions_total";
const VERDICTS: &str = "portcullis_verdicts_total";
const CUT_OFF: &str = "portcullis_subscribers_cut_off_total";
const CONNECTIONS: &str = "portcullis_connections_open";
const CONNECTIONS_ENDED: &str = "portcullis_connections_ended_total";
const CONNECTIONS_UNUSED: &str = "portcullis_connections_unused_total";
const BUILD: &str = "portcullis_build_info";

/// Upper ends of the durations that are counted apart, in seconds.
const BUCKETS: [f64; 12] =
    [0.000_25, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

/// Durations are kept one by one until they are counted: often enough that they do not pile up while
/// nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's metrics.
#[derive(Clone)]
pub(super) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Begins to count. Needs a runtime, and can be done once a process.
    pub(super) fn install() -> Result<Self, Failure> {
        let builder = PrometheusBuilder::new().set_buckets(&BUCKETS).map_err(Failure::fault)?;
        let handle = builder.install_recorder().map_err(Failure::fault)?;
        let counted = handle.clone();
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(UPKEEP);
            loop {
                clock.tick().await;
                counted.run_upkeep();
            }
        });
        describe();
        Ok(Self(handle))
    }

    /// The text for Prometheus, with the engine's numbers as they are now.
    pub(super) fn render(&self, api: &Api) -> String {
        let engine = api.engine();
        let health = engine.health();
        counter!(POSITION).absolute(health.position);
        gauge!(WAITING).set(float(health.waiting));
        gauge!(WRITABLE).set(if health.writable { 1.0 } else { 0.0 });
        gauge!(TRACKED).set(float(engine.tracked_users()));
        gauge!(LOCKED).set(float(engine.locked_users().count()));
        gauge!(ATTEMPTS).set(float(api.open_attempts()));
        gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        self.0.render()
    }
}

fn describe() {
    describe_counter!(REQUESTS, "Requests, by route, protocol and status");
    describe_histogram!(DURATION, "Time from the head of a request to the head of its answer");
    describe_counter!(REFUSED, "What a limit refused, by limit");
    describe_gauge!(CONNECTIONS, "Connections that are open");
    describe_counter!(
        CONNECTIONS_ENDED,
        "Connections that the server ended: evicted for a new one, idle, or left unread"
    );
    describe_counter!(CONNECTIONS_UNUSED, "Connections that ended before any request was answered");
    describe_counter!(POSITION, "The journal's position that memory reflects");
    describe_gauge!(RUNNING, "Requests that are not answered yet");
    describe_gauge!(WAITING, "Commands that wait for the journal");
    describe_gauge!(WRITABLE, "1 if the journal's last write succeeded, else 0");
    describe_gauge!(TRACKED, "Users on record: with failures, or locked");
    describe_gauge!(LOCKED, "Users who are locked");
    describe_gauge!(ATTEMPTS, "Attempts that were begun over the wire and are not settled");
    describe_counter!(ADMISSIONS, "Attempts begun over the wire, by what they met");
    describe_counter!(VERDICTS, "Attempts settled over the wire, by verdict");
    describe_counter!(CUT_OFF, "Followers of the events who were too slow");
    describe_gauge!(BUILD, "1, with the version as a label");
    // There from the start: a counter that appears at its first event is missed by alerts.
    for limit in Limit::ALL {
        counter!(REFUSED, "limit" => limit.name()).absolute(0);
    }
    for why in ["evicted", "idle", "unread"] {
        counter!(CONNECTIONS_ENDED, "why" => why).absolute(0);
    }
    counter!(CONNECTIONS_UNUSED).absolute(0);
    gauge!(CONNECTIONS).set(0.0);
}

/// A request that has ended.
pub(super) struct Request<'a> {
    pub(super) method: &'static str,
    pub(super) route: &'a str,
    pub(super) transport: &'static str,
    /// `None` if its client went away before it was answered.
    pub(super) status: Option<u16>,
    pub(super) grpc_status: Option<u16>,
    pub(super) taken: Duration,
}

/// Counts a request that begins; [`request`] counts its end.
pub(super) fn request_begins() {
    gauge!(RUNNING).increment(1.0);
}

/// Counts a request.
pub(super) fn request(request: &Request<'_>) {
    gauge!(RUNNING).decrement(1.0);
    let status = request.status.map_or_else(|| String::from("none"), |status| status.to_string());
    let mut labels = vec![
        Label::new("route", request.route.to_owned()),
        Label::from_static_parts("transport", request.transport),
        Label::new("status", status),
    ];
    labels.extend(request.grpc_status.map(|status| Label::new("grpc_status", status.to_string())));
    histogram!(DURATION, labels.clone()).record(request.taken);
    labels.push(Label::from_static_parts("method", request.method));
    counter!(REQUESTS, labels).increment(1);
}

/// Counts a connection that is opened.
pub(super) fn connection_opened() {
    gauge!(CONNECTIONS).increment(1.0);
}

/// Counts one that the server ends, and why.
pub(super) fn connection_ended(why: &'static str) {
    counter!(CONNECTIONS_ENDED, "why" => why).increment(1);
}

/// Counts one that is closed, and whether any request of it had been answered.
pub(super) fn connection_closed(is_served: bool) {
    gauge!(CONNECTIONS).decrement(1.0);
    if !is_served {
        counter!(CONNECTIONS_UNUSED).increment(1);
    }
}

fn float(number: usize) -> f64 {
    // More than fit are not told apart from the most that do.
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}
