//! A JWT: its form, its signature, and the claims that every token has.

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header, get_current_timestamp};

use super::claims::Claims;
use super::key_set::Key;
use super::signature;

/// The longest token that is looked at; one with a hundred roles has about 10 KiB.
const LONGEST: usize = 16 << 10;

/// How far the issuer's clock and ours may be apart, in seconds.
const LEEWAY: u64 = 5;

/// Why a JWT is nobody's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// It is too long, cannot be read, is of another type, or lacks a claim.
    Malformed,
    /// Its algorithm is not allowed, or not the one of its key.
    Algorithm,
    /// The issuer has no such key.
    UnknownKey,
    /// The key has not signed it.
    Signature,
    /// It is another issuer's.
    Issuer,
    /// It is for somebody else.
    Audience,
    /// It has expired.
    Expired,
    /// It does not hold yet.
    NotYetValid,
    /// The user has no organization, or another one than the directory says.
    Organization,
    /// The user is inactive.
    Inactive,
}

impl Refusal {
    /// All of them.
    pub const ALL: &'static [Self] = &[
        Self::Malformed,
        Self::Algorithm,
        Self::UnknownKey,
        Self::Signature,
        Self::Issuer,
        Self::Audience,
        Self::Expired,
        Self::NotYetValid,
        Self::Organization,
        Self::Inactive,
    ];

    /// Its name in numbers and in the log.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Algorithm => "algorithm",
            Self::UnknownKey => "unknown_key",
            Self::Signature => "signature",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::Organization => "organization",
            Self::Inactive => "inactive",
        }
    }
}

/// What every token must say.
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audience: String,
}

/// What a token says of itself. Nothing is proven yet.
pub(super) struct Header {
    algorithm: Algorithm,
    pub(super) kid: String,
}

/// Chooses the cryptography of this process, where it is not chosen yet.
pub(super) fn install_cryptography() {
    let _ = signature::PROVIDER.install_default();
}

/// Whether a token is in the form of a JWT.
pub(super) fn is_jwt(token: &str) -> bool {
    token.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Reads the header.
pub(super) fn header(token: &str) -> Result<Header, Refusal> {
    if token.len() > LONGEST {
        return Err(Refusal::Malformed);
    }
    // An algorithm that the crate does not know, such as `none`, is a header that cannot be read.
    let header = decode_header(token).map_err(|_| Refusal::Malformed)?;
    // Whoever does not understand what is critical has to refuse (RFC 7515, 4.1.11).
    if header.crit.is_some() || !header.typ.as_deref().is_none_or(is_access_token) {
        return Err(Refusal::Malformed);
    }
    let kid = header.kid.ok_or(Refusal::UnknownKey)?;
    Ok(Header { algorithm: header.alg, kid })
}

/// Whether a type is one of access tokens: RFC 9068's, or the plain one that ZITADEL writes.
fn is_access_token(typ: &str) -> bool {
    ["JWT", "at+jwt", "application/at+jwt"].iter().any(|it| it.eq_ignore_ascii_case(typ))
}

/// Checks the signature, and that the token is for us and for now.
pub(super) fn claims(
    token: &str,
    header: &Header,
    key: &Key,
    expected: &Expected,
) -> Result<Claims, Refusal> {
    let key = key.of(header.algorithm).ok_or(Refusal::Algorithm)?;
    let mut rules = Validation::new(header.algorithm);
    rules.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    rules.set_issuer(&[&expected.issuer]);
    rules.set_audience(&[&expected.audience]);
    rules.validate_nbf = true;
    rules.leeway = LEEWAY;
    let token = decode::<Claims>(token, key, &rules);
    let claims = token.map_err(|error| refusal(error.kind()))?.claims;
    if claims.is_issued_after(get_current_timestamp().saturating_add(LEEWAY)) {
        return Err(Refusal::NotYetValid);
    }
    if claims.are_of_id_token() {
        return Err(Refusal::Malformed);
    }
    Ok(claims)
}

fn refusal(kind: &ErrorKind) -> Refusal {
    match kind {
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidKeyFormat => Refusal::Algorithm,
        ErrorKind::InvalidSignature => Refusal::Signature,
        ErrorKind::InvalidIssuer => Refusal::Issuer,
        ErrorKind::InvalidAudience => Refusal::Audience,
        ErrorKind::ExpiredSignature => Refusal::Expired,
        ErrorKind::ImmatureSignature => Refusal::NotYetValid,
        _ => Refusal::Malformed,
    }
}
