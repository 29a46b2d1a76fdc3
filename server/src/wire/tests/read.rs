//! Every request there is, right and wrong, read by our reader and by another.

#![allow(
    clippy::arithmetic_side_effects,
    clippy::cast_possible_truncation,
    reason = "numbers are drawn, and small where they must be"
)]

use proptest::prelude::*;
use prost::Message;
use prost_reflect::{DeserializeOptions, DynamicMessage, Kind, MessageDescriptor};
use serde_json::{Deserializer, Value, json};

use super::written::Draw;
use crate::wire::call::Route;
use crate::wire::calls::CALLS;
use crate::wire::json;

/// What a field may be given that it does not ask for.
const ODD: [&str; 24] = [
    "null",
    "0",
    "7",
    "-1",
    "-0.0",
    "3.0",
    "3.5",
    "1e3",
    "1e30",
    "\"7\"",
    "\"-1\"",
    "\"+1\"",
    "\"x\"",
    "\"\"",
    "true",
    "[]",
    "[null]",
    "[[]]",
    "{}",
    "4294967295",
    "4294967296",
    "18446744073709551615",
    "18446744073709551616",
    "\"2026-01-02T03:04:05+02:00\"",
];

impl Draw {
    fn one<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len() as u64) as usize]
    }

    /// An object with fields of a message, some more than once.
    fn object(&mut self, kind: &MessageDescriptor, depth: u64) -> String {
        let fields: Vec<_> = kind.fields().collect();
        let mut members = Vec::new();
        for _ in 0..self.below(5) {
            let Some(field) = fields.get(self.below(fields.len() as u64 + 1) as usize) else {
                members.push(format!("\"unknown\":{}", self.one(&ODD)));
                continue;
            };
            let name = if self.below(2) > 0 { field.name() } else { field.json_name() };
            let value = if self.below(8) == 0 {
                String::from(self.one(&ODD))
            } else if field.is_list() {
                let number = self.below(4);
                let values: Vec<_> = (0..number).map(|_| self.json(&field.kind(), depth)).collect();
                format!("[{}]", values.join(","))
            } else {
                self.json(&field.kind(), depth)
            };
            members.push(format!("{}:{value}", json!(name)));
        }
        format!("{{{}}}", members.join(" ,\n"))
    }

    fn json(&mut self, kind: &Kind, depth: u64) -> String {
        match kind {
            Kind::String => json!(self.text()).to_string(),
            Kind::Enum(kind) => {
                let names: Vec<_> = kind.values().map(|it| json!(it.name()).to_string()).collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                String::from(if self.below(4) > 0 { self.one(&names) } else { self.one(&ODD) })
            }
            Kind::Message(kind) if kind.full_name() == "google.protobuf.Timestamp" => {
                String::from(self.one(&["\"2026-01-02T03:04:05.5Z\"", "\"2026-01-02\"", "5"]))
            }
            Kind::Message(kind) if depth > 0 => self.object(kind, depth - 1),
            Kind::Message(_) => String::from("{}"),
            Kind::Bytes => {
                const TEXTS: [&str; 8] = ["", "YQ==", "YQ", "YR==", "-_8=", "+/8", "Y", "a b"];
                json!(self.one(&TEXTS)).to_string()
            }
            Kind::Bool => String::from(self.one(&["true", "false"])),
            _ => String::from(self.one(&ODD[..6])),
        }
    }
}

fn expected(kind: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let options = DeserializeOptions::new().deny_unknown_fields(false);
    let mut json = Deserializer::from_str(text);
    DynamicMessage::deserialize_with_options(kind.clone(), &mut json, &options)
        .and_then(|message| json.end().map(|()| message))
        .map_err(|error| error.to_string())
}

fn read(kind: &MessageDescriptor, text: &str) -> Result<DynamicMessage, String> {
    let bytes = json::read(kind, text.as_bytes()).map_err(|error| error.to_string())?;
    Ok(DynamicMessage::decode(kind.clone(), bytes.as_slice()).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn every_request_is_read_as_its_description_says(first in any::<u64>()) {
        let mut draw = Draw(first);
        for route in CALLS.iter().filter_map(Route::new) {
            let text = draw.object(&route.input, 4);
            let (read, expected) = (read(&route.input, &text), expected(&route.input, &text));
            // Defaults that are given are defaults.
            let encoded = |it: Result<DynamicMessage, String>| it.map(|it| it.encode_to_vec());
            prop_assert_eq!(encoded(read), encoded(expected), "{:?} {}", route, text);
        }
    }
}

#[test]
fn the_reader_knows_all_kinds_that_requests_have() {
    let mut kinds: Vec<_> = CALLS.iter().filter_map(Route::new).map(|route| route.input).collect();
    let mut at = 0;
    while let Some(kind) = kinds.get(at).cloned() {
        at += 1;
        for field in kind.fields() {
            let value = match field.kind() {
                Kind::Message(inner) if inner.full_name().starts_with("google.") => continue,
                Kind::Message(inner) => {
                    if !kinds.contains(&inner) {
                        kinds.push(inner);
                    }
                    json!({})
                }
                Kind::String => json!("a"),
                Kind::Bytes => json!("YQ=="),
                Kind::Bool => json!(true),
                _ => json!(1),
            };
            let value = if field.is_list() { Value::from(vec![value]) } else { value };
            let text = json!({ field.json_name(): value }).to_string();
            assert_ne!(json::read(&kind, text.as_bytes()).unwrap(), b"", "{kind:?} {text}");
        }
    }
}
