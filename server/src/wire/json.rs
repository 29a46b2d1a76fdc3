//! Messages as JSON: ZITADEL's rules, which are proto3's with defaults left out and unknown fields
//! passed over. One module for every message: it goes by their descriptors.

mod read;
mod shape;
mod value;
mod write;

use std::sync::LazyLock;

use axum::body::Bytes;
use prost_reflect::MessageDescriptor;
use serde::de::DeserializeSeed;
use serde_json::Deserializer;

use super::call::DESCRIPTORS;
use crate::api::error::{ApiError, Code};
use read::Whole;
use shape::{Shape, Shapes};
use write::Writer;

static SHAPES: LazyLock<Shapes> = LazyLock::new(|| Shapes::of_all(&DESCRIPTORS));

/// Reads a message, and encodes it as protobuf. No text at all is an empty message.
pub(super) fn read(kind: &MessageDescriptor, text: &[u8]) -> Result<Vec<u8>, ApiError> {
    if text.trim_ascii().is_empty() {
        return Ok(Vec::new());
    }
    let invalid = |error: String| ApiError::plain(Code::InvalidArgument, error);
    // Checked as a whole: the text of unknown fields is not looked at below.
    let text = std::str::from_utf8(text).map_err(|error| invalid(error.to_string()))?;
    let mut json = Deserializer::from_str(text);
    let read = Whole { shapes: &SHAPES, shape: shape(kind)? }.deserialize(&mut json);
    read.and_then(|message| json.end().map(|()| message))
        .map_err(|error| invalid(error.to_string()))
}

/// Sets a text of a message that was encoded as protobuf.
pub(super) fn set(
    message: &mut Vec<u8>,
    kind: &MessageDescriptor,
    name: &str,
    text: &str,
) -> Result<(), ApiError> {
    let missing = || ApiError::plain(Code::Internal, format!("there is no field {name}"));
    let field = kind.get_field_by_name(name).ok_or_else(missing)?;
    // What comes later counts.
    read::delimited(field.number(), text.as_bytes(), message);
    Ok(())
}

/// Writes a message that was encoded as protobuf.
pub(super) fn write(kind: &MessageDescriptor, message: &[u8]) -> Result<Bytes, ApiError> {
    let mut writer = Writer { shapes: &SHAPES, text: Vec::with_capacity(512) };
    let written = writer.message(shape(kind)?, message);
    written.map_err(|error| ApiError::plain(Code::Internal, error.to_string()))?;
    Ok(writer.text.into())
}

fn shape(kind: &MessageDescriptor) -> Result<&'static Shape, ApiError> {
    let missing = || ApiError::plain(Code::Internal, "there is no such message");
    SHAPES.of(kind.full_name()).ok_or_else(missing)
}
