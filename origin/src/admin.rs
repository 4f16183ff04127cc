//! What operators ask over HTTP.

use std::sync::Arc;

use axum::{Router, http::StatusCode, routing::get};
use process::{Metrics, Shutdown};

use crate::serve::Publications;

/// `/metrics` (if they are collected), `/healthz` (the process answers) and `/readyz` (every source that
/// runs by itself has told its tracks, and no shutdown has begun).
pub(crate) fn router(metrics: Option<Metrics>, publications: Arc<Publications>, shutdown: Shutdown) -> Router {
    let ready = async move || match publications.are_ready() && !shutdown.has_begun() {
        true => (StatusCode::OK, "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n"),
    };
    let router = Router::new().route("/healthz", get(async || "ok\n")).route("/readyz", get(ready));
    match metrics {
        Some(metrics) => router.route("/metrics", get(async move || metrics.render())),
        None => router,
    }
}
