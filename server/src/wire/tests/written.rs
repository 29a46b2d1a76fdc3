//! The text of every message there is, beside that of another writer.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "numbers are drawn, and small where they must be"
)]

use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};

use crate::wire::call::DESCRIPTORS;
use crate::wire::json;

/// Draws numbers, each of which follows from the first.
pub(super) struct Draw(pub(super) u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// A number of any length.
    fn number(&mut self) -> u64 {
        self.next() >> self.below(64)
    }

    pub(super) fn text(&mut self) -> String {
        const SIGNS: [char; 12] =
            ['a', 'Z', '"', '\\', '/', '\n', '\0', '\u{7f}', 'ß', '\u{2028}', '😀', '{'];
        (0..self.below(6)).map(|_| SIGNS[self.below(12) as usize]).collect()
    }

    /// A message with some of its fields, and messages in it down to a depth.
    fn message(&mut self, kind: &MessageDescriptor, depth: u64) -> DynamicMessage {
        let mut message = DynamicMessage::new(kind.clone());
        match kind.full_name() {
            "google.protobuf.Timestamp" => {
                let seconds = self.below(315_537_897_600).cast_signed() - 62_135_596_800;
                let unit = [1, 1_000, 1_000_000, 1_000_000_000][self.below(4) as usize];
                let nanos = self.below(1_000_000_000) / unit * unit;
                message.set_field_by_name("seconds", Value::I64(seconds));
                message.set_field_by_name("nanos", Value::I32(nanos as i32));
            }
            "google.protobuf.Any" => {
                let kinds: Vec<_> = DESCRIPTORS.all_messages().collect();
                let inner = match depth {
                    0 => DESCRIPTORS.get_message_by_name("google.protobuf.Struct").unwrap(),
                    _ => kinds[self.below(kinds.len() as u64) as usize].clone(),
                };
                let url = format!("type.googleapis.com/{}", inner.full_name());
                let value = self.message(&inner, depth.saturating_sub(1)).encode_to_vec();
                message.set_field_by_name("type_url", Value::String(url));
                message.set_field_by_name("value", Value::Bytes(value.into()));
            }
            _ => {
                for field in kind.fields().filter(|_| self.below(3) > 0).collect::<Vec<_>>() {
                    if let Some(value) = self.field(&field, depth) {
                        message.set_field(&field, value);
                    }
                }
            }
        }
        message
    }

    fn field(&mut self, field: &FieldDescriptor, depth: u64) -> Option<Value> {
        let many = self.below(4);
        if field.is_map() {
            let Kind::Message(entry) = field.kind() else { unreachable!() };
            let entries = (0..many).filter_map(|_| {
                let value = self.value(&entry.map_entry_value_field().kind(), depth)?;
                Some((MapKey::String(self.text()), value))
            });
            return Some(Value::Map(entries.collect()));
        }
        if field.is_list() {
            let values = (0..many).filter_map(|_| self.value(&field.kind(), depth));
            return Some(Value::List(values.collect()));
        }
        self.value(&field.kind(), depth)
    }

    fn value(&mut self, kind: &Kind, depth: u64) -> Option<Value> {
        Some(match kind {
            Kind::Double => {
                Value::F64(Some(f64::from_bits(self.next())).filter(|it| it.is_finite())?)
            }
            Kind::Bool => Value::Bool(self.below(2) > 0),
            Kind::Int32 => Value::I32((self.number() as i32).wrapping_mul(self.sign() as i32)),
            Kind::Int64 => Value::I64(self.number().cast_signed().wrapping_mul(self.sign())),
            Kind::Uint32 => Value::U32(self.number() as u32),
            Kind::Uint64 => Value::U64(self.number()),
            Kind::String => Value::String(self.text()),
            Kind::Bytes => Value::Bytes(self.text().into_bytes().into()),
            Kind::Enum(kind) => {
                let numbers: Vec<_> = kind.values().map(|value| value.number()).collect();
                let at = self.below(numbers.len() as u64 + 1) as usize;
                Value::EnumNumber(numbers.get(at).copied().unwrap_or(99_999))
            }
            Kind::Message(_) if depth == 0 => return None,
            Kind::Message(kind) => Value::Message(self.message(kind, depth - 1)),
            kind => panic!("{kind:?} is new: the writer has to learn it"),
        })
    }

    fn sign(&mut self) -> i64 {
        if self.below(2) > 0 { -1 } else { 1 }
    }
}

/// The text by the messages' own description, and not by the table.
fn expected(message: &DynamicMessage) -> String {
    serde_json::to_string(message).unwrap()
}

fn written(kind: &MessageDescriptor, bytes: &[u8]) -> String {
    String::from_utf8(json::write(kind, bytes).unwrap().to_vec()).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn every_message_is_written_as_its_description_says(first in any::<u64>()) {
        let mut draw = Draw(first);
        for kind in DESCRIPTORS.all_messages() {
            let message = draw.message(&kind, 4);
            let expected = expected(&message);
            prop_assert_eq!(written(&kind, &message.encode_to_vec()), &*expected, "{:?}", kind);
            // Encoders may put fields in any order.
            let turned: Vec<_> = message.fields().map(|(field, value)| {
                let mut alone = DynamicMessage::new(kind.clone());
                alone.set_field(&field, value.clone());
                alone.encode_to_vec()
            }).collect();
            let turned: Vec<_> = turned.into_iter().rev().flatten().collect();
            prop_assert_eq!(written(&kind, &turned), expected, "{:?}", kind);
        }
    }
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let event = DESCRIPTORS.get_message_by_name("portcullis.v1.Event").unwrap();
    let wrong: [&[u8]; 7] = [
        // A length without its text, a text that is none, a key without a value, a group.
        b"\x22\x05ada",
        b"\x22\x01\xff",
        b"\x08",
        b"\x0b\x0c",
        // A time in the year 10000.
        b"\x1a\x07\x08\x80\x83\xd1\xff\xaf\x07",
        // {"": NaN} and a number that ends too early.
        b"\x42\x0f\x0a\x0d\x12\x0b\x11\x00\x00\x00\x00\x00\x00\xf8\x7f",
        b"\x42\x05\x0a\x03\x12\x01\x11",
    ];
    for bytes in wrong {
        assert!(json::write(&event, bytes).is_err(), "{bytes:x?}");
    }
}
