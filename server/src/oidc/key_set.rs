//! The keys of an issuer: which of them sign, and with what.

use std::sync::Arc;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

/// A set of keys as an issuer publishes it.
#[derive(Deserialize)]
pub(super) struct JwkSet {
    keys: Vec<Value>,
}

/// A key that checks signatures.
pub(super) struct Key {
    kid: String,
    /// What it may be used with: never a symmetric algorithm, whatever the issuer says.
    algorithms: Vec<Algorithm>,
    public: DecodingKey,
}

impl Key {
    /// The key for an algorithm; `None` if it is not for that one.
    pub(super) fn of(&self, algorithm: Algorithm) -> Option<&DecodingKey> {
        self.algorithms.contains(&algorithm).then_some(&self.public)
    }
}

pub(super) struct KeySet(Vec<Arc<Key>>);

impl KeySet {
    /// The keys of a set that can be used. The others are passed over, as RFC 7517 says: one that is
    /// for something else, or newer than this program, must not take the rest along.
    pub(super) fn new(set: JwkSet) -> Self {
        Self(set.keys.into_iter().filter_map(usable).map(Arc::new).collect())
    }

    pub(super) fn find(&self, kid: &str) -> Option<Arc<Key>> {
        self.0.iter().find(|key| key.kid == kid).cloned()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

fn usable(key: Value) -> Option<Key> {
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let is_to_sign =
        jwk.common.public_key_use.as_ref().is_none_or(|of| *of == PublicKeyUse::Signature);
    let operations = jwk.common.key_operations.as_ref();
    let is_to_verify = operations.is_none_or(|list| list.contains(&KeyOperations::Verify));
    if !is_to_sign || !is_to_verify {
        return None;
    }
    let mut algorithms = algorithms(&jwk.algorithm).to_vec();
    if let Some(only) = jwk.common.key_algorithm {
        let only = Algorithm::try_from(only).ok();
        algorithms.retain(|algorithm| Some(*algorithm) == only);
    }
    if algorithms.is_empty() {
        return None;
    }
    let public = DecodingKey::from_jwk(&jwk).ok()?;
    Some(Key { kid: jwk.common.key_id?, algorithms, public })
}

/// The algorithms of a type of key: the list of all that are allowed.
fn algorithms(key: &AlgorithmParameters) -> &'static [Algorithm] {
    use Algorithm::{ES256, ES384, EdDSA, PS256, PS384, PS512, RS256, RS384, RS512};
    match key {
        AlgorithmParameters::RSA(_) => &[RS256, RS384, RS512, PS256, PS384, PS512],
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 => &[ES256],
            EllipticCurve::P384 => &[ES384],
            _ => &[],
        },
        AlgorithmParameters::OctetKeyPair(key) if key.curve == EllipticCurve::Ed25519 => &[EdDSA],
        _ => &[],
    }
}
