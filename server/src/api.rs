//! What the API does, apart from how a request comes in: one plain function for each use case, from a
//! caller and a message to a message or an [`error::ApiError`]. Every transport is a thin shell around
//! these.
//!
//! ```text
//!   wire (gRPC, gRPC-web, Connect, REST) ──► api ──► engine      policies, locks
//!                                             ├────► directory   which organizations and users exist
//!                                             └────► callers     whose token it is, with which roles
//! ```

pub mod attempts;
pub mod auth;
pub mod error;
pub mod events;
pub mod locks;
pub mod policies;
pub(crate) mod rates;
pub mod registry;
pub mod roles;
pub mod users;

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use portcullis::DurableEngine;

use crate::callers::Callers;
use crate::directory::Directory;
use rates::Rates;

/// What the use cases hold to.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The name of this node in the ids of its attempts.
    pub node: attempts::NodeName,
    /// How long an attempt may take from its begin to its settling; then it is cancelled.
    pub attempt_timeout: Duration,
    /// How many attempts are held: open ones, and those whose answers are remembered.
    pub max_attempts: usize,
    /// Whether the first attempt of a user whom the directory does not have registers that user, and the
    /// organization.
    pub register_on_attempt: bool,
    /// How many may follow the events at the same time.
    pub max_subscribers: usize,
    /// How long one who follows the events may leave them unread before being cut off.
    pub subscriber_timeout: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node: attempts::NodeName::default(),
            attempt_timeout: Duration::from_secs(30),
            max_attempts: 1_000_000,
            register_on_attempt: false,
            max_subscribers: 256,
            subscriber_timeout: Duration::from_secs(10),
        }
    }
}

/// What the use cases work on.
#[derive(Clone)]
pub struct Api {
    pub(crate) engine: Arc<DurableEngine>,
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) callers: Arc<dyn Callers>,
    settings: Arc<Settings>,
    attempts: attempts::Held,
    subscribers: events::Subscribers,
    /// Without limit until a transport sets some.
    pub(crate) rates: Arc<Rates>,
}

impl Api {
    /// The API on an engine. To be called in a runtime of tokio's, where it keeps the deadlines of
    /// attempts.
    pub fn new(
        engine: Arc<DurableEngine>,
        directory: Arc<dyn Directory>,
        callers: Arc<dyn Callers>,
        settings: Settings,
    ) -> Self {
        let attempts = attempts::Held::start(&settings);
        let subscribers = events::Subscribers::new(settings.max_subscribers);
        let settings = Arc::new(settings);
        let rates = Arc::default();
        Self { engine, directory, callers, settings, attempts, subscribers, rates }
    }

    /// The same with limits of how often one may call.
    pub(crate) fn limited(self, rates: Rates) -> Self {
        Self { rates: Arc::new(rates), ..self }
    }

    /// The engine.
    #[must_use]
    pub fn engine(&self) -> &Arc<DurableEngine> {
        &self.engine
    }

    /// How many attempts are open.
    #[must_use]
    pub fn open_attempts(&self) -> usize {
        self.attempts.in_flight()
    }

    /// Ends the streams of events, which have no end of their own: before a server waits for what runs.
    pub fn end_streams(&self) {
        self.subscribers.end();
    }
}

impl fmt::Debug for Api {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Api").field("engine", &self.engine).finish_non_exhaustive()
    }
}

/// What a transport knows of a request beside its message.
#[derive(Clone, Debug, Default)]
pub struct Meta {
    /// The values of the header `authorization`, in order.
    pub authorization: Vec<String>,
    /// The header `x-zitadel-orgid`: the organization that the request is about.
    pub org: Option<String>,
    /// The address that the request comes from, as far as it is believed.
    pub client: Option<IpAddr>,
    /// The header `user-agent`.
    pub user_agent: Option<String>,
    /// The header `last-event-id`: the position of the last event that was seen.
    pub last_event_id: Option<String>,
    /// Set once the request is known not to count for its address: it is a known caller's, or the server
    /// was not able to look whose it is.
    pub is_excused: Arc<AtomicBool>,
}
