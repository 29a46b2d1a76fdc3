//! `portcullis serve`: the API on a journal, in one process, on one port.
//!
//! ```text
//!   connection ─► observe ─► wire                            observe: id, log, metrics
//!  (listen, accept)  └─────► debug: healthz, ready, metrics
//! ```
//!
//! Everything that can be wrong with the settings is found before anything is opened, in this order:
//! the settings, the certificate, the issuer's roots, the address, the journal.

mod accept;
mod address;
mod connection;
mod connections;
mod debug;
mod descriptors;
mod first_start;
mod listen;
mod log;
mod metrics;
mod observe;
mod oidc;
mod open;
mod tls;
mod watched;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn;
use tokio::time::MissedTickBehavior;

use crate::api::{self, Api};
use crate::cli::serve::ServeArgs;
use crate::config::Settings;
use crate::config::value::Size;
use crate::directory::JournalDirectory;
use crate::exit::Failure;
use crate::operate::failure;
use crate::output::print;
use crate::wire;
use listen::Listener;
use metrics::Metrics;

/// Runs `serve` until a signal ends it.
///
/// # Errors
///
/// What keeps the server from starting; once it has started, only what keeps it from listening.
pub(crate) fn command(args: &ServeArgs) -> Result<(), Failure> {
    let settings = Settings::from_args(&args.settings)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(Failure::fault)?.block_on(serve(&settings))
}

async fn serve(settings: &Settings) -> Result<(), Failure> {
    let tls = tls::read(settings).await?;
    let roots = oidc::roots(settings)?;
    let listener = Listener::bind(settings.listen, tls)?;
    log::start(settings);
    let metrics = Metrics::install()?;
    let (engine, tables) = open::engine(settings).await?;
    let engine = Arc::new(engine);
    let directory = JournalDirectory::open(Arc::clone(&engine), tables).await;
    let directory = Arc::new(directory.map_err(failure)?);
    let made = first_start::prepare(&directory, &settings.journal).await?;
    directory.follow().await.map_err(failure)?;
    tokio::spawn(keep_up(Arc::clone(&directory)));
    let callers = oidc::callers(settings, roots, &directory)?;
    let api = Api::new(Arc::clone(&engine), directory, callers, api(settings));
    tracing::info!(
        version = env!("CARGO_PKG_VERSION"),
        instance = %engine.instance(),
        journal = %settings.journal,
        position = engine.health().position,
        "opened"
    );
    let app = app(api.clone(), metrics, options(settings));
    let running = listener.start(app, settings)?;
    print(|to| {
        if let Some(made) = &made {
            made.tell(running.url(), to)?;
        }
        writeln!(to, "listening on {}", running.url())
    })?;
    let ended = running.end(|| api.end_streams()).await;
    engine.close().await;
    tracing::info!(position = engine.health().position, "closed");
    ended
}

/// Has the directory follow the journal, so that no request waits for it to catch up after a quiet time.
async fn keep_up(directory: Arc<JournalDirectory>) {
    let mut clock = tokio::time::interval(Duration::from_secs(1));
    clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        clock.tick().await;
        // The next request meets the same error, and is answered with it.
        if let Err(cause) = directory.follow().await {
            tracing::warn!(%cause, "the directory cannot follow the journal");
        }
    }
}

/// What the use cases are told.
fn api(settings: &Settings) -> api::Settings {
    api::Settings {
        node: settings.node.clone(),
        attempt_timeout: settings.attempt_timeout.0,
        max_attempts: settings.max_attempts.0.get(),
        register_on_attempt: settings.register_on_attempt,
        max_subscribers: settings.max_subscribers.0.get(),
        subscriber_timeout: settings.subscriber_timeout.0,
    }
}

/// All that is served.
fn app(api: Api, metrics: Metrics, options: wire::Options) -> Router {
    wire::router(api.clone(), options)
        .merge(debug::router(api, metrics))
        .layer(from_fn(observe::observe))
}

fn options(settings: &Settings) -> wire::Options {
    let bytes = |size: Size| usize::try_from(size.0).unwrap_or(usize::MAX);
    wire::Options {
        max_body: bytes(settings.max_body),
        max_buffered: bytes(settings.max_buffered),
        max_requests: settings.max_requests.0.get(),
        rate_per_address: settings.rate_per_address,
        rate_per_caller: settings.rate_per_caller,
        timeout: settings.request_timeout.0,
    }
}
