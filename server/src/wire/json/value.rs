//! Single values as JSON has them.

use std::fmt;
use std::marker::PhantomData;
use std::num::{ParseIntError, TryFromIntError};
use std::str::FromStr;

use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use base64::{DecodeError, Engine as _};
use prost_reflect::EnumDescriptor;
use serde::de::{Error, Visitor};

use super::read::delimited;
use super::shape::Field;

/// A text, which is encoded at once.
pub(super) struct Text<'v> {
    pub(super) field: &'v Field,
    pub(super) into: &'v mut Vec<u8>,
}

impl Visitor<'_> for Text<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        if !text.is_empty() || self.field.has_default {
            delimited(self.field.number, text.as_bytes(), self.into);
        }
        Ok(())
    }
}

/// Bytes in either alphabet of base64, with or without its padding.
pub(super) struct Base64<'v> {
    pub(super) field: &'v Field,
    pub(super) into: &'v mut Vec<u8>,
}

impl Visitor<'_> for Base64<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a base64-encoded string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
            .with_decode_allow_trailing_bits(true)
            .with_decode_padding_mode(DecodePaddingMode::Indifferent);
        let decode = |of| GeneralPurpose::new(of, LENIENT).decode(text);
        let decoded = match decode(&alphabet::STANDARD) {
            Err(DecodeError::InvalidByte(_, b'-' | b'_')) => decode(&alphabet::URL_SAFE),
            decoded => decoded,
        };
        let bytes =
            decoded.map_err(|error| Error::custom(format_args!("invalid base64: {error}")))?;
        if !bytes.is_empty() || self.field.has_default {
            delimited(self.field.number, &bytes, self.into);
        }
        Ok(())
    }
}

pub(super) struct Truth;

impl Visitor<'_> for Truth {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a boolean")
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<bool, E> {
        Ok(value)
    }
}

/// One of an enum, by its name or number; a name that there is not counts as nothing.
pub(super) struct Named<'s>(pub(super) &'s EnumDescriptor);

impl Visitor<'_> for Named<'_> {
    type Value = Option<i32>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string or integer")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Option<i32>, E> {
        Ok(self.0.get_value_by_name(name).map(|value| value.number()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<i32>, E> {
        number.try_into().map(Some).map_err(Error::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<i32>, E> {
        number.try_into().map(Some).map_err(Error::custom)
    }
}

/// A number that is not negative: as such, as a text, or with a fraction of zero.
pub(super) struct Number<T>(pub(super) PhantomData<T>);

/// The integers that a number may be.
pub(super) trait Unsigned:
    FromStr<Err = ParseIntError>
    + TryFrom<u64, Error: fmt::Display>
    + TryFrom<i64, Error = TryFromIntError>
{
    const BITS: u32;
    const MOST: f64;
}

impl Unsigned for u32 {
    const BITS: u32 = 32;
    const MOST: f64 = 4_294_967_295.0;
}

impl Unsigned for u64 {
    const BITS: u32 = 64;
    const MOST: f64 = 18_446_744_073_709_551_616.0;
}

impl<T: Unsigned> Visitor<'_> for Number<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {}-bit unsigned integer or decimal string", T::BITS)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(Error::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<T, E> {
        number.try_into().map_err(Error::custom)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<T, E> {
        number.try_into().map_err(Error::custom)
    }

    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "it was seen to have no fraction and to be in range"
    )]
    fn visit_f64<E: Error>(self, number: f64) -> Result<T, E> {
        if number.fract() != 0.0 {
            return Err(Error::custom("expected integer value"));
        }
        if !(0.0..=T::MOST).contains(&number) {
            return Err(Error::custom("float value out of range"));
        }
        (number as u64).try_into().map_err(Error::custom)
    }
}
