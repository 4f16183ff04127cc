//! Errors as the shops' callers see them: problem details (RFC 9457) with stable types.

use std::time::Duration;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::money::MoneyError;
use crate::store::StoreError;

/// One thing wrong in a request's body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct FieldError {
    /// JSON pointer (RFC 6901) to the value, such as `/lines/0/quantity`.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// What went wrong, whose fault it is and what to do, as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Problem {
    /// Stable name of the kind: `urn:efir:problem:` and a word that never changes its meaning.
    #[serde(rename = "type")]
    #[schema(example = "urn:efir:problem:out-of-stock")]
    pub kind: String,
    /// The kind in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What happened in this case.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// The parts of the body at fault.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// Seconds to wait before another try; also in `Retry-After`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
}

/// How the name of every kind begins.
pub(crate) const PREFIX: &str = "urn:efir:problem:";

/// Constructors of the kinds that are common to all shops: name, status, title.
macro_rules! problems {
    ($($(#[$doc:meta])* $name:ident = $status:ident, $word:literal, $title:literal;)*) => {
        impl Problem {
            $($(#[$doc])*
            #[must_use]
            pub(crate) fn $name(detail: impl Into<String>) -> Self {
                Self::new($word, StatusCode::$status, $title, detail)
            })*

            /// The kinds that are common to all shops: word, status, title.
            pub(crate) const COMMON: &[(&str, u16, &str)] =
                &[$(($word, StatusCode::$status.as_u16(), $title)),*];
        }
    };
}

problems! {
    /// The caller's body cannot be read, or breaks a rule of its own form.
    invalid = UNPROCESSABLE_ENTITY, "invalid-request", "The request is not valid";
    /// The body is not what its headers say, or a header or parameter is malformed.
    malformed = BAD_REQUEST, "malformed-request", "The request cannot be read";
    /// The body is longer than the server takes.
    too_large = PAYLOAD_TOO_LARGE, "body-too-large", "The body is too large";
    /// The body is of a kind that the server does not read.
    unsupported = UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", "The body is not JSON";
    /// No token, or one that does not hold.
    unauthenticated = UNAUTHORIZED, "unauthenticated", "A valid token is needed";
    /// The token does not allow this.
    forbidden = FORBIDDEN, "forbidden", "The token does not allow this";
    /// There is no such thing, or not for this caller.
    not_found = NOT_FOUND, "not-found", "There is no such thing";
    /// The path is one of ours, but not with this method.
    wrong_method = METHOD_NOT_ALLOWED, "method-not-allowed", "This cannot be done with it";
    /// The thing's state does not allow this step.
    conflict = CONFLICT, "state-conflict", "The state does not allow this";
    /// More was asked for than there is.
    out_of_stock = CONFLICT, "out-of-stock", "Not enough in stock";
    /// `If-Match` names a version that is no longer the newest.
    stale = PRECONDITION_FAILED, "stale-version", "It has changed since you read it";
    /// A change without `If-Match`.
    unconditional = PRECONDITION_REQUIRED, "if-match-required", "Name the version you change in If-Match";
    /// A POST without `Idempotency-Key`.
    key_missing = BAD_REQUEST, "idempotency-key-missing", "A POST needs an Idempotency-Key";
    /// The same `Idempotency-Key` came with another request before.
    key_reused = UNPROCESSABLE_ENTITY, "idempotency-key-reused", "The Idempotency-Key belongs to another request";
    /// The first request with this `Idempotency-Key` is still being worked on.
    key_in_flight = CONFLICT, "idempotency-key-in-flight", "The first request with this key is not finished";
    /// A prescription is needed and there is none that serves.
    prescription_required = FORBIDDEN, "prescription-required", "A valid prescription is needed";
    /// A limit of a promotion is reached.
    promotion_limit = CONFLICT, "promotion-limit", "The promotion does not allow more";
    /// The caller asks too often.
    too_many = TOO_MANY_REQUESTS, "rate-limited", "Too many requests";
    /// More arrives than can be worked on.
    overloaded = SERVICE_UNAVAILABLE, "overloaded", "Too busy, try again later";
    /// The work took longer than a request may.
    too_slow = SERVICE_UNAVAILABLE, "timed-out", "The server took too long";
    /// Another part of the system does not answer.
    unavailable = SERVICE_UNAVAILABLE, "unavailable", "A part of the system does not answer";
    /// The server's own fault; the detail is in its log.
    internal = INTERNAL_SERVER_ERROR, "internal", "The server failed";
}

impl Problem {
    /// A problem of a kind of an actor's own.
    #[must_use]
    pub(crate) fn new(word: &str, status: StatusCode, title: &str, detail: impl Into<String>) -> Self {
        Self {
            kind: format!("{PREFIX}{word}"),
            title: title.to_owned(),
            status: status.as_u16(),
            detail: detail.into(),
            errors: Vec::new(),
            retry_after: None,
        }
    }

    /// The same with a part of the body at fault.
    #[must_use]
    pub(crate) fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(FieldError { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// The same with a time to wait: at least one second, as `Retry-After` counts.
    #[must_use]
    pub(crate) fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait.as_millis().div_ceil(1000).max(1).try_into().unwrap_or(u64::MAX));
        self
    }

    /// The word that names the kind.
    #[must_use]
    pub(crate) fn word(&self) -> &str {
        self.kind.strip_prefix(PREFIX).unwrap_or(&self.kind)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(wait));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Overloaded => {
                Self::overloaded("the queue of orders is full").retry_after(Duration::from_secs(1))
            }
            StoreError::KeyReused => Self::key_reused("use a new key for another request"),
            StoreError::Closed => Self::unavailable("the server is stopping").retry_after(Duration::from_secs(1)),
            StoreError::Database(_) | StoreError::Value(_) | StoreError::Migration(_) | StoreError::Answer(_) => {
                tracing::error!(%error, "storage failed");
                Self::internal("storage failed")
            }
        }
    }
}

impl From<MoneyError> for Problem {
    fn from(error: MoneyError) -> Self {
        Self::invalid(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use axum::http::{StatusCode, header};
    use axum::response::IntoResponse;

    use super::Problem;

    #[test]
    fn waits_are_whole_seconds_upwards() {
        let response = Problem::too_many("").retry_after(Duration::from_millis(1001)).into_response();
        assert_eq!(response.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(response.headers()[header::RETRY_AFTER], "2");
    }

    #[test]
    fn json_is_rfc_9457() {
        let problem = Problem::invalid("two lines").at("/lines/0/quantity", "must be 1 or more");
        let json = serde_json::to_value(&problem).unwrap();
        assert_eq!(json["type"], "urn:efir:problem:invalid-request");
        assert_eq!(json["errors"][0]["pointer"], "/lines/0/quantity");
        assert_eq!(serde_json::from_value::<Problem>(json).unwrap(), problem);
    }
}
