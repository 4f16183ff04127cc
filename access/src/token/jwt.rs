//! JSON Web Tokens in compact form (RFC 7515, RFC 7519).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::claims::{Claims, ClaimsError};
use super::{Parts, Rules};
use crate::grant::{Grant, TokenFault};
use crate::key::{Algorithm, KeyPair, KeySet, SignError, Signed};

/// The header, as far as it matters.
#[derive(Serialize, Deserialize)]
struct Header {
    alg: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    typ: Option<String>,
    /// Extensions that must be understood: there is none that we do.
    #[serde(skip_serializing)]
    crit: Option<serde::de::IgnoredAny>,
}

/// Why a token could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MakeError {
    /// What it is to say cannot be said.
    #[error(transparent)]
    Claims(#[from] ClaimsError),
    /// The key does not sign.
    #[error(transparent)]
    Key(#[from] SignError),
}

pub(super) fn verify(parts: &Parts<'_>, keys: &KeySet, rules: &Rules) -> Result<Grant, TokenFault> {
    let header: Header = serde_json::from_slice(&parts.header).map_err(|_| TokenFault::Malformed)?;
    if header.crit.is_some() {
        return Err(TokenFault::Unsupported);
    }
    let signed = Signed {
        algorithm: Algorithm::from_name(&header.alg).ok_or(TokenFault::Algorithm)?,
        name: header.kid.as_deref().map(str::as_bytes),
        message: parts.message,
        signature: &parts.signature,
    };
    signed.check(keys)?;
    // A list would do for the parser, by the order of the members.
    let object = parts.payload.trim_ascii_start().first() == Some(&b'{');
    let claims = serde_json::from_slice::<Claims>(&parts.payload).ok().filter(|_| object);
    let claims = claims.ok_or(TokenFault::Malformed)?;
    claims.grant(rules)
}

/// Makes a token.
///
/// # Errors
/// The claims make no token, or the key does not sign.
pub fn sign(claims: &Claims, key: &KeyPair) -> Result<String, MakeError> {
    claims.check()?;
    let header = Header {
        alg: key.algorithm().name().to_owned(),
        kid: key.name().map(ToOwned::to_owned),
        typ: Some("JWT".to_owned()),
        crit: None,
    };
    // Strings and numbers.
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let header = part(serde_json::to_vec(&header).unwrap_or_default());
    let payload = part(serde_json::to_vec(claims).unwrap_or_default());
    let message = format!("{header}.{payload}");
    let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes())?);
    Ok(format!("{message}.{signature}"))
}
