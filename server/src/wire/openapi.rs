//! The REST calls as a document for programs (`OpenAPI`), made of the table and the
//! descriptors that serve them.

use std::collections::BTreeMap;

use http::Method;
use prost_reflect::{Cardinality, EnumDescriptor, FieldDescriptor, Kind, MessageDescriptor};
use serde_json::{Map, Value, json};

use super::call::{Call, Route, Run};

/// The document.
pub(super) fn document(calls: &'static [Call]) -> Value {
    let mut schemas = Schemas::default();
    let mut paths: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for route in calls.iter().filter(|call| is_described(call)).filter_map(Route::new) {
        let operation = schemas.operation(&route);
        let verb = route.call.verb.as_str().to_ascii_lowercase();
        paths.entry(route.call.path).or_default().insert(verb, operation);
    }
    schemas.done.insert(String::from(ERROR), error());
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Portcullis",
            "description": "ZITADEL's lockout API, and attempts for login services. The stream of \
                events, GET /portcullis/v1/events, is not in this document.",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": schemas.done,
        },
    })
}

/// Streams are not: `OpenAPI` 3.1 has no words for server-sent events, and a program that goes through the
/// document would wait for the end of one.
fn is_described(call: &Call) -> bool {
    matches!(call.run, Run::Unary(_))
}

const ERROR: &str = "Error";

/// The schemas of the messages that have been met.
#[derive(Default)]
struct Schemas {
    done: BTreeMap<String, Value>,
}

impl Schemas {
    fn operation(&mut self, route: &Route) -> Value {
        let call = route.call;
        let mut parameters = vec![json!({
            "name": "x-zitadel-orgid",
            "in": "header",
            "description": "The organization that the call is about; the caller's own without it.",
            "schema": { "type": "string" },
        })];
        let in_path: Vec<_> = call
            .path
            .split('/')
            .filter_map(|part| part.strip_prefix('{').and_then(|part| part.strip_suffix('}')))
            .collect();
        parameters.extend(in_path.iter().map(|name| {
            json!({
                "name": name,
                "in": "path",
                "required": true,
                "schema": { "type": "string", "minLength": 1, "maxLength": 200 },
            })
        }));
        let mut operation = json!({
            "operationId": format!("{}.{}", call.service, call.method),
            "tags": [call.service],
            "responses": {
                "200": self.response("Done.", &route.output),
                "default": {
                    "description": "Not done: code, text and id tell why.",
                    "content": content(&reference(ERROR)),
                },
            },
        });
        let Some(fields) = operation.as_object_mut() else { return operation };
        if [Method::POST, Method::PUT].contains(&call.verb) {
            let schema = self.reference_to(&route.input);
            fields.insert(String::from("requestBody"), json!({ "content": content(&schema) }));
        } else {
            self.query(&route.input, &in_path, "", &mut parameters);
        }
        fields.insert(String::from("parameters"), parameters.into());
        operation
    }

    fn response(&mut self, description: &str, message: &MessageDescriptor) -> Value {
        json!({ "description": description, "content": content(&self.reference_to(message)) })
    }

    /// The fields of a message as parameters of the query, those of inner messages by dots.
    fn query(
        &mut self,
        message: &MessageDescriptor,
        in_path: &[&str],
        prefix: &str,
        parameters: &mut Vec<Value>,
    ) {
        for field in message.fields().filter(|field| !in_path.contains(&field.name())) {
            let name = format!("{prefix}{}", field.json_name());
            match field.kind() {
                Kind::Message(inner) => {
                    self.query(&inner, in_path, &format!("{name}."), parameters);
                }
                _ => parameters.push(json!({
                    "name": name,
                    "in": "query",
                    "schema": self.field(&field),
                })),
            }
        }
    }

    fn reference_to(&mut self, message: &MessageDescriptor) -> Value {
        let name = message.full_name();
        if !self.done.contains_key(name) {
            // First, for a message may have itself in it.
            self.done.insert(name.to_owned(), Value::Null);
            let fields = message.fields();
            let properties: Map<_, _> =
                fields.map(|field| (field.json_name().to_owned(), self.field(&field))).collect();
            let schema = json!({ "type": "object", "properties": properties });
            self.done.insert(name.to_owned(), schema);
        }
        reference(name)
    }

