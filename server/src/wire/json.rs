//! Messages as JSON: ZITADEL's rules, which are proto3's with defaults left out and unknown fields
//! passed over. One module for every message: it goes by their descriptors.

use axum::body::Bytes;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, MessageDescriptor, SerializeOptions};
use serde_json::Deserializer;

use crate::api::error::{ApiError, Code};

/// Reads a message. No text at all is an empty message.
pub(super) fn read(kind: &MessageDescriptor, text: &[u8]) -> Result<DynamicMessage, ApiError> {
    if text.trim_ascii().is_empty() {
        return Ok(DynamicMessage::new(kind.clone()));
    }
    let invalid = |error: String| ApiError::plain(Code::InvalidArgument, error);
    // Checked as a whole: the text of unknown fields is not looked at below.
    let text = std::str::from_utf8(text).map_err(|error| invalid(error.to_string()))?;
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let mut json = Deserializer::from_str(text);
    DynamicMessage::deserialize_with_options(kind.clone(), &mut json, &options)
        .and_then(|message| json.end().map(|()| message))
        .map_err(|error| invalid(error.to_string()))
}

/// Writes a message that was encoded as protobuf.
pub(super) fn write(kind: &MessageDescriptor, message: Bytes) -> Result<Bytes, ApiError> {
    let internal = |error: String| ApiError::plain(Code::Internal, error);
    let message = DynamicMessage::decode(kind.clone(), message)
        .map_err(|error| internal(error.to_string()))?;
    let mut json = serde_json::Serializer::new(Vec::new());
    message
        .serialize_with_options(&mut json, &SerializeOptions::new())
        .map_err(|error| internal(error.to_string()))?;
    Ok(json.into_inner().into())
}

/// A message as protobuf.
pub(super) fn encode(message: &DynamicMessage) -> Bytes {
    message.encode_to_vec().into()
}
