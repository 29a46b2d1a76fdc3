//! Server-sent events: how a browser, or `curl -N`, reads a stream.

use std::convert::Infallible;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt};
use prost::Message;
use prost_reflect::MessageDescriptor;

use super::super::call::{Messages, Route};
use super::super::{error, json};
use crate::api::error::ApiError;
use crate::proto::portcullis::v1 as proto;

/// A line that says nothing is sent this often, so that whoever is in between keeps the connection.
const STILL_HERE: Duration = Duration::from_secs(15);

/// The stream. Why it ends, if not by the server's end, is its last event, of the type `error`.
pub(super) fn response(messages: Messages, route: &Route) -> Response {
    let kind = route.output.clone();
    Sse::new(events(messages, kind))
        .keep_alive(KeepAlive::new().interval(STILL_HERE))
        .into_response()
}

fn events(
    messages: Messages,
    kind: MessageDescriptor,
) -> impl Stream<Item = Result<Event, Infallible>> + Send {
    messages.map(move |message| {
        let event = message.and_then(|message| event(&message, &kind));
        Ok(event.unwrap_or_else(|error| {
            Event::default().event("error").data(text(&error::body(&error)))
        }))
    })
}

/// The id is what a client that comes again sends as `last-event-id`.
fn event(message: &[u8], kind: &MessageDescriptor) -> Result<Event, ApiError> {
    let proto::Event { position, r#type, .. } = proto::Event::decode(message).unwrap_or_default();
    let data = json::write(kind, message)?;
    // A type is the host's word, and a line's end in it would end the event.
    let name: String = r#type.chars().filter(|it| !it.is_control()).collect();
    Ok(Event::default().id(position.to_string()).event(name).data(text(&data)))
}

/// JSON has no line's end outside of its escapes.
fn text(json: &[u8]) -> String {
    String::from_utf8_lossy(json).into_owned()
}