    fn field(&mut self, field: &FieldDescriptor) -> Value {
        let one = self.kind(&field.kind());
        if field.cardinality() == Cardinality::Repeated {
            return json!({ "type": "array", "items": one });
        }
        one
    }

    fn kind(&mut self, kind: &Kind) -> Value {
        match kind {
            Kind::Bool => json!({ "type": "boolean" }),
            Kind::Uint32 | Kind::Fixed32 => {
                json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX })
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                json!({ "type": "integer", "minimum": i32::MIN, "maximum": i32::MAX })
            }
            // As a text, for a number of JavaScript's does not hold all of them.
            Kind::Uint64 | Kind::Fixed64 => json!({ "type": "string", "pattern": "^[0-9]+$" }),
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                json!({ "type": "string", "pattern": "^-?[0-9]+$" })
            }
            Kind::Float | Kind::Double => json!({ "type": "number" }),
            Kind::String => json!({ "type": "string" }),
            Kind::Bytes => json!({ "type": "string", "contentEncoding": "base64" }),
            Kind::Enum(values) => enumeration(values),
            Kind::Message(message) if message.full_name() == "google.protobuf.Timestamp" => {
                json!({ "type": "string", "format": "date-time" })
            }
            Kind::Message(message) => self.reference_to(message),
        }
    }
}

/// The form of every error: `google.rpc.Status` with details that say their own type.
fn error() -> Value {
    let detail = json!({
        "type": "object",
        "properties": {
            "@type": { "type": "string" },
            "id": { "type": "string" },
            "message": { "type": "string" },
        },
        "required": ["@type"],
    });
    json!({
        "type": "object",
        "properties": {
            "code": { "type": "integer", "minimum": 1, "maximum": 16 },
            "message": { "type": "string" },
            "details": { "type": "array", "items": detail },
        },
        "required": ["code", "message"],
    })
}

fn enumeration(values: &EnumDescriptor) -> Value {
    let names: Vec<_> = values.values().map(|value| value.name().to_owned()).collect();
    json!({ "type": "string", "enum": names })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::super::calls::CALLS;
    use super::*;

    /// With `PORTCULLIS_WRITE=1` it writes the document in place of comparing it.
    #[test]
    fn the_document_in_docs_is_the_one_that_is_served() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let text = serde_json::to_string_pretty(&document(CALLS)).unwrap() + "\n";
        if std::env::var_os("PORTCULLIS_WRITE").is_some() {
            fs::write(&file, &text).unwrap();
        }
        assert!(fs::read_to_string(&file).unwrap() == text, "{} is not true", file.display());
    }

    /// What is called v2beta has the lines of v2.
    #[test]
    fn docs_have_a_line_to_copy_for_every_call() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/api.md");
        let lines = fs::read_to_string(&file).unwrap();
        for call in CALLS.iter().filter(|call| !call.service.contains("v2beta")) {
            let mut path = call.path.replace("{id}", "$USER_ID");
            for (field, variable) in [
                ("{user_id}", "$USER_ID"),
                ("{org_id}", "$ORG_ID"),
                ("{attempt_id}", "$ATTEMPT_ID"),
            ] {
                path = path.replace(field, variable);
            }
            let verb = match call.verb.as_str() {
                "GET" | "POST" => String::from("curl -s -H"),
                other => format!("curl -s -X {other} -H"),
            };
            let has_body = call.verb == Method::POST || call.verb == Method::PUT;
            let is_its = |line: &&str| {
                line.starts_with(&verb)
                    && line.contains(&format!("\"$URL{path}\""))
                    && line.contains(" -d ") == has_body
            };
            assert_eq!(lines.lines().filter(is_its).count(), 1, "{} {path}", call.verb);
        }
    }

    #[test]
    fn every_call_and_every_message_that_it_names_is_in_it() {
        let document = document(CALLS);
        let operations: usize = document["paths"]
            .as_object()
            .unwrap()
            .values()
            .map(|it| it.as_object().unwrap().len())
            .sum();
        assert_eq!(operations, CALLS.iter().filter(|call| is_described(call)).count());
        let text = document.to_string();
        for part in text.split("\"#/components/schemas/").skip(1) {
            let name = part.split('"').next().unwrap();
            assert!(document["components"]["schemas"][name].is_object(), "{name}");
        }
    }
}
