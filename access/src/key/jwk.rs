//! Keys as JSON (RFC 7517, RFC 8037).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::{Algorithm, VerifyKey};
use crate::limit;

/// Bytes of a coordinate on either curve.
pub(super) const COORDINATE: usize = 32;

/// Why no key could be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyParseError {
    /// It is neither PEM nor JSON.
    #[error("neither PEM nor a JWK or JWKS")]
    Form,
    /// Something in it is wrong.
    #[error("{0}")]
    Content(String),
    /// It can be read, and none of it is a key for tokens.
    #[error("no key for EdDSA, ES256 or HS256 in it")]
    Nothing,
    /// There is a private key where only the public one is of use.
    #[error("this is a private key: only who signs needs it, `efir token key --public` writes its public half")]
    Private,
}

/// One key. Members that we do not need may stand beside these.
#[derive(Clone, Default, Serialize, Deserialize)]
pub(super) struct Jwk {
    /// Old keys of moq-dev leave it out: they are secrets.
    #[serde(default = "Jwk::secret_kind")]
    pub(super) kty: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) crv: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) alg: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kid: Option<String>,
    #[serde(rename = "use", skip_serializing_if = "Option::is_none")]
    pub(super) usage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) key_ops: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) x: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) y: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) d: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) k: Option<String>,
    /// moq-dev: rights beyond which the key signs nothing.
    #[serde(skip_serializing)]
    pub(super) scope: Option<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
struct Set {
    keys: Vec<serde_json::Value>,
}

impl Jwk {
    pub(super) const SECRET: &'static str = "oct";

    fn secret_kind() -> String {
        Self::SECRET.to_owned()
    }

    /// The key that verifies; `None` = it is for something else.
    pub(super) fn verifying(&self) -> Option<VerifyKey> {
        if self.usage.as_deref().is_some_and(|usage| usage != "sig") || self.scope.is_some() {
            return None;
        }
        let part = |part: &Option<String>| URL_SAFE_NO_PAD.decode(part.as_deref()?.trim_end_matches('=')).ok();
        let coordinate = |bytes: &Vec<u8>| bytes.len() == COORDINATE;
        let (algorithm, material) = match (self.kty.as_str(), self.crv.as_deref()) {
            ("OKP", Some("Ed25519")) => (Algorithm::EdDsa, part(&self.x).filter(coordinate)?),
            ("EC", Some("P-256")) => {
                let (x, y) = (part(&self.x).filter(coordinate)?, part(&self.y).filter(coordinate)?);
                (Algorithm::Es256, [&[4], &x[..], &y[..]].concat())
            }
            (Self::SECRET, None) => {
                (Algorithm::Hs256, part(&self.k).filter(|secret| secret.len() >= limit::SECRET_BYTES)?)
            }
            _ => return None,
        };
        let other = |alg: &str| Algorithm::from_name(alg) != Some(algorithm);
        if self.alg.as_deref().is_some_and(other) {
            return None;
        }
        Some(VerifyKey { name: self.kid.clone(), algorithm, material })
    }

    /// The text of a JWK, in base64url or not.
    pub(super) fn from_text(text: &str) -> Result<Self, KeyParseError> {
        serde_json::from_value(json(text)?).map_err(|error| KeyParseError::Content(error.to_string()))
    }
}

/// The keys for tokens in a JWK or JWKS.
pub(super) fn parse(text: &str, secrets: bool) -> Result<Vec<VerifyKey>, KeyParseError> {
    let content = |error: serde_json::Error| KeyParseError::Content(error.to_string());
    let value = json(text)?;
    let values = match value.get("keys") {
        Some(_) => serde_json::from_value::<Set>(value).map_err(content)?.keys,
        None => vec![value],
    };
    if values.len() > limit::KEYS {
        return Err(KeyParseError::Content(format!("more than {} keys", limit::KEYS)));
    }
    // Keys of other kinds stand beside ours in many sets.
    let keys = values.into_iter().filter_map(|value| serde_json::from_value::<Jwk>(value).ok()?.verifying());
    let keys: Vec<VerifyKey> = keys.filter(|key| secrets || key.algorithm != Algorithm::Hs256).collect();
    if keys.is_empty() { Err(KeyParseError::Nothing) } else { Ok(keys) }
}

fn json(text: &str) -> Result<serde_json::Value, KeyParseError> {
    let text = text.trim();
    if text.starts_with('{') {
        return serde_json::from_str(text).map_err(|error| KeyParseError::Content(error.to_string()));
    }
    let decoded = URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyParseError::Form)?;
    serde_json::from_slice(&decoded).map_err(|_| KeyParseError::Form)
}
