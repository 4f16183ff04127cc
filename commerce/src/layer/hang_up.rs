//! A connection whose request was not read to its end takes no other: the caller is told.

use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, Version, header};
use axum::response::Response;

use super::gate::Gate;
use crate::problem::Problem;

/// Says `Connection: close` with refusals of long bodies, where the connection is closed: before HTTP/2. A caller that does not
/// know sends its next request into nowhere.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HangUpGate;

impl Gate for HangUpGate {
    type Pass = Version;

    fn enter(&self, request: &mut Request) -> Result<Version, Problem> {
        Ok(request.version())
    }

    fn leave(version: Version, response: &mut Response) {
        if version < Version::HTTP_2 && response.status() == StatusCode::PAYLOAD_TOO_LARGE {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
    }
}
