//! Who may see what there is.

use axum::extract::{Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::Edge;
use crate::access::Right;
use crate::metric;

/// Answers 401 to those who may not watch, before anything is looked up. A browser asks with OPTIONS, without its token,
/// whether it may ask.
pub(super) async fn guard(State(edge): State<Edge>, request: Request, next: Next) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(|field| field.as_bytes());
    if request.method() == Method::OPTIONS || edge.context.access.permits_http(request.uri().query(), shown) {
        return next.run(request).await;
    }
    let (code, reason) = Right::Subscribe.refusal();
    metric::refused("http", code);
    (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Bearer")], format!("{reason}\n")).into_response()
}
