//! JSON bodies: read, checked for unknown members by their type, validated.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, StatusCode, header};
use garde::Validate;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::problem::Problem;

/// The body of a PUT or PATCH: JSON of a type that validates. POSTs take a [`Command`](super::Command).
#[derive(Debug)]
pub(crate) struct Json<T>(pub(crate) T);

impl<T, S> FromRequest<S> for Json<T>
where
    T: DeserializeOwned + Validate<Context: Default>,
    S: Send + Sync,
{
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let headers = request.headers().clone();
        let bytes = read(request, state).await?;
        parse(&headers, &bytes).map(Self)
    }
}

/// A body that says nothing: an empty object, or no body at all.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}

/// All there is of something that there are few of.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Items<T> {
    pub(crate) items: Vec<T>,
}

/// All bytes of the body, up to the limit on bodies.
pub(super) async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large("the body is longer than this server takes"),
        _ => Problem::malformed("the body ended early"),
    })
}

/// The value that a body holds. Nothing stands for an empty object.
pub(super) fn parse<T: DeserializeOwned + Validate<Context: Default>>(
    headers: &HeaderMap,
    bytes: &[u8],
) -> Result<T, Problem> {
    if !bytes.is_empty() && !is_json(headers) {
        return Err(Problem::unsupported("send application/json"));
    }
    let bytes = if bytes.is_empty() { b"{}" } else { bytes };
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value: T = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| refuse(&error))?;
    deserializer.end().map_err(|error| Problem::malformed(error.to_string()))?;
    value.validate().map_err(|report| {
        let problem = Problem::invalid("some values are not allowed");
        report.iter().fold(problem, |problem, (path, error)| problem.at(rule_pointer(path), error.to_string()))
    })?;
    Ok(value)
}

fn is_json(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

fn refuse(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let detail = error.inner().to_string();
    if error.inner().is_data() {
        return Problem::invalid("a value does not fit").at(data_pointer(error.path()), detail);
    }
    Problem::malformed(detail)
}

/// A JSON pointer (RFC 6901) to where reading stopped.
fn data_pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut pointer = String::new();
    for segment in path.iter() {
        match segment {
            Segment::Seq { index } => pointer.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                pointer.push('/');
                pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            // A variant has no place of its own in the text.
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    pointer
}

/// A JSON pointer to what broke a rule; its path reads `lines[0].quantity`.
fn rule_pointer(path: &garde::Path) -> String {
    let mut pointer = String::new();
    for part in path.to_string().split(['.', '[']).filter(|part| !part.is_empty()) {
        pointer.push('/');
        pointer.push_str(part.trim_end_matches(']'));
    }
    pointer
}
