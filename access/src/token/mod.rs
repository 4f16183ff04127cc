//! Tokens: how they look, what they say, and how they are made.

mod cat;
mod claims;
mod jwt;
mod path;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

pub use claims::{Claims, ClaimsError, OneOrMany};
pub use jwt::{MakeError, sign};
pub use path::{namespace_of, track_of};

use crate::grant::{Grant, TokenFault};
use crate::key::KeySet;
use crate::limit;

/// What is asked of every token besides its signature.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Accepted issuers; empty = any.
    pub issuers: Vec<String>,
    /// Names of this server; empty = none, and then tokens must not be for anybody in particular.
    pub audiences: Vec<String>,
    /// By how many seconds the issuer's clock may differ.
    pub leeway_s: u64,
    /// The number of the claim `moqt`, which is not assigned yet.
    pub moqt_claim: i64,
    /// The number of the claim `moqt-reval`, which is not assigned yet.
    pub revalidation_claim: i64,
}

impl Rules {
    fn issuer(&self, issuer: Option<&str>) -> Result<(), TokenFault> {
        let fits = self.issuers.is_empty() || issuer.is_some_and(|issuer| self.issuers.iter().any(|one| one == issuer));
        if fits { Ok(()) } else { Err(TokenFault::Issuer) }
    }

    /// A token for somebody must be for this server (RFC 7519 section 4.1.3); where this server has a name, it must have one.
    fn audience<'a>(&self, audience: impl IntoIterator<Item = &'a str>) -> Result<(), TokenFault> {
        let mut named = audience.into_iter().peekable();
        let anybody = named.peek().is_none() && self.audiences.is_empty();
        let fits = anybody || named.any(|one| self.audiences.iter().any(|own| own == one));
        if fits { Ok(()) } else { Err(TokenFault::Audience) }
    }
}

/// What a token in text form allows, whichever kind it is: a JWT, or a CAT in base64. Its times are not looked at.
///
/// # Errors
/// Why it is not believed.
pub fn verify_text(token: &[u8], keys: &KeySet, rules: &Rules) -> Result<Grant, TokenFault> {
    if token.len() > limit::TOKEN_BYTES {
        return Err(TokenFault::Malformed);
    }
    if let Some(parts) = Parts::split(token) {
        return match parts.header.first() {
            Some(b'{') => jwt::verify(&parts, keys, rules),
            _ => cat::verify_parts(&parts, keys, rules),
        };
    }
    let padless = token.trim_ascii_end();
    let padless = padless.strip_suffix(b"==").or_else(|| padless.strip_suffix(b"=")).unwrap_or(padless);
    let decoded = URL_SAFE_NO_PAD.decode(padless).or_else(|_| STANDARD_NO_PAD.decode(padless));
    match decoded {
        Ok(decoded) if cat::looks_like_one(&decoded) => cat::verify(&decoded, keys, rules),
        _ => Err(TokenFault::Unknown),
    }
}

/// What a CAT as bytes allows (token type 1). Its times are not looked at.
///
/// # Errors
/// Why it is not believed.
pub fn verify_cat(token: &[u8], keys: &KeySet, rules: &Rules) -> Result<Grant, TokenFault> {
    if token.len() > limit::TOKEN_BYTES {
        return Err(TokenFault::Malformed);
    }
    match Parts::split(token) {
        Some(parts) => cat::verify_parts(&parts, keys, rules),
        None => cat::verify(token, keys, rules),
    }
}

/// `header.payload.signature`, each in base64url.
struct Parts<'a> {
    header: Vec<u8>,
    payload: Vec<u8>,
    signature: Vec<u8>,
    /// What is signed: the first two with their dot.
    message: &'a [u8],
}

impl<'a> Parts<'a> {
    fn split(token: &'a [u8]) -> Option<Self> {
        let token = token.trim_ascii();
        let last = token.iter().rposition(|byte| *byte == b'.')?;
        let (message, signature) = (&token[..last], &token[last + 1..]);
        let first = message.iter().position(|byte| *byte == b'.')?;
        let part = |bytes: &[u8]| URL_SAFE_NO_PAD.decode(bytes).ok();
        Some(Self {
            header: part(&message[..first])?,
            payload: part(&message[first + 1..])?,
            signature: part(signature)?,
            message,
        })
    }
}
