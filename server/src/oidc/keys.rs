//! The issuer's keys: fetched at an interval, and at once when a token names one that is not at hand.
//!
//! Anybody can make up names of keys. So the issuer is asked by one task at a time, and not again
//! within a few seconds, whatever tokens say.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use portcullis::Clock;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::client::{Client, FetchError};
use super::key_set::{JwkSet, Key, KeySet};
use super::numbers;
use super::url::IssuerUrl;

/// For so long after an answer, or none, no token makes us ask again.
const PAUSE: Duration = Duration::from_secs(10);

/// There are no keys, or only such as are too old.
pub(super) struct Away;

pub(super) struct Keys {
    issuer: IssuerUrl,
    client: Client,
    clock: Arc<dyn Clock>,
    serve_for: Duration,
    held: RwLock<Option<Arc<Held>>>,
    turn: Mutex<Turn>,
}

/// The newest keys, and when they were asked for.
struct Held {
    keys: KeySet,
    at: SystemTime,
}

/// What whoever asks knows of the last time.
struct Turn {
    ended_at: Option<SystemTime>,
    succeeded: bool,
}

/// The part of the discovery document that matters here.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Keys {
    pub(super) fn new(
        issuer: IssuerUrl,
        client: Client,
        clock: Arc<dyn Clock>,
        serve_for: Duration,
    ) -> Self {
        let turn = Mutex::new(Turn { ended_at: None, succeeded: false });
        Self { issuer, client, clock, serve_for, held: RwLock::default(), turn }
    }

    /// The key of an id; `None` if the issuer has none.
    pub(super) async fn find(self: &Arc<Self>, kid: &str) -> Result<Option<Arc<Key>>, Away> {
        if let Some(key) = self.fresh().and_then(|held| held.keys.find(kid)) {
            return Ok(Some(key));
        }
        // A task of its own: a client that goes away does not keep others from the answer.
        let keys = Arc::clone(self);
        let asked = tokio::spawn(async move { keys.ask_unless_just_done().await });
        // Should it panic, what is held tells all the same.
        let _ = asked.await;
        let held = self.fresh().ok_or(Away)?;
        Ok(held.keys.find(kid))
    }

    /// Fetches the keys.
    pub(super) async fn refresh(&self) {
        let mut turn = self.turn.lock().await;
        self.ask(&mut turn).await;
    }

    async fn ask_unless_just_done(&self) {
        let mut turn = self.turn.lock().await;
        if !turn.ended_at.is_some_and(|at| self.is_within(PAUSE, at)) {
            self.ask(&mut turn).await;
        }
    }

    async fn ask(&self, turn: &mut Turn) {
        let at = self.clock.now();
        let fetched = self.fetch().await;
        let succeeded = fetched.is_ok();
        match fetched {
            Ok(keys) => {
                if !turn.succeeded {
                    tracing::info!(issuer = %self.issuer, keys = keys.len(), "the issuer has answered");
                }
                *self.held.write().unwrap_or_else(PoisonError::into_inner) =
                    Some(Arc::new(Held { keys, at }));
                numbers::fetched(at);
            }
            Err(cause) => {
                tracing::warn!(issuer = %self.issuer, %cause, "the issuer's keys cannot be fetched");
            }
        }
        *turn = Turn { ended_at: Some(self.clock.now()), succeeded };
    }

    async fn fetch(&self) -> Result<KeySet, FetchError> {
        let from = self.issuer.discovery();
        let Discovery { issuer, jwks_uri } = self.client.get(from).await?;
        if issuer != self.issuer.to_string() {
            return Err(FetchError::OtherIssuer(from.clone()));
        }
        let uri = self.issuer.named(&jwks_uri);
        let uri = uri.map_err(|why| FetchError::Keys(from.clone(), why))?;
        let set: JwkSet = self.client.get(&uri).await?;
        Ok(KeySet::new(set))
    }

    /// The keys that may still be used.
    fn fresh(&self) -> Option<Arc<Held>> {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner).clone();
        held.filter(|held| self.is_within(self.serve_for, held.at))
    }

    /// Whether a time is so long ago or less. One that is yet to come is not: the clock was set back,
    /// and nobody knows how old it is.
    fn is_within(&self, time: Duration, at: SystemTime) -> bool {
        self.clock.now().duration_since(at).is_ok_and(|ago| ago <= time)
    }
}
