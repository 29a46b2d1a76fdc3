//! Keys of an issuer, and tokens that they sign: written by hand, so that they may say anything.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize, PublicKeyComponents};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
    KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384,
    RSA_PSS_SHA512, RsaEncoding,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// A private key with the id that it is published under.
pub(crate) struct Signer {
    pub(crate) kid: &'static str,
    secret: Secret,
}

enum Secret {
    Rsa(RsaKeyPair),
    P256(EcdsaKeyPair),
    P384(EcdsaKeyPair),
    Ed(Ed25519KeyPair),
}

impl Signer {
    pub(crate) fn rsa(kid: &'static str) -> Self {
        Self { kid, secret: Secret::Rsa(RsaKeyPair::generate(KeySize::Rsa2048).unwrap()) }
    }

    pub(crate) fn p256(kid: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        Self { kid, secret: Secret::P256(key) }
    }

    pub(crate) fn p384(kid: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
        Self { kid, secret: Secret::P384(key) }
    }

    pub(crate) fn ed(kid: &'static str) -> Self {
        Self { kid, secret: Secret::Ed(Ed25519KeyPair::generate().unwrap()) }
    }

    /// The public key as an issuer publishes it, with no more said of it than must be.
    pub(crate) fn jwk(&self) -> Value {
        let point = |curve: &str, key: &EcdsaKeyPair| {
            let (x, y) =
                key.public_key().as_ref()[1..].split_at(key.public_key().as_ref().len() / 2);
            json!({"kty": "EC", "crv": curve, "x": encode(x), "y": encode(y)})
        };
        let mut jwk = match &self.secret {
            Secret::Rsa(key) => {
                let of = PublicKeyComponents::<Vec<u8>>::from(key.public_key());
                json!({"kty": "RSA", "n": encode(&of.n), "e": encode(&of.e)})
            }
            Secret::P256(key) => point("P-256", key),
            Secret::P384(key) => point("P-384", key),
            Secret::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "x": encode(key.public_key().as_ref())})
            }
        };
        jwk["kid"] = self.kid.into();
        jwk
    }

    /// The same, with other members.
    pub(crate) fn jwk_with(&self, members: &[(&str, Value)]) -> Value {
        let mut jwk = self.jwk();
        for (name, value) in members {
            jwk[*name] = value.clone();
        }
        jwk
    }

    pub(crate) fn sign(&self, algorithm: &str, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.secret {
            Secret::Rsa(key) => {
                let encoding: &dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(encoding, &random, message, &mut signature).unwrap();
                signature
            }
            Secret::P256(key) | Secret::P384(key) => {
                key.sign(&random, message).unwrap().as_ref().into()
            }
            Secret::Ed(key) => key.sign(message).as_ref().into(),
        }
    }
}

/// A token that is not signed yet.
#[derive(Clone)]
pub(crate) struct Token {
    header: Value,
    claims: Value,
}

impl Token {
    pub(crate) fn new(claims: Value) -> Self {
        Self { header: json!({"alg": "RS256", "typ": "JWT"}), claims }
    }

    pub(crate) fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.header[name] = value.into();
        self
    }

    pub(crate) fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.claims.as_object_mut().unwrap().remove(name).unwrap();
        self
    }

    /// Signed with a key, whose id it names unless it names another already.
    pub(crate) fn signed(mut self, by: &Signer) -> String {
        if self.header.get("kid").is_none() {
            self.header["kid"] = by.kid.into();
        }
        self.signed_without_kid(by)
    }

    /// Signed with a key that it does not name.
    pub(crate) fn signed_without_kid(self, by: &Signer) -> String {
        let algorithm = self.header["alg"].as_str().unwrap().to_owned();
        self.with(|message| by.sign(&algorithm, message))
    }

    /// "Signed" with a key that is public, as if it were a secret that both sides know.
    pub(crate) fn mac(self, secret: &[u8]) -> String {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
        self.with(|message| hmac::sign(&key, message).as_ref().into())
    }

    pub(crate) fn with(self, sign: impl Fn(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| encode(value.to_string().as_bytes());
        let message = format!("{}.{}", part(&self.header), part(&self.claims));
        let signature = sign(message.as_bytes());
        format!("{message}.{}", encode(&signature))
    }
}

pub(crate) fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
