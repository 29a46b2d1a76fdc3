//! The feed of events: from a position on, each once and in order, and then each new one.
//!
//! ```text
//!   journal ──► one task a subscriber ──► a short queue ──► the subscriber
//!                  └ ends it: no longer allowed, too slow, the server ends
//! ```
//!
//! The queue is short, so memory is bounded however slow a subscriber is; one who leaves it full for
//! too long is cut off, and may come again with the position of the last event that was seen.

use std::pin::{Pin, pin};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::{Stream, StreamExt, stream};
use metrics::counter;
use portcullis::journal::JournalError;
use portcullis::{Aggregate, Event, OrgId, Recorded};
use prost_types::{Struct, Value, value};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::attempts::{invalid, org_id};
use super::auth::{Auth, unavailable};
use super::error::{ApiError, Code};
use super::policies::timestamp;
use super::roles::Permission::EventsRead;
use super::{Api, Meta};
use crate::proto::portcullis::v1 as proto;

/// How many events wait for a subscriber.
const QUEUE: usize = 64;
/// How often it is looked whether a subscriber may still see what it sees.
const AGAIN: Duration = Duration::from_secs(5);

/// Events, or why there are no more.
pub type Events = Pin<Box<dyn Stream<Item = Result<proto::Event, ApiError>> + Send>>;

/// Who follows the events.
#[derive(Clone, Debug)]
pub(super) struct Subscribers {
    places: Arc<Semaphore>,
    ended: watch::Sender<bool>,
}

impl Subscribers {
    pub(super) fn new(most: usize) -> Self {
        let places = Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)));
        Self { places, ended: watch::Sender::new(false) }
    }

    pub(super) fn end(&self) {
        self.ended.send_replace(true);
    }

    /// Waits for the end.
    fn ended(&self) -> impl Future<Output = ()> + Send + use<> {
        let mut ended = self.ended.subscribe();
        async move {
            // An error is the end of the server too.
            let _ = ended.wait_for(|ended| *ended).await;
        }
    }
}

/// The events after a position.
///
/// # Errors
///
/// The caller's, of a position that is pruned or yet to come, of too many subscribers, the journal's;
/// in the stream also of a subscriber who is too slow, or may see them no more.
pub async fn stream_events(
    api: &Api,
    meta: &Meta,
    request: proto::StreamEventsRequest,
) -> Result<Events, ApiError> {
    let auth = api.authenticate(meta).await?;
    let org = (!request.org_id.is_empty()).then(|| org_id(&request.org_id)).transpose()?;
    let seen = Seen { org };
    seen.may(&auth)?;
    let head = api.engine.health().position;
    let after = match meta.last_event_id.as_deref().filter(|id| !id.is_empty()) {
        Some(id) => id.parse().map_err(|_| invalid("Last-Event-ID", "it is no position"))?,
        None => request.after.unwrap_or(head),
    };
    if after > head {
        let text = format!("there are no events after {after} yet: the newest is {head}");
        return Err(ApiError::plain(Code::FailedPrecondition, text));
    }
    let Ok(place) = Arc::clone(&api.subscribers.places).try_acquire_owned() else {
        let text = "too many follow the events, try again later";
        return Err(ApiError::plain(Code::ResourceExhausted, text));
    };
    let mut events = Box::pin(api.engine.events_after(after));
    // What is there is looked at now, so that a position that was pruned is an error and no stream.
    let first = if after < head { events.next().await.transpose().map_err(fault)? } else { None };
    let (sender, receiver) = mpsc::channel(QUEUE);
    let why = Arc::new(OnceLock::new());
    let task = Subscriber {
        api: api.clone(),
        meta: meta.clone(),
        seen,
        sender,
        why: Arc::clone(&why),
        _place: place,
    };
    tokio::spawn(task.run(stream::iter(first.map(Ok)).chain(events)));
    Ok(received(receiver, why))
}

/// Which events.
struct Seen {
    /// Of this organization; without it, all.
    org: Option<OrgId>,
}

impl Seen {
    fn may(&self, auth: &Auth) -> Result<(), ApiError> {
        match &self.org {
            Some(org) => auth.require(EventsRead, org),
            None => auth.require_everywhere(EventsRead),
        }
    }

    fn has(&self, recorded: &Recorded) -> bool {
        match (&self.org, &recorded.aggregate) {
            (None, _) => true,
            (Some(_), Aggregate::Instance(_)) => false,
            (Some(wanted), Aggregate::Org(org) | Aggregate::User { org, .. }) => org == wanted,
        }
    }
}

/// One who follows the events.
struct Subscriber {
    api: Api,
    meta: Meta,
    seen: Seen,
    sender: mpsc::Sender<proto::Event>,
    why: Arc<OnceLock<ApiError>>,
    _place: OwnedSemaphorePermit,
}

impl Subscriber {
    /// Hands events on until there is a reason not to.
    async fn run(self, events: impl Stream<Item = Result<Recorded, JournalError>> + Send) {
        if let Err(error) = self.hand_on(events).await {
            // Told once what is queued has been read.
            let _ = self.why.set(error);
        }
    }

