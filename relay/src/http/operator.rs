//! What the operator of a relay asks.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use transport::Address;

use super::Edge;
use crate::relay::Farewell;
use crate::{limit, metric};

/// A drain as the operator asks for it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Drain {
    /// Where sessions are to move: `moqt://host:port` or `https://host:port/path`. Empty = back to this address.
    uri: String,
    /// Milliseconds until sessions that have not moved are closed; by default `drain_ms`.
    timeout_ms: Option<u64>,
}

/// Asks every session, and every one that still comes, to move. The process runs on until it is stopped. A body in JSON keeps
/// pages of other sites from asking for it.
pub(super) async fn drain(State(edge): State<Edge>, Json(wanted): Json<Drain>) -> Response {
    let Drain { uri, timeout_ms } = wanted;
    if uri.len() > limit::FAREWELL_URI_BYTES || !uri.is_empty() && uri.parse::<Address>().is_err() {
        return (StatusCode::BAD_REQUEST, "uri is none of a MOQT server\n").into_response();
    }
    let timeout = timeout_ms.map_or_else(|| edge.context.settings.drain(), Duration::from_millis);
    tracing::info!(%uri, ?timeout, "draining, as the operator asks");
    if edge.context.leave(Farewell { uri, timeout }) {
        (StatusCode::ACCEPTED, "draining\n").into_response()
    } else {
        (StatusCode::CONFLICT, "draining already\n").into_response()
    }
}

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
