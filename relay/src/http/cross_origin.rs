//! Pages of any origin may read what is public here: there are no cookies, and a token is part of the request.

use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

const TIMING_ALLOW_ORIGIN: HeaderName = HeaderName::from_static("timing-allow-origin");
/// On every answer: who may read it and its timing, and which fields besides the simple ones.
const ALWAYS: [(HeaderName, &str); 4] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::ACCESS_CONTROL_EXPOSE_HEADERS, "etag, content-length, retry-after"),
    (TIMING_ALLOW_ORIGIN, "*"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
];
/// On the answer to a preflight; a browser may remember it for a day.
const PREFLIGHT: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"),
    (header::ACCESS_CONTROL_ALLOW_HEADERS, "authorization, if-none-match, cache-control, range"),
    (header::ACCESS_CONTROL_MAX_AGE, "86400"),
];

/// Answers preflights, and opens every other answer to pages of any origin.
pub(super) async fn allow(request: Request, next: Next) -> Response {
    let mut response = if request.method() == Method::OPTIONS {
        (StatusCode::NO_CONTENT, PREFLIGHT).into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in ALWAYS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
