//! The keys that are trusted at one time.

use super::jwk::{self, KeyParseError};
use super::{Algorithm, VerifyKey, pem};
use crate::limit;

/// Trusted keys.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeySet {
    keys: Vec<VerifyKey>,
}

impl KeySet {
    /// Reads a file: a public key in PEM, a JWK, a JWKS, or a JWK in base64url.
    ///
    /// # Errors
    /// It is none of these, or nothing in it can verify a token.
    pub fn from_file(text: &str) -> Result<Self, KeyParseError> {
        let text = text.trim();
        let keys = if text.starts_with("-----BEGIN") { vec![pem::public(text)?] } else { jwk::parse(text, true)? };
        Ok(Self { keys })
    }

    /// Reads a set from a URL. Secrets in it are left out: what everybody can read is none.
    ///
    /// # Errors
    /// It is no JWKS, or nothing in it can verify a token.
    pub fn from_url(text: &str) -> Result<Self, KeyParseError> {
        Ok(Self { keys: jwk::parse(text, false)? })
    }

    /// Adds the keys of another set, as far as there is room.
    pub(crate) fn extend(&mut self, other: Self) {
        for key in other.keys {
            if self.keys.len() < limit::KEYS && !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
    }

    /// The keys.
    pub fn keys(&self) -> &[VerifyKey] {
        &self.keys
    }

    /// Keys that may have signed a token which names its key, or does not.
    pub(super) fn candidates(&self, algorithm: Algorithm, name: Option<&[u8]>) -> impl Iterator<Item = &VerifyKey> {
        let fits = move |key: &&VerifyKey| {
            let named = name.zip(key.name.as_deref());
            key.algorithm == algorithm && named.is_none_or(|(wanted, name)| name.as_bytes() == wanted)
        };
        self.keys.iter().filter(fits).take(limit::NAMELESS_TRIES)
    }
}

impl FromIterator<VerifyKey> for KeySet {
    fn from_iter<T: IntoIterator<Item = VerifyKey>>(keys: T) -> Self {
        let mut set = Self::default();
        set.extend(Self { keys: keys.into_iter().collect() });
        set
    }
}
