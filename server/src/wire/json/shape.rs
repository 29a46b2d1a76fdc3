//! What has to be known of messages to read and write them: made once, of all descriptors.

use std::collections::HashMap;

use prost::encoding::WireType;
use prost_reflect::{DescriptorPool, EnumDescriptor, FieldDescriptor, MessageDescriptor};

/// The shapes of all messages.
pub(super) struct Shapes {
    names: HashMap<String, usize>,
    list: Vec<Shape>,
}

/// How messages of a type are read and written.
pub(super) struct Shape {
    pub(super) kind: MessageDescriptor,
    pub(super) form: Form,
    /// In the order of their numbers.
    pub(super) fields: Vec<Field>,
}

#[derive(Clone, Copy)]
pub(super) enum Form {
    Object,
    /// The value of whichever field there is, or this text.
    Bare(&'static [u8]),
    Timestamp,
    Any,
}

pub(super) struct Field {
    pub(super) number: u32,
    pub(super) name: String,
    pub(super) json_name: String,
    /// The name and the colon, as they are written.
    pub(super) key: Vec<u8>,
    pub(super) kind: Kind,
    pub(super) is_list: bool,
    /// Whether a value is encoded also where it is the default.
    pub(super) has_default: bool,
    /// The name of that of which no other may be given.
    pub(super) oneof: Option<String>,
}

/// The kinds of values that the .proto files use.
pub(super) enum Kind {
    Bool,
    Signed,
    Unsigned,
    LongSigned,
    LongUnsigned,
    Double,
    Text,
    Bytes,
    Null,
    Enum(EnumDescriptor),
    /// By its place in the list of shapes.
    Message(usize),
    /// By the place of its entries' shape.
    Map(usize),
}

impl Kind {
    /// How each of many is encoded if they are encoded as one.
    pub(super) fn packed(&self) -> Option<WireType> {
        match self {
            Self::Text | Self::Bytes | Self::Message(_) | Self::Map(_) => None,
            Self::Double => Some(WireType::SixtyFourBit),
            _ => Some(WireType::Varint),
        }
    }
}

impl Shapes {
    pub(super) fn of_all(pool: &DescriptorPool) -> Self {
        let messages: Vec<_> = pool.all_messages().collect();
        let name = |(at, message): (usize, &MessageDescriptor)| (message.full_name().into(), at);
        let names = messages.iter().enumerate().map(name).collect();
        let list = messages.iter().map(|message| shape(message, &names)).collect();
        Self { names, list }
    }

    pub(super) fn of(&self, name: &str) -> Option<&Shape> {
        self.list.get(*self.names.get(name)?)
    }

    pub(super) fn at(&self, place: usize) -> Result<&Shape, &'static str> {
        self.list.get(place).ok_or("there is no such message")
    }
}

fn shape(message: &MessageDescriptor, names: &HashMap<String, usize>) -> Shape {
    let form = match message.full_name() {
        "google.protobuf.Any" => Form::Any,
        "google.protobuf.Timestamp" => Form::Timestamp,
        "google.protobuf.Struct" => Form::Bare(b"{}"),
        "google.protobuf.ListValue" => Form::Bare(b"[]"),
        "google.protobuf.Value" => Form::Bare(b"null"),
        _ => Form::Object,
    };
    let field = |field: FieldDescriptor| {
        Some(Field {
            number: field.number(),
            name: String::from(field.name()),
            json_name: String::from(field.json_name()),
            key: format!("{}:", serde_json::Value::from(field.json_name())).into_bytes(),
            kind: kind(&field, names)?,
            is_list: field.is_list(),
            has_default: field.is_list() || field.supports_presence(),
            oneof: field.containing_oneof().map(|oneof| String::from(oneof.name())),
        })
    };
    let mut fields: Vec<_> = message.fields().filter_map(field).collect();
    fields.sort_by_key(|field| field.number);
    Shape { kind: message.clone(), form, fields }
}

fn kind(field: &FieldDescriptor, names: &HashMap<String, usize>) -> Option<Kind> {
    use prost_reflect::Kind as Described;
    Some(match field.kind() {
        Described::Bool => Kind::Bool,
        Described::Int32 => Kind::Signed,
        Described::Uint32 => Kind::Unsigned,
        Described::Int64 => Kind::LongSigned,
        Described::Uint64 => Kind::LongUnsigned,
        Described::Double => Kind::Double,
        Described::String => Kind::Text,
        Described::Bytes => Kind::Bytes,
        Described::Enum(kind) if kind.full_name() == "google.protobuf.NullValue" => Kind::Null,
        Described::Enum(kind) => Kind::Enum(kind),
        Described::Message(message) => {
            let place = *names.get(message.full_name())?;
            if field.is_map() { Kind::Map(place) } else { Kind::Message(place) }
        }
        _ => return None,
    })
}
