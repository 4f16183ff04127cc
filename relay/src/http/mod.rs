//! The HTTP edge: the tracks for those who cannot speak MOQT, what lives here, and what the operator asks.
//!
//! | Path | Answer |
//! |---|---|
//! | `/tracks/<namespace…>/<track>/<group or latest>` | the payloads of one group |
//! | `/tracks/<namespace…>/<track>/init` | what a reader of the payloads needs first |
//! | `/tracks/<namespace…>/<track>/live` | both together from the newest group on, without end |
//! | `/tracks/<namespace…>/<track>/objects` | the same as a FETCH stream, ids and properties included |
//! | `/broadcasts` | namespaces announced here, as JSON |
//! | `/certificate.sha256`, `/healthz` | the certificate's hash; is it alive |
//! | `/metrics`, `/readyz` | for the operator, over TCP on localhost only |

mod body;
mod broadcast;
mod cross_origin;
mod group;
mod guard;
mod https;
mod live;
mod operator;
mod path;
mod track;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::get;
use certs::CertificateStore;
use process::Metrics;
use tokio::sync::Semaphore;

use crate::relay::Context;

pub(crate) use https::Https;

/// What changes from one moment to the next, and may be kept to be asked about again.
const NO_CACHE: &str = "no-cache";
/// What is never the same twice.
const NO_STORE: &str = "no-store";

/// Everything a handler needs.
#[derive(Debug, Clone)]
struct Edge {
    context: Arc<Context>,
    certificates: Arc<CertificateStore>,
    metrics: Metrics,
    /// Places for bodies without end.
    live: Arc<Semaphore>,
}

/// The relay's paths: for everybody who reaches its public ports, and those for its operator besides.
pub(crate) fn routes(context: Arc<Context>, certificates: Arc<CertificateStore>, metrics: Metrics) -> (Router, Router) {
    let live = Arc::new(Semaphore::new(context.settings.limit.http_live.min(Semaphore::MAX_PERMITS)));
    let edge = Edge { context, certificates, metrics, live };
    let guarded = Router::new()
        .route("/broadcasts", get(broadcast::list))
        .route("/tracks/{*path}", get(track::serve))
        .route_layer(from_fn_with_state(edge.clone(), guard::guard));
    let public = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/certificate.sha256", get(certificate_hash))
        .merge(guarded)
        .fallback(async || (StatusCode::NOT_FOUND, "no such path\n"))
        .with_state(edge.clone())
        .layer(from_fn(cross_origin::allow));
    let operator = Router::new()
        .route("/metrics", get(operator::render_metrics))
        .route("/readyz", get(operator::ready))
        .with_state(edge);
    (public.clone(), public.merge(operator))
}

/// SHA-256 of the certificate in service, hex, as `serverCertificateHashes` wants it; around a rotation further lines follow.
async fn certificate_hash(State(edge): State<Edge>) -> impl IntoResponse {
    let hashes: String = edge.certificates.hashes().iter().map(|hash| certs::hash_to_hex(hash) + "\n").collect();
    ([(header::CACHE_CONTROL, NO_CACHE)], hashes)
}

#[cfg(test)]
mod tests;
