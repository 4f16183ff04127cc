//! Keys: in files and sets, to verify with and to sign with.

mod jwk;
mod pair;
mod pem;
mod ring;
mod set;

use std::fmt;

use ::ring::{hmac, signature};

pub use jwk::KeyParseError;
pub use pair::{KeyPair, SignError};
pub use ring::{KeyError, Keyring};
pub use set::KeySet;

use crate::grant::TokenFault;

/// How tokens are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA on P-256 with SHA-256.
    Es256,
    /// HMAC with SHA-256: whoever can verify can sign.
    Hs256,
}

impl Algorithm {
    /// Its name in JOSE (RFC 7518, RFC 8037).
    pub fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Hs256 => "HS256",
        }
    }

    /// The algorithm of this name in JOSE; RFC 9864 calls the first one `Ed25519`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "EdDSA" | "Ed25519" => Some(Self::EdDsa),
            "ES256" => Some(Self::Es256),
            "HS256" => Some(Self::Hs256),
            _ => None,
        }
    }
}

/// A key that verifies.
#[derive(Clone, PartialEq, Eq)]
pub struct VerifyKey {
    /// What tokens call it; without a name it is tried for every token.
    pub(crate) name: Option<String>,
    pub(crate) algorithm: Algorithm,
    /// Ed25519: the point. P-256: the uncompressed point. HMAC: the secret.
    pub(crate) material: Vec<u8>,
}

impl fmt::Debug for VerifyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyKey")
            .field("name", &self.name)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl VerifyKey {
    /// What tokens call it.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// How it signs.
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// Whether the signature over the message is this key's.
    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        let public = |algorithm: &'static dyn signature::VerificationAlgorithm| {
            signature::UnparsedPublicKey::new(algorithm, &self.material).verify(message, signature).is_ok()
        };
        match self.algorithm {
            Algorithm::EdDsa => public(&signature::ED25519),
            Algorithm::Es256 => public(&signature::ECDSA_P256_SHA256_FIXED),
            Algorithm::Hs256 => {
                hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &self.material), message, signature).is_ok()
            }
        }
    }
}

/// What a token says of its signature.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signed<'a> {
    pub(crate) algorithm: Algorithm,
    /// Which key signed it, as the token says.
    pub(crate) name: Option<&'a [u8]>,
    pub(crate) message: &'a [u8],
    pub(crate) signature: &'a [u8],
}

impl Signed<'_> {
    /// Checks the signature with the keys that may have made it.
    pub(crate) fn check(&self, keys: &KeySet) -> Result<(), TokenFault> {
        let mut tried = false;
        for key in keys.candidates(self.algorithm, self.name) {
            if key.verify(self.message, self.signature) {
                return Ok(());
            }
            tried = true;
        }
        Err(if tried { TokenFault::Signature } else { TokenFault::Key })
    }
}
