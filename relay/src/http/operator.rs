//! What the operator of a relay asks.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::Edge;
use crate::metric;

pub(super) async fn render_metrics(State(edge): State<Edge>) -> impl IntoResponse {
    metric::memory(edge.context.budget.used(), edge.context.budget.limit());
    edge.context.cache.report().await;
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], edge.metrics.render())
}

/// Ready: not draining, and every configured upstream is connected.
pub(super) async fn ready(State(edge): State<Edge>) -> Response {
    let unavailable = |reason: &'static str| (StatusCode::SERVICE_UNAVAILABLE, reason).into_response();
    if edge.context.drain.is_cancelled() {
        unavailable("draining\n")
    } else if !edge.context.router.upstreams_ready() {
        unavailable("an upstream is not connected\n")
    } else {
        "ready\n".into_response()
    }
}
