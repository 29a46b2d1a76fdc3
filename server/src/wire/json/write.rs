//! From protobuf to JSON in one pass over the bytes, by a table of all messages.
//!
//! The bytes are an encoder's: a field that is no list is there once, and not at all if it is no more than
//! its default. Of the types with a JSON of their own the table knows those that the .proto files use, and
//! a test compares all of its messages with another writer.

use std::error::Error;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message as _;
use prost::bytes::Buf;
use prost::encoding::{WireType, decode_key, decode_length_delimiter, decode_varint};
use prost_types::{Any, Timestamp};
use serde::Serialize;

use super::shape::{Field, Form, Kind, Shape, Shapes};

pub(super) type Done = Result<(), Box<dyn Error + Send + Sync>>;

/// A value as it was encoded: a number, or bytes. One that is missing is zero and empty.
#[derive(Clone, Copy, Default)]
struct Raw<'a> {
    number: u64,
    bytes: &'a [u8],
}

impl<'a> Raw<'a> {
    fn read(wire: WireType, from: &mut &'a [u8]) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let number = match wire {
            WireType::Varint => decode_varint(from)?,
            WireType::SixtyFourBit => from.try_get_u64_le()?,
            WireType::ThirtyTwoBit => from.try_get_u32_le()?.into(),
            WireType::LengthDelimited => {
                let length = decode_length_delimiter(&mut *from)?;
                let (bytes, rest) = from.split_at_checked(length).ok_or("it ends too early")?;
                *from = rest;
                return Ok(Self { number: 0, bytes });
            }
            WireType::StartGroup | WireType::EndGroup => return Err("it has a group".into()),
        };
        Ok(Self { number, bytes: &[] })
    }
}

/// The text that is being written.
pub(super) struct Writer<'s> {
    pub(super) shapes: &'s Shapes,
    pub(super) text: Vec<u8>,
}

impl Writer<'_> {
    pub(super) fn message(&mut self, shape: &Shape, bytes: &[u8]) -> Done {
        match shape.form {
            Form::Object => {
                self.text.push(b'{');
                self.fields(shape, bytes)?;
                self.text.push(b'}');
            }
            Form::Bare(default) => match fields(shape, bytes)?.as_slice() {
                [] => self.text.extend_from_slice(default),
                found @ [(field, _), ..] => self.field(field, found)?,
            },
            Form::Timestamp => {
                const YEARS: std::ops::RangeInclusive<i64> = -62_135_596_800..=253_402_300_799;
                let time = Timestamp::decode(bytes)?;
                if !YEARS.contains(&time.seconds) {
                    return Err("the time is out of range".into());
                }
                self.json(&time.to_string())?;
            }
            Form::Any => {
                let Any { type_url, value } = Any::decode(bytes)?;
                let shape = type_url.rsplit_once('/').and_then(|(_, name)| self.shapes.of(name));
                let shape = shape.ok_or("the type of an Any is unknown")?;
                self.text.extend_from_slice(b"{\"@type\":");
                self.json(&type_url)?;
                if let Form::Object = shape.form {
                    self.fields(shape, &value)?;
                } else {
                    self.text.extend_from_slice(b",\"value\":");
                    self.message(shape, &value)?;
                }
                self.text.push(b'}');
            }
        }
        Ok(())
    }

    /// The fields of a message, as many as it has.
    fn fields(&mut self, shape: &Shape, bytes: &[u8]) -> Done {
        for found in fields(shape, bytes)?.chunk_by(|(one, _), (next, _)| one.number == next.number)
        {
            let Some((field, _)) = found.first() else { continue };
            self.comma();
            self.text.extend_from_slice(&field.key);
            self.field(field, found)?;
        }
        Ok(())
    }

    /// The value of a field, of all that was found of it.
    fn field(&mut self, field: &Field, found: &[(&Field, Raw<'_>)]) -> Done {
        if let Kind::Map(entry) = field.kind {
            return self.map(self.shapes.at(entry)?, found);
        }
        if !field.is_list {
            return found.last().map_or(Ok(()), |(_, raw)| self.value(&field.kind, *raw));
        }
        self.text.push(b'[');
        for (_, raw) in found {
            self.comma();
            self.value(&field.kind, *raw)?;
        }
        self.text.push(b']');
        Ok(())
    }

    /// In the order of the keys, all of which are texts.
    fn map(&mut self, entry: &Shape, found: &[(&Field, Raw<'_>)]) -> Done {
        let [key, value] = entry.fields.as_slice() else { return Err("it is no map".into()) };
        let mut entries = Vec::with_capacity(found.len());
        for (_, raw) in found {
            let parts = fields(entry, raw.bytes)?;
            let of = |field: &Field| parts.iter().find(|(part, _)| part.number == field.number);
            let of = |field| of(field).map(|(_, raw)| *raw).unwrap_or_default();
            entries.push((of(key), of(value)));
        }
        entries.sort_by_key(|(key, _)| key.bytes);
        self.text.push(b'{');
        for (name, content) in entries {
            self.comma();
            self.value(&key.kind, name)?;
            self.text.push(b':');
            self.value(&value.kind, content)?;
        }
        self.text.push(b'}');
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "32 bits are in the lower half")]
    fn value(&mut self, kind: &Kind, Raw { number, bytes }: Raw<'_>) -> Done {
        match kind {
            Kind::Message(shape) => self.message(self.shapes.at(*shape)?, bytes),
            Kind::Map(_) => Err("a map is in a map".into()),
            Kind::Text => self.json(std::str::from_utf8(bytes)?),
            Kind::Bytes => self.json(&STANDARD.encode(bytes)),
            Kind::Bool => self.json(&(number != 0)),
            Kind::Signed => self.json(&(number as i32)),
            Kind::Unsigned => self.json(&(number as u32)),
            Kind::LongSigned => self.json(&number.cast_signed().to_string()),
            Kind::LongUnsigned => self.json(&number.to_string()),
            Kind::Double => match f64::from_bits(number) {
                number if number.is_finite() => self.json(&number),
                _ => Err("JSON has no such number".into()),
            },
            Kind::Null => self.json(&()),
            Kind::Enum(kind) => match kind.get_value(number as i32) {
                Some(value) => self.json(value.name()),
                None => self.json(&(number as i32)),
            },
        }
    }

    /// Sets apart what comes from what is there, if it is not the first.
    fn comma(&mut self) {
        if !matches!(self.text.last(), Some(b'{' | b'[')) {
            self.text.push(b',');
        }
    }

    fn json(&mut self, value: &(impl Serialize + ?Sized)) -> Done {
        Ok(serde_json::to_writer(&mut self.text, value)?)
    }
}

/// What a message has of the fields that its shape has, in their order.
fn fields<'s, 'a>(
    shape: &'s Shape,
    mut bytes: &'a [u8],
) -> Result<Vec<(&'s Field, Raw<'a>)>, Box<dyn Error + Send + Sync>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let (number, wire) = decode_key(&mut bytes)?;
        let mut raw = Raw::read(wire, &mut bytes)?;
        let Some(field) = shape.fields.iter().find(|field| field.number == number) else {
            continue;
        };
        match field.kind.packed() {
            Some(each) if wire == WireType::LengthDelimited => {
                while !raw.bytes.is_empty() {
                    found.push((field, Raw::read(each, &mut raw.bytes)?));
                }
            }
            _ => found.push((field, raw)),
        }
    }
    found.sort_by_key(|(field, _)| field.number);
    Ok(found)
}
