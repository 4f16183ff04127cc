//! Versions of things: ETag out, If-Match and If-None-Match in.

use axum::body::Bytes;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::problem::Problem;

/// The version that the caller wants to change, from `If-Match: "<version>"`. Without the header 428.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, pattern = r#"^"[0-9]{1,18}"$"#, example = "\"3\"")]
pub(crate) struct IfMatch(pub(crate) i64);

impl<S: Sync> FromRequestParts<S> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Some(value) = parts.headers.get(header::IF_MATCH) else {
            return Err(Problem::unconditional("send the ETag that you read as If-Match"));
        };
        let version = value.to_str().ok().and_then(version_of);
        version.map(Self).ok_or_else(|| Problem::malformed("If-Match: one version in quotes, as ETag gave it"))
    }
}

fn version_of(tag: &str) -> Option<i64> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

/// A thing as JSON with its version as ETag, or 304 if the caller has that version.
pub(crate) fn tagged(version: i64, headers: &HeaderMap, body: &impl Serialize) -> Response {
    if is_known(version, headers) {
        return finish(version, StatusCode::NOT_MODIFIED, Bytes::new());
    }
    match serde_json::to_vec(body) {
        Ok(json) => finish(version, StatusCode::OK, json.into()),
        Err(error) => {
            tracing::error!(%error, "an answer cannot be written as JSON");
            Problem::internal("an answer cannot be written as JSON").into_response()
        }
    }
}

/// [`tagged`] for JSON that is kept as bytes: costs no serialization.
pub(crate) fn tagged_json(version: i64, headers: &HeaderMap, json: Bytes) -> Response {
    if is_known(version, headers) {
        return finish(version, StatusCode::NOT_MODIFIED, Bytes::new());
    }
    finish(version, StatusCode::OK, json)
}

fn is_known(version: i64, headers: &HeaderMap) -> bool {
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    known.flat_map(|value| value.split(',')).any(|tag| {
        let tag = tag.trim();
        tag == "*" || version_of(tag.strip_prefix("W/").unwrap_or(tag)) == Some(version)
    })
}

fn finish(version: i64, status: StatusCode, json: Bytes) -> Response {
    let mut response = (status, json).into_response();
    let headers = response.headers_mut();
    if status == StatusCode::NOT_MODIFIED {
        headers.remove(header::CONTENT_TYPE);
        headers.remove(header::CONTENT_LENGTH);
    } else {
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
        headers.insert(header::ETAG, tag);
    }
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(header::VARY, HeaderValue::from_static("accept-language, authorization"));
    response
}
