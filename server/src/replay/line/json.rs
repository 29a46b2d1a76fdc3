//! The general reader: any JSON object.
//!
//! Values are checked where they are deserialized: so the reader knows the column of a bad one, and
//! no text is copied that is not kept.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use super::text::{FromText, Key};
use super::{Attempt, Fields};

impl<'de> Deserialize<'de> for Attempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(AttemptVisitor)
    }
}

/// By hand, as a derived one would take an array for an object.
struct AttemptVisitor;

impl<'de> Visitor<'de> for AttemptVisitor {
    type Value = Attempt;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object that tells an attempt")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Attempt, A::Error> {
        let mut fields = Fields::default();
        while let Some(Read(key)) = map.next_key()? {
            match key {
                Key::At => fill(&mut fields.at, "at", &mut map)?,
                Key::Org => fill(&mut fields.org, "org", &mut map)?,
                Key::User => fill(&mut fields.user, "user", &mut map)?,
                Key::Factor => fill(&mut fields.factor, "factor", &mut map)?,
                Key::Outcome => fill(&mut fields.outcome, "outcome", &mut map)?,
                Key::Other => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        fields.attempt().map_err(de::Error::missing_field)
    }
}

/// Takes a field's value; a field given twice would leave open which one was meant.
fn fill<'de, T: FromText, A: MapAccess<'de>>(
    field: &mut Option<T>,
    name: &'static str,
    map: &mut A,
) -> Result<(), A::Error> {
    if field.is_some() {
        return Err(de::Error::duplicate_field(name));
    }
    let Read(value) = map.next_value()?;
    *field = Some(value);
    Ok(())
}

/// A JSON string that has been read as what it stands for.
struct Read<T>(T);

impl<'de, T: FromText> Deserialize<'de> for Read<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TextVisitor(PhantomData)).map(Read)
    }
}

struct TextVisitor<T>(PhantomData<T>);

impl<T: FromText> Visitor<'_> for TextVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(T::WHAT)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        T::from_text(text).map_err(E::custom)
    }
}
