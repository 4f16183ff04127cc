//! The HTTP edge: the tracks for those who cannot speak MOQT, what lives here, and what the operator asks.
//!
//! | Path | Answer |
//! |---|---|
//! | `/tracks/<namespace…>/<track>/<group or latest>` | the payloads of one group |
//! | `/tracks/<namespace…>/<track>/init` | what a reader of the payloads needs first |
//! | `/tracks/<namespace…>/<track>/live` | both together from the newest group on, without end |
//! | `/tracks/<namespace…>/<track>/objects` | the same as a FETCH stream, ids and properties included |
//! | `/broadcasts` | namespaces announced here, as JSON |
//! | `/server.json` | UDP port, certificate hashes and version: how a page finds the relay it came from |
//! | `/certificate.sha256`, `/healthz` | the certificate's hash; is it alive |
//! | `/`, `/efir-player.js` … | the browser player, unless `http.page` is off |
//! | `/metrics`, `/readyz` | for the operator, over TCP on localhost only |
//! | `POST /drain` | the same: asks every session to move, `{"uri": "moqt://…", "timeout_ms": 10000}` |

mod body;
mod broadcast;
mod cross_origin;
mod group;
mod guard;
mod https;
mod live;
mod operator;
mod path;
mod tag;
mod track;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use certs::CertificateStore;
use process::Metrics;
use serde::Serialize;
use tokio::sync::Semaphore;

use crate::relay::{Context, PageLink};

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
    pages: Arc<[PageLink]>,
    /// Places for bodies without end.
    live: Arc<Semaphore>,
}

/// The relay's paths: for everybody who reaches its public ports, and those for its operator besides.
pub(crate) fn routes(
    context: Arc<Context>,
    certificates: Arc<CertificateStore>,
    metrics: Metrics,
    pages: Vec<PageLink>,
) -> (Router, Router) {
    let live = Arc::new(Semaphore::new(context.settings.limit.http_live.min(Semaphore::MAX_PERMITS)));
    let edge = Edge { context, certificates, metrics, pages: pages.into(), live };
    let guarded = Router::new()
        .route("/broadcasts", get(broadcast::list))
        .route("/tracks/{*path}", get(track::serve))
        .route_layer(from_fn_with_state(edge.clone(), guard::guard));
    let public = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/certificate.sha256", get(certificate_hash))
        .route("/server.json", get(server))
        .merge(guarded)
        .fallback(async || (StatusCode::NOT_FOUND, "no such path\n"))
        .with_state(edge.clone())
        .layer(from_fn(cross_origin::allow));
    let public = if edge.context.settings.http.page { public.merge(browser::routes()) } else { public };
    let operator = Router::new()
        .route("/metrics", get(operator::render_metrics))
        .route("/readyz", get(operator::ready))
        .route("/drain", post(operator::drain))
        .with_state(edge);
    (public.clone(), public.merge(operator))
}

/// SHA-256 of the certificate in service: 64 hexadecimal digits and nothing else, as players of others parse it.
async fn certificate_hash(State(edge): State<Edge>) -> impl IntoResponse {
    let hash = edge.certificates.hashes().first().map(certs::hash_to_hex).unwrap_or_default();
    ([(header::CACHE_CONTROL, NO_CACHE)], hash)
}

/// What a page must know of the relay to dial it, and which other pages its process has. Around a certificate's rotation there
/// are two hashes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Server {
    port: u16,
    certificate_hashes: Vec<String>,
    version: &'static str,
    pages: Arc<[PageLink]>,
}

async fn server(State(edge): State<Edge>) -> impl IntoResponse {
    let server = Server {
        port: edge.context.port.get().copied().unwrap_or(0),
        certificate_hashes: edge.certificates.hashes().iter().map(certs::hash_to_hex).collect(),
        version: env!("CARGO_PKG_VERSION"),
        pages: edge.pages,
    };
    ([(header::CACHE_CONTROL, NO_CACHE)], axum::Json(server))
}

#[cfg(test)]
mod tests;
