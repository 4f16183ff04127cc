//! POST bodies: done once, however often they are sent.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::{HeaderMap, HeaderName};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use garde::Validate;
use ring::digest::{Context, SHA256};
use serde::de::DeserializeOwned;

use super::body::{parse, read};
use super::limit::KEY_BYTES;
use crate::auth::MaybeCaller;
use crate::problem::Problem;
use crate::store::Once;

/// The header that tells a repeated request from a new one (draft-ietf-httpapi-idempotency-key-header).
pub(crate) const KEY_HEADER: HeaderName = HeaderName::from_static("idempotency-key");

/// Whose keys those are that come without a token.
const ANYBODY: &str = "anonymous";

/// The body of a POST and what makes a repeat of it known: hand `once` to the store with the work.
#[derive(Debug)]
pub(crate) struct Command<T> {
    /// The caller's key, and a digest of method, path and body.
    pub(crate) once: Once,
    /// The body, validated.
    pub(crate) body: T,
}

impl<T, S> FromRequest<S> for Command<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (mut parts, body) = request.into_parts();
        let key = key_of(&parts.headers)?.ok_or_else(|| Problem::key_missing(MISSING))?.to_owned();
        let caller = MaybeCaller::from_request_parts(&mut parts, state).await.unwrap_or(MaybeCaller(None));
        let owner = caller.0.map_or_else(|| ANYBODY.to_owned(), |caller| caller.owner());
        let mut digest = Context::new(&SHA256);
        digest.update(parts.method.as_str().as_bytes());
        digest.update(b" ");
        digest.update(parts.uri.path().as_bytes());
        digest.update(b"\n");
        let headers = parts.headers.clone();
        let bytes = read(Request::from_parts(parts, body), state).await?;
        digest.update(&bytes);
        let hash = URL_SAFE_NO_PAD.encode(digest.finish());
        Ok(Self { once: Once::new(owner, key, hash), body: parse(&headers, &bytes)? })
    }
}

/// What callers without a key are told.
pub(crate) const MISSING: &str = "send a new UUID for each new request, and the same one again with a repeat";

/// The key of a request, if it has one: visible ASCII, with or without quotes.
///
/// # Errors
/// It is empty, too long, or holds other characters.
pub(crate) fn key_of(headers: &HeaderMap) -> Result<Option<&str>, Problem> {
    let Some(value) = headers.get(KEY_HEADER) else { return Ok(None) };
    let wrong = || Problem::malformed(format!("Idempotency-Key: 1 to {KEY_BYTES} visible ASCII characters"));
    let text = value.to_str().map_err(|_| wrong())?;
    let key = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=KEY_BYTES).contains(&key.len()) && key.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(Some(key)) } else { Err(wrong()) }
}
