//! The log, on stderr.

use std::{io, panic};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt};

use crate::config::Settings;
use crate::config::value::LogFormat;

/// Begins to log; panics are logged from now on too, in the form of everything else.
pub(super) fn start(settings: &Settings) {
    // Without a reader of the log the server goes on, quietly.
    let lines = fmt::layer().with_writer(io::stderr).with_ansi(false).log_internal_errors(false);
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match settings.log_format {
        LogFormat::Text => Box::new(lines),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true);
            Box::new(lines.with_current_span(false).with_span_list(false))
        }
    };
    let level = settings.log_level.0;
    // What libraries tell in detail may have headers in it, and so tokens.
    let targets = Targets::new()
        .with_default(level.min(LevelFilter::WARN))
        .with_target(env!("CARGO_CRATE_NAME"), level);
    // Only a process that runs two servers has a log already: the first one's is used by both.
    let _ = tracing_subscriber::registry().with(lines.with_filter(targets)).try_init();
    panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string).unwrap_or_default();
        let why = panic.payload_as_str().unwrap_or("no message");
        tracing::error!(at, why, "panic");
    }));
}
