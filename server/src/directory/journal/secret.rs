//! Tokens: `<id>.<secret>`. The secret is told once and kept as its hash.

use std::fmt;

use portcullis::journal::JournalError;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A SHA-256.
pub(super) type Hash = [u8; 32];

/// The longest secret that is looked at.
const LONGEST: usize = 256;

/// The text of a token. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct TokenText(String);

impl TokenText {
    /// The text, to be told once.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenText(..)")
    }
}

/// A new token's text, and the hash to keep. The secret has 256 random bits.
pub(super) fn new_token(id: &str) -> Result<(TokenText, Hash), JournalError> {
    let mut bytes = [0_u8; 32];
    getrandom::fill(&mut bytes).map_err(no_random)?;
    let secret = to_hex(&bytes);
    let hash = hash(&secret);
    Ok((TokenText(format!("{id}.{secret}")), hash))
}

/// A new id in the form of ZITADEL's: 18 digits, the first of them not 0.
pub(super) fn new_id() -> Result<String, JournalError> {
    const SMALLEST: u64 = 100_000_000_000_000_000;
    const RANGE: u64 = 9 * SMALLEST;
    let random = getrandom::u64().map_err(no_random)?;
    // Some ids are likelier than others by one part in twenty: they only have to be different.
    let id = random.checked_rem(RANGE).unwrap_or_default().saturating_add(SMALLEST);
    Ok(id.to_string())
}

fn no_random(error: getrandom::Error) -> JournalError {
    JournalError::Unavailable(format!("the system gives no random bytes: {error}"))
}

fn hash(secret: &str) -> Hash {
    Sha256::digest(secret.as_bytes()).into()
}

/// A token's text, in its two parts.
pub(super) fn split(token: &str) -> Option<(&str, &str)> {
    token.split_once('.').filter(|(_, secret)| secret.len() <= LONGEST)
}

/// Whether a secret is the one of a hash. How long it takes tells nothing of the hash.
pub(super) fn is_of(secret: &str, expected: &Hash) -> bool {
    hash(secret).ct_eq(expected).into()
}

pub(super) fn to_hex(bytes: &Hash) -> String {
    const DIGITS: [char; 16] =
        ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    let digit = |value: u8| DIGITS.get(usize::from(value)).copied().unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

pub(super) fn from_hex(text: &str) -> Result<Hash, String> {
    let wrong = || String::from("the hash does not have 64 hexadecimal digits");
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.len() != 32 {
        return Err(wrong());
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let mut hash = Hash::default();
    for (byte, [high, low]) in hash.iter_mut().zip(pairs) {
        *byte = value(*high).ok_or_else(wrong)? << 4 | value(*low).ok_or_else(wrong)?;
    }
    Ok(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_known_by_its_secret_alone() {
        let (text, hash) = new_token("1").unwrap();
        let (id, secret) = split(text.as_str()).unwrap();
        assert_eq!((id, secret.len()), ("1", 64));
        assert!(is_of(secret, &hash) && !is_of("", &hash) && !is_of(id, &hash));
        assert_ne!(new_token("1").unwrap(), (text.clone(), hash));
        assert_eq!(format!("{text:?}"), "TokenText(..)");
        assert_eq!(split("none"), None);
        assert_eq!(split(&format!("1.{}", "x".repeat(LONGEST + 1))), None);
    }

    #[test]
    fn the_hash_is_sha_256() {
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(to_hex(&hash("abc")), known);
        assert_eq!(from_hex(known), Ok(hash("abc")));
        assert_eq!(from_hex(&known.to_uppercase()), Ok(hash("abc")));
        for wrong in ["", "ba", &known[1..], &known.replace("ba", "+a"), &known.replace('b', "é")]
        {
            assert!(from_hex(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ids_have_eighteen_digits() {
        for _ in 0..1_000 {
            let id = new_id().unwrap();
            assert!(
                id.len() == 18 && id.bytes().all(|it| it.is_ascii_digit()) && !id.starts_with('0')
            );
        }
    }
}
