//! Routes of the process as a whole: what there is, how it is, and what goes wrong on purpose.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use garde::Validate;
use process::Metrics;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, Scope};
use crate::context::Databases;
use crate::fault::{Fault, Faults};
use crate::http::Json;
use crate::problem::{PREFIX, Problem};

/// How long a database may take to say that it is there.
const PROBE: std::time::Duration = std::time::Duration::from_secs(2);

/// Names of faults: more than there are kinds and steps.
const FAULTS: usize = 64;

/// The reading page, which needs nothing from elsewhere.
const READING_PAGE: &str = include_str!("reading.html");

/// A kind of problem.
#[derive(Debug, Serialize, ToSchema)]
struct ProblemKind {
    /// Its stable name.
    #[serde(rename = "type")]
    kind: String,
    /// The HTTP status it comes with.
    status: u16,
    /// What it means.
    title: &'static str,
}

/// Faults by name.
#[derive(Debug, Serialize, Deserialize, Validate, ToSchema)]
#[serde(transparent)]
struct FaultTable(#[garde(length(max = FAULTS), dive)] BTreeMap<String, Fault>);

/// Routes below `/api/v1`.
pub(crate) fn process_routes(faults: Faults) -> OpenApiRouter {
    OpenApiRouter::new().routes(routes!(faults_now, set_faults)).with_state(faults).routes(routes!(problem_kinds))
}

/// The faults that are set.
#[utoipa::path(get, path = "/faults", responses(
    (status = 200, body = FaultTable, description = "Those that are not over")
))]
async fn faults_now(State(faults): State<Faults>, caller: Caller) -> Result<impl IntoResponse, Problem> {
    caller.require(Scope::FaultWrite)?;
    Ok(axum::Json(FaultTable(faults.list())))
}

/// Puts faults in place of all before.
#[utoipa::path(put, path = "/faults", request_body = FaultTable, responses(
    (status = 200, body = FaultTable, description = "Those that are set now")
))]
async fn set_faults(
    State(faults): State<Faults>,
    caller: Caller,
    Json(FaultTable(table)): Json<FaultTable>,
) -> Result<impl IntoResponse, Problem> {
    caller.require(Scope::FaultWrite)?;
    tracing::warn!(faults = ?table, "faults on purpose");
    faults.set(table);
    Ok(axum::Json(FaultTable(faults.list())))
}

/// The kinds of problems that all actors share.
#[utoipa::path(get, path = "/problems", security(()), responses((status = 200, body = Vec<ProblemKind>, description = "All of them")))]
async fn problem_kinds() -> impl IntoResponse {
    let kind = |&(word, status, title): &(&str, u16, &'static str)| ProblemKind {
        kind: format!("{PREFIX}{word}"),
        status,
        title,
    };
    axum::Json(Problem::COMMON.iter().map(kind).collect::<Vec<_>>())
}

/// `/api/openapi.json`, `/api/docs`, and 404 as a problem for other paths below `/api`.
pub(crate) fn reading_routes(api: &OpenApi) -> Result<Router, serde_json::Error> {
    let json = Bytes::from(serde_json::to_vec(api)?);
    // Another program's description has another tag, whatever its version says.
    let version = Sha256::digest(&json).iter().take(7).fold(0, |tag, byte| tag << 8 | i64::from(*byte));
    let json = move |headers: HeaderMap| {
        let answer = crate::http::tagged_json(version, &headers, json.clone());
        async move { answer }
    };
    let page = || async {
        let policy = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; connect-src 'self'";
        let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, policy)];
        (headers, READING_PAGE)
    };
    let nothing = || async { Problem::not_found("no such path") };
    let router = Router::new().route("/api/openapi.json", get(json)).route("/api/docs", get(page));
    Ok(router.route("/api/{*path}", axum::routing::any(nothing)))
}

/// `/healthz`, `/readyz` and `/metrics`, for the listeners of a process of its own.
pub(crate) fn admin_routes(databases: Databases, metrics: Metrics) -> Router {
    let metrics = move || {
        let text = metrics.render();
        async move { ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text) }
    };
    Router::new()
        .route("/healthz", get(|| async { "ok\n" }))
        .route("/readyz", get(ready))
        .with_state(Arc::new(databases))
        .route("/metrics", get(metrics))
}

/// Whether every database answers.
async fn ready(State(databases): State<Arc<Databases>>) -> Response {
    let mut answers = BTreeMap::new();
    for database in databases.list() {
        let probe = tokio::time::timeout(PROBE, database.row("SELECT 1", Vec::new())).await;
        answers.insert(database.name(), if matches!(probe, Ok(Ok(_))) { "ok" } else { "failed" });
    }
    let well = answers.values().all(|answer| *answer == "ok");
    let status = if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, axum::Json(answers)).into_response()
}
