//! The HTTP edge: metrics, health, the certificate's hash, and plain GETs of groups so that curl can look inside.
//!
//! Served over TCP on localhost and, but for metrics and readiness, over HTTP/3 on the relay's UDP port.

mod group;
mod guard;
mod operator;
mod path;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::IntoResponse;
use axum::routing::get;
use certs::CertificateStore;
use process::Metrics;

use crate::relay::Context;

/// Everything a handler needs.
#[derive(Debug, Clone)]
struct Edge {
    context: Arc<Context>,
    certificates: Arc<CertificateStore>,
    metrics: Metrics,
}

/// The relay's paths: for everybody who reaches its UDP port, and those for its operator besides.
pub(crate) fn routes(context: Arc<Context>, certificates: Arc<CertificateStore>, metrics: Metrics) -> (Router, Router) {
    let edge = Edge { context, certificates, metrics };
    let guarded = Router::new()
        .route("/tracks/{*path}", get(group::group))
        .route_layer(from_fn_with_state(edge.clone(), guard::guard));
    let public = Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/certificate.sha256", get(certificate_hash))
        .merge(guarded)
        .with_state(edge.clone());
    let operator = Router::new()
        .route("/metrics", get(operator::render_metrics))
        .route("/readyz", get(operator::ready))
        .with_state(edge);
    (public.clone(), public.merge(operator))
}

/// SHA-256 of the certificate in service, hex, as `serverCertificateHashes` wants it; around a rotation further lines follow.
async fn certificate_hash(State(edge): State<Edge>) -> impl IntoResponse {
    let hashes: String = edge.certificates.hashes().iter().map(|hash| certs::hash_to_hex(hash) + "\n").collect();
    ([(header::CACHE_CONTROL, "no-cache"), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], hashes)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;

    use super::*;

    #[tokio::test]
    async fn metrics_and_readiness_are_for_the_operator_alone() {
        let context = Context::new(crate::RelaySettings::default(), Vec::new()).unwrap();
        let (certificates, _) = CertificateStore::load(&certs::CertificateSettings::default()).unwrap();
        let (public, all) = routes(context, certificates, Metrics::install().unwrap());
        let status = async |router: &Router, path: &str| {
            let request = axum::http::Request::get(path).body(Body::empty()).unwrap();
            tower::ServiceExt::oneshot(router.clone(), request).await.unwrap().status()
        };
        for path in ["/metrics", "/readyz"] {
            assert_eq!(status(&public, path).await, StatusCode::NOT_FOUND, "{path}");
            assert_eq!(status(&all, path).await, StatusCode::OK, "{path}");
        }
        for path in ["/healthz", "/certificate.sha256"] {
            assert_eq!(status(&public, path).await, StatusCode::OK, "{path}");
        }
    }
}
