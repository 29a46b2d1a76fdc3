//! The ids that are numbers: most generators make ids of decimal digits, and such an id is compared in two
//! steps and hashed in a few.

/// The longest decimal that is taken for a number.
const MOST_DIGITS: usize = 19;

/// Those that make up the lower word; there are up to three before them.
const LOW_DIGITS: usize = 16;

/// A number of 1 to 19 decimal digits. Two texts with one number are one text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Number {
    /// The last sixteen digits, four bits a digit: those of the first eight and of the last eight take turns.
    pub(crate) low: u64,
    /// The up to three digits before them, a byte a digit, the last one in the lowest byte.
    pub(crate) high: u64,
}

/// The number that a text writes, if the text is the one way to write it: 1 to 19 digits, the first of
/// them no zero. `007` and `0` are no numbers.
#[inline]
pub(crate) fn number_of(text: &str) -> Option<Number> {
    let bytes = text.as_bytes();
    let Some((before, low)) = bytes.split_last_chunk() else {
        return Some(Number { low: of_few(bytes)?, high: 0 });
    };
    let first: &[u8; 4] = bytes.first_chunk()?;
    if before.len() > MOST_DIGITS - LOW_DIGITS || first[0] == b'0' {
        return None;
    }
    // Those before the sixteen are to be the upper word.
    let high = u64::from(u32::from_be_bytes(*first) ^ FOUR_ZEROS).wrapping_shl(bits(before)) >> 32;
    if above_nine(high) & TOP_BITS != 0 {
        return None;
    }
    Some(Number { low: of_sixteen(low)?, high })
}

#[inline]
#[expect(clippy::cast_possible_truncation, reason = "there are at most three")]
fn bits(bytes: &[u8]) -> u32 {
    (bytes.len() as u32).wrapping_mul(8)
}

/// Those of fewer digits than sixteen, as if there were zeros before them.
#[inline(never)]
fn of_few(digits: &[u8]) -> Option<u64> {
    let mut low = [b'0'; LOW_DIGITS];
    let (_, places) = low.split_at_mut_checked(LOW_DIGITS.checked_sub(digits.len())?)?;
    places.copy_from_slice(digits);
    if digits.first().is_none_or(|first| *first == b'0') { None } else { of_sixteen(&low) }
}

/// As two words: both in one register of sixteen bytes would take longer.
#[inline]
fn of_sixteen(digits: &[u8; LOW_DIGITS]) -> Option<u64> {
    let (first, last) = (digits.first_chunk()?, digits.last_chunk()?);
    let [first, last] = [first, last].map(|eight| u64::from_le_bytes(*eight) ^ ZEROS);
    let are_digits = (above_nine(first) | above_nine(last)) & TOP_BITS == 0;
    are_digits.then_some(first | last << 4)
}

const FOUR_ZEROS: u32 = u32::from_le_bytes([b'0'; 4]);
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);
const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// Sets the top bit of a byte above 9. (A byte that carries into the next one has its own set.)
#[inline]
fn above_nine(bytes: u64) -> u64 {
    bytes.wrapping_add(0x7676_7676_7676_7676) | bytes
}

#[cfg(test)]
impl Number {
    /// What it was read from, digit by digit.
    pub(crate) fn text(self) -> String {
        let low = self.low.to_le_bytes();
        let digits = self.high.to_be_bytes().into_iter();
        let digits = digits.chain(low.map(|pair| pair & 0xf)).chain(low.map(|pair| pair >> 4));
        let text: String = digits.map(|digit| char::from(b'0' | digit)).collect();
        text.trim_start_matches('0').into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_written_in_one_way_only() {
        for text in ["", "0", "00", "007", "-7", "+7", " 7", "7 ", "7a", "٧", "1.0", "1e3", "0x7"]
        {
            assert_eq!(number_of(text), None, "{text:?}");
        }
        for text in ["7", "42", "123456789012345", "1234567890123456", "9999999999999999999"] {
            assert_eq!(number_of(text).map(Number::text).as_deref(), Some(text));
        }
        for too_long in ["10000000000000000000", "18446744073709551615", "18446744073709551616"] {
            assert_eq!(number_of(too_long), None);
        }
        assert_eq!(number_of(&"7".repeat(200)), None);
    }

    #[test]
    fn every_length_is_read_and_every_other_byte_refused() {
        let mut number = 1_u64;
        for digits in 1..=MOST_DIGITS {
            for change in 0..1000 {
                let text = (number + number / 125 * change).to_string();
                assert_eq!(number_of(&text).map(Number::text), Some(text));
            }
            for at in 0..digits {
                let mut bytes = number.to_string().into_bytes();
                for byte in (0..128).filter(|byte| !u8::is_ascii_digit(byte)) {
                    bytes[at] = byte;
                    let text = String::from_utf8(bytes.clone()).unwrap();
                    assert_eq!(number_of(&text), None, "{text:?}");
                }
            }
            let mut zero_first = number.to_string();
            zero_first.replace_range(0..1, "0");
            assert_eq!(number_of(&zero_first), None, "{zero_first}");
            number = number.saturating_mul(10);
        }
    }
}