    async fn hand_on(
        &self,
        events: impl Stream<Item = Result<Recorded, JournalError>> + Send,
    ) -> Result<(), ApiError> {
        let mut events = pin!(events);
        let mut ended = pin!(self.api.subscribers.ended());
        let mut clock = tokio::time::interval(AGAIN);
        loop {
            let recorded = tokio::select! {
                biased;
                () = &mut ended => return Ok(()),
                () = self.sender.closed() => return Ok(()),
                _ = clock.tick() => {
                    self.check().await?;
                    continue;
                }
                event = events.next() => match event {
                    None => return Ok(()),
                    Some(recorded) => recorded.map_err(fault)?,
                }
            };
            // A check of a factor takes nobody's right away; anything else may.
            if !matches!(recorded.event, Event::CheckFailed { .. } | Event::CheckSucceeded { .. }) {
                self.check().await?;
            }
            if self.seen.has(&recorded) {
                tokio::select! {
                    biased;
                    () = &mut ended => return Ok(()),
                    sent = self.send(message(&recorded)) => sent?,
                }
            }
        }
    }

    /// Whether the subscriber may still see these events.
    async fn check(&self) -> Result<(), ApiError> {
        self.seen.may(&self.api.authenticate(&self.meta).await?)
    }

    async fn send(&self, event: proto::Event) -> Result<(), ApiError> {
        let patience = self.api.settings.subscriber_timeout;
        match self.sender.send_timeout(event, patience).await {
            Err(mpsc::error::SendTimeoutError::Timeout(_)) => {
                counter!("portcullis_subscribers_cut_off_total").increment(1);
                let text = "events were left unread for too long: begin again after the last one";
                Err(ApiError::plain(Code::ResourceExhausted, text))
            }
            // Nobody reads any more: the next turn of the loop ends.
            Ok(()) | Err(mpsc::error::SendTimeoutError::Closed(_)) => Ok(()),
        }
    }
}

/// What was queued, and then why there is no more.
fn received(receiver: mpsc::Receiver<proto::Event>, why: Arc<OnceLock<ApiError>>) -> Events {
    Box::pin(stream::unfold(Some((receiver, why)), |state| async move {
        let (mut receiver, why) = state?;
        match receiver.recv().await {
            Some(event) => Some((Ok(event), Some((receiver, why)))),
            None => why.get().map(|error| (Err(error.clone()), None)),
        }
    }))
}

fn fault(error: JournalError) -> ApiError {
    match error {
        JournalError::Pruned { oldest } => {
            let after = oldest.saturating_sub(1);
            let text = format!("older events are gone: the oldest come after {after}");
            ApiError::plain(Code::FailedPrecondition, text)
        }
        other => unavailable(other),
    }
}

fn message(recorded: &Recorded) -> proto::Event {
    let (org, user) = match &recorded.aggregate {
        Aggregate::Instance(_) => ("", ""),
        Aggregate::Org(org) => (org.as_str(), ""),
        Aggregate::User { org, user } => (org.as_str(), user.as_str()),
    };
    proto::Event {
        position: recorded.position,
        sequence: recorded.sequence,
        at: Some(timestamp(recorded.at)),
        actor: recorded.actor.to_string(),
        r#type: String::from(recorded.event.type_name()),
        org_id: String::from(org),
        user_id: String::from(user),
        payload: recorded.event.payload().map(|payload| payload_of(&payload)),
    }
}

/// A payload, without what is kept of secrets.
fn payload_of(text: &str) -> Struct {
    const SECRET: &str = "hash";
    let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(text) else {
        // A host's own; ours are objects.
        let fields = [(String::from("text"), value_of(text.into()))].into();
        return Struct { fields };
    };
    let told = fields.into_iter().filter(|(name, _)| name != SECRET);
    Struct { fields: told.map(|(name, value)| (name, value_of(value))).collect() }
}

fn value_of(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match value {
        Json::Null => value::Kind::NullValue(0),
        Json::Bool(it) => value::Kind::BoolValue(it),
        Json::Number(it) => value::Kind::NumberValue(it.as_f64().unwrap_or_default()),
        Json::String(it) => value::Kind::StringValue(it),
        Json::Array(it) => value::Kind::ListValue(prost_types::ListValue {
            values: it.into_iter().map(value_of).collect(),
        }),
        Json::Object(it) => value::Kind::StructValue(Struct {
            fields: it.into_iter().map(|(name, value)| (name, value_of(value))).collect(),
        }),
    };
    Value { kind: Some(kind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_told_without_the_hash_of_a_token() {
        let told = payload_of(r#"{"tokenId":"1","hash":"ab","n":[1,null,{"b":true}]}"#);
        assert_eq!(told.fields.keys().collect::<Vec<_>>(), ["n", "tokenId"]);
        let told = payload_of("not json");
        assert_eq!(told.fields.keys().collect::<Vec<_>>(), ["text"]);
    }
}
