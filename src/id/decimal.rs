//! The ids that are numbers: most generators make ids of decimal digits, and a number is compared
//! in one step.

/// The longest decimal that is taken for a number: all of 19 digits fit a word.
const MOST_DIGITS: usize = 19;

/// The number that a text writes, if the text is the one way to write it: 1 to 19 digits, none of
/// them a leading zero. So two texts with one number are one text; `007` and `0` are no numbers.
#[inline]
pub(crate) fn number_of(text: &str) -> Option<u64> {
    let bytes = text.as_bytes();
    if let Some((first, rest)) = bytes.split_first_chunk()
        && let Some((second, rest)) = rest.split_first_chunk()
        && let Some(last) = bytes.last_chunk()
        && rest.len() <= 3
    {
        return of_sixteen_or_more(*first, *second, *last, rest.len());
    }
    of_few(bytes)
}

/// The number of 16 digits and up to three more, of which the last eight overlap the others.
#[inline]
fn of_sixteen_or_more(first: [u8; 8], second: [u8; 8], last: [u8; 8], more: usize) -> Option<u64> {
    /// By how many there are beyond 16 digits: their bytes among the last eight, of which the last
    /// one is the highest, and what the others are worth times as much.
    const BEYOND: [(u64, u64); 4] =
        [(0, 1), (0xff << 56, 10), (0xffff << 48, 100), (0x00ff_ffff << 40, 1000)];
    let [first, second, last] =
        [first, second, last].map(|digits| u64::from_le_bytes(digits) ^ ZEROS);
    let leading_zero = first.trailing_zeros() >= 8;
    if (above_nine(first) | above_nine(second) | above_nine(last)) & TOP_BITS != 0 || leading_zero {
        return None;
    }
    let (beyond, scale) = BEYOND.get(more)?;
    let [first, second, last] = [first, second, last & beyond].map(of_eight_digits);
    let sixteen = first.wrapping_mul(100_000_000).wrapping_add(second);
    Some(sixteen.wrapping_mul(*scale).wrapping_add(last))
}

#[inline(never)]
fn of_few(digits: &[u8]) -> Option<u64> {
    if digits.first().is_none_or(|first| *first == b'0') || digits.len() > MOST_DIGITS {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| byte & 0xf)?;
        Some(number.wrapping_mul(10).wrapping_add(u64::from(digit)))
    })
}

/// Eight times the digit 0.
const ZEROS: u64 = u64::from_le_bytes([b'0'; 8]);

const TOP_BITS: u64 = 0x8080_8080_8080_8080;

/// Sets the top bit of a byte above 9. (A byte that carries into the next one has its own set.)
#[inline]
fn above_nine(bytes: u64) -> u64 {
    bytes.wrapping_add(0x7676_7676_7676_7676) | bytes
}

/// The number of eight digits, the first one in the lowest byte: neighbours are joined three times.
#[inline]
fn of_eight_digits(digits: u64) -> u64 {
    const PAIRS: u64 = 0x0000_00ff_0000_00ff;
    // 100 and 1,000,000; 1 and 10,000: each half of the product's upper word is a sum of two.
    const ODD: u64 = 0x000f_4240_0000_0064;
    const EVEN: u64 = 0x0000_2710_0000_0001;
    let pairs = digits.wrapping_mul(10).wrapping_add(digits >> 8);
    let (odd, even) = (pairs & PAIRS, (pairs >> 16) & PAIRS);
    odd.wrapping_mul(ODD).wrapping_add(even.wrapping_mul(EVEN)) >> 32
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
            assert_eq!(number_of(text), text.parse().ok(), "{text}");
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
                let other = number + number / 125 * change;
                assert_eq!(number_of(&other.to_string()), Some(other));
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
