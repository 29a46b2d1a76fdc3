//! From JSON to protobuf in one pass over the text, by the same table.
//!
//! The rules are those of `prost_reflect`, to the words of the errors, for the kinds of values that
//! requests have; a test compares the two. Messages with a JSON of their own are left to it.

use std::fmt;
use std::marker::PhantomData;

use prost::Message as _;
use prost::encoding::{WireType, encode_key, encode_varint};
use prost_reflect::{DeserializeOptions, DynamicMessage};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::shape::{Field, Form, Kind, Shape, Shapes};
use super::value::{Base64, Named, Number, Text, Truth};

/// Reads a message.
#[derive(Clone, Copy)]
pub(super) struct Whole<'s> {
    pub(super) shapes: &'s Shapes,
    pub(super) shape: &'s Shape,
}

impl<'de> DeserializeSeed<'de> for Whole<'_> {
    type Value = Vec<u8>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Vec<u8>, D::Error> {
        if let Form::Object = self.shape.form {
            return from.deserialize_map(self);
        }
        let options = DeserializeOptions::new().deny_unknown_fields(false);
        let kind = self.shape.kind.clone();
        let message = DynamicMessage::deserialize_with_options(kind, from, &options)?;
        Ok(message.encode_to_vec())
    }
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    /// Of a field that is given more than once the last value counts.
    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vec<u8>, A::Error> {
        let mut read: Vec<(&Field, Vec<u8>)> = Vec::new();
        while let Some(field) = map.next_key_seed(Name(self.shape))? {
            let Some(field) = field else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let Some(value) = map.next_value_seed(Content { shapes: self.shapes, field })? else {
                continue;
            };
            if let Some(oneof) = &field.oneof
                && read.iter().any(|(other, _)| other.oneof.as_ref() == Some(oneof))
            {
                let text = format!("multiple fields provided for oneof '{oneof}'");
                return Err(Error::custom(text));
            }
            read.retain(|(other, _)| other.number != field.number);
            read.push((field, value));
        }
        Ok(read.into_iter().flat_map(|(_, value)| value).collect())
    }
}

/// Reads a field's name; `None` if there is no such field.
struct Name<'s>(&'s Shape);

impl<'de, 's> DeserializeSeed<'de> for Name<'s> {
    type Value = Option<&'s Field>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_str(self)
    }
}

impl<'s> Visitor<'_> for Name<'s> {
    type Value = Option<&'s Field>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let fields = || self.0.fields.iter();
        let found = fields().find(|field| field.json_name == name);
        Ok(found.or_else(|| fields().find(|field| field.name == name)))
    }
}

/// Reads what a field has, encoded with its number; `None` if that is nothing.
#[derive(Clone, Copy)]
struct Content<'s> {
    shapes: &'s Shapes,
    field: &'s Field,
}

impl<'de> DeserializeSeed<'de> for Content<'_> {
    type Value = Option<Vec<u8>>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        from.deserialize_option(self)
    }
}

impl<'de> Visitor<'de> for Content<'_> {
    type Value = Option<Vec<u8>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.field.is_list { "a list" } else { "option" })
    }

    fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
        if self.field.is_list {
            return from.deserialize_any(self);
        }
        let mut into = Vec::new();
        let is_there = Single { of: self, into: &mut into }.deserialize(from)?;
        Ok(is_there.then_some(into))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut into = Vec::new();
        while list.next_element_seed(Single { of: self, into: &mut into })?.is_some() {}
        Ok(Some(into))
    }
}

/// Reads a single value; whether it is one.
struct Single<'s, 'v> {
    of: Content<'s>,
    into: &'v mut Vec<u8>,
}

impl<'de> DeserializeSeed<'de> for Single<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<bool, D::Error> {
        let Self { of: Content { shapes, field }, into } = self;
        let number = match &field.kind {
            Kind::Text => {
                from.deserialize_string(Text { field, into })?;
                return Ok(true);
            }
            Kind::Bytes => {
                from.deserialize_str(Base64 { field, into })?;
                return Ok(true);
            }
            Kind::Message(place) => {
                let shape = shapes.at(*place).map_err(Error::custom)?;
                let message = Whole { shapes, shape }.deserialize(from)?;
                delimited(field.number, &message, into);
                return Ok(true);
            }
            Kind::Enum(kind) => match from.deserialize_any(Named(kind))? {
                Some(number) => i64::from(number).cast_unsigned(),
                None => return Ok(false),
            },
            Kind::Bool => from.deserialize_any(Truth)?.into(),
            Kind::Unsigned => from.deserialize_any(Number::<u32>(PhantomData))?.into(),
            Kind::LongUnsigned => from.deserialize_any(Number::<u64>(PhantomData))?,
            _ => return Err(Error::custom("no request has such a field")),
        };
        if number != 0 || field.has_default {
            encode_key(field.number, WireType::Varint, into);
            encode_varint(number, into);
        }
        Ok(true)
    }
}

/// Writes a text or a message with its number.
pub(super) fn delimited(number: u32, bytes: &[u8], into: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, into);
    encode_varint(u64::try_from(bytes.len()).unwrap_or(u64::MAX), into);
    into.extend_from_slice(bytes);
}
