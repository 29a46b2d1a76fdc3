//! Checks signatures of JWTs with ring, the cryptography that TLS has here as well. Nothing is signed.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{Error as SignatureError, Verifier};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey, DecodingKeyKind};
use ring::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
    UnparsedPublicKey, VerificationAlgorithm,
};

/// What checks signatures in this process, where nothing else has been chosen for it.
pub(super) static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| refused(),
    verifier_factory: |algorithm, key| Ok(Box::new(Signed::with(*algorithm, key)?)),
    // Thumbprints and keys made of others: not asked for.
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| refused(),
        rsa_pub_components_from_public_key: |_| refused(),
        ec_pub_components_from_private_key: |_, _| refused(),
        ed_pub_components_from_private_key: |_, _| refused(),
        compute_digest: |_, _| refused(),
    },
};

fn refused<T>() -> Result<T, Error> {
    Err(ErrorKind::UnsupportedAlgorithm.into())
}

/// How an algorithm's signatures are checked.
#[derive(Clone, Copy)]
enum Scheme {
    Rsa(&'static RsaParameters),
    Point(&'static dyn VerificationAlgorithm),
}

struct Signed {
    algorithm: Algorithm,
    scheme: Scheme,
    key: DecodingKey,
}

impl Signed {
    fn with(algorithm: Algorithm, key: &DecodingKey) -> Result<Self, Error> {
        let (family, scheme) = match algorithm {
            Algorithm::RS256 => rsa(&RSA_PKCS1_2048_8192_SHA256),
            Algorithm::RS384 => rsa(&RSA_PKCS1_2048_8192_SHA384),
            Algorithm::RS512 => rsa(&RSA_PKCS1_2048_8192_SHA512),
            Algorithm::PS256 => rsa(&RSA_PSS_2048_8192_SHA256),
            Algorithm::PS384 => rsa(&RSA_PSS_2048_8192_SHA384),
            Algorithm::PS512 => rsa(&RSA_PSS_2048_8192_SHA512),
            Algorithm::ES256 => (AlgorithmFamily::Ec, Scheme::Point(&ECDSA_P256_SHA256_FIXED)),
            Algorithm::ES384 => (AlgorithmFamily::Ec, Scheme::Point(&ECDSA_P384_SHA384_FIXED)),
            Algorithm::EdDSA => (AlgorithmFamily::Ed, Scheme::Point(&ED25519)),
            // A secret that both sides know, or what came after this was written.
            _ => return Err(ErrorKind::InvalidAlgorithm.into()),
        };
        if key.family() != family {
            return Err(ErrorKind::InvalidKeyFormat.into());
        }
        Ok(Self { algorithm, scheme, key: key.clone() })
    }
}

const fn rsa(parameters: &'static RsaParameters) -> (AlgorithmFamily, Scheme) {
    (AlgorithmFamily::Rsa, Scheme::Rsa(parameters))
}

impl Verifier<Vec<u8>> for Signed {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), SignatureError> {
        let is_right = match (self.scheme, self.key.kind()) {
            (Scheme::Rsa(parameters), DecodingKeyKind::RsaModulusExponent { n, e }) => {
                RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (Scheme::Rsa(parameters), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(parameters, key).verify(message, signature)
            }
            (Scheme::Point(scheme), DecodingKeyKind::SecretOrDer(key)) => {
                UnparsedPublicKey::new(scheme, key).verify(message, signature)
            }
            (Scheme::Point(_), DecodingKeyKind::RsaModulusExponent { .. }) => {
                return Err(SignatureError::new());
            }
        };
        is_right.map_err(|_| SignatureError::new())
    }
}

impl JwtVerifier for Signed {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
