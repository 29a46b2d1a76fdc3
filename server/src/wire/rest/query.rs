//! Queries as messages: `ctx.orgId=1` sets the field `org_id` of the message `ctx`. Names that the
//! message does not have are passed over.

use percent_encoding::percent_decode_str;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, ReflectMessage, Value};

use crate::api::error::{ApiError, Code};

/// Sets what a query sets.
pub(super) fn bind(message: &mut DynamicMessage, query: &str) -> Result<(), ApiError> {
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        set(message, &decode(name)?, &decode(value)?)?;
    }
    Ok(())
}

fn decode(text: &str) -> Result<String, ApiError> {
    let text = text.replace('+', " ");
    let text = percent_decode_str(&text).decode_utf8();
    text.map(Into::into).map_err(|_| invalid("the query is not valid UTF-8"))
}

fn set(message: &mut DynamicMessage, name: &str, text: &str) -> Result<(), ApiError> {
    let (first, rest) =
        name.split_once('.').map_or((name, None), |(first, rest)| (first, Some(rest)));
    let descriptor = message.descriptor();
    let found = descriptor.get_field_by_name(first);
    let Some(field) = found.or_else(|| descriptor.get_field_by_json_name(first)) else {
        return Ok(());
    };
    if let Some(rest) = rest {
        return match message.get_field_mut(&field) {
            Value::Message(inner) => set(inner, rest, text),
            _ => Err(invalid(format!("{first} has no fields"))),
        };
    }
    if message.has_field(&field) {
        return Err(invalid(format!("{name} is given more than once")));
    }
    if let Some(oneof) = field.containing_oneof()
        && oneof.fields().any(|other| message.has_field(&other))
    {
        return Err(invalid(format!("{name} excludes another field that is given")));
    }
    let value = value(&field, text).ok_or_else(|| invalid(format!("{name} cannot be {text:?}")))?;
    message.try_set_field(&field, value).map_err(|error| invalid(error.to_string()))
}

/// A single value; no call has a list in its query.
fn value(field: &FieldDescriptor, text: &str) -> Option<Value> {
    match field.kind() {
        Kind::String => Some(Value::String(text.to_owned())),
        Kind::Bool => match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(Value::Bool(true)),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(Value::Bool(false)),
            _ => None,
        },
        Kind::Uint32 => text.parse().ok().map(Value::U32),
        Kind::Uint64 => text.parse().ok().map(Value::U64),
        _ => None,
    }
}

fn invalid(text: impl Into<String>) -> ApiError {
    ApiError::plain(Code::InvalidArgument, text)
}
