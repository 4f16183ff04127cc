//! Public keys for everybody; demo tokens where the operator allows them.

use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::{Authority, Grant, Role};
use crate::actor::Actor;
use crate::http::Json;
use crate::problem::Problem;

/// How the subjects of demo tokens begin: nobody real is called so.
const DEMO: &str = "demo-";

/// Bytes of a demo subject after that: a UUID fits.
const DEMO_BYTES: usize = 48;

/// How long a demo token holds: a session in front of the page.
const DEMO_TTL: Duration = Duration::from_secs(12 * 3600);

/// A wish for a demo token.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct DemoWish {
    /// Whom it makes of its bearer.
    #[garde(skip)]
    role: Role,
    /// For whom; somebody new if absent.
    #[garde(inner(custom(demo_subject)))]
    #[serde(default)]
    #[schema(pattern = "^demo-[a-z0-9-]{1,48}$", example = "demo-1")]
    subject: Option<String>,
}

fn demo_subject(subject: &str, _: &()) -> garde::Result {
    let rest = subject.strip_prefix(DEMO).unwrap_or_default();
    let plain = rest.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if (1..=DEMO_BYTES).contains(&rest.len()) && plain {
        return Ok(());
    }
    Err(garde::Error::new(format!("must be {DEMO} and up to {DEMO_BYTES} of a-z, 0-9 and -")))
}

/// A demo token.
#[derive(Debug, Serialize, ToSchema)]
struct DemoToken {
    /// To be sent as `Authorization: Bearer …`.
    token: String,
    /// Whose it is.
    subject: String,
    /// How long it holds, in seconds.
    expires_in: u64,
    /// What it allows.
    scope: String,
}

/// Routes of the whole process, below `/api/v1`.
pub(crate) fn routes(authority: Authority, demo: bool) -> OpenApiRouter {
    let router = OpenApiRouter::new().routes(routes!(key_set));
    let router = if demo { router.routes(routes!(demo_token)) } else { router };
    router.with_state(authority)
}

/// Public keys that verify tokens.
#[utoipa::path(get, path = "/jwks.json", security(()), responses((status = 200, description = "A JWK Set (RFC 7517)", body = Object, content_type = "application/jwk-set+json")))]
async fn key_set(State(authority): State<Authority>) -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "application/jwk-set+json"), (header::CACHE_CONTROL, "max-age=300")];
    (headers, authority.key_set())
}

/// A token for trying things out. Only there if the operator allows it.
#[utoipa::path(
    post, path = "/demo/token", security(()), request_body = DemoWish, extensions(("x-keyless" = json!(true))),
    responses((status = 201, description = "A new token", body = DemoToken))
)]
async fn demo_token(
    State(authority): State<Authority>,
    Json(wish): Json<DemoWish>,
) -> Result<impl IntoResponse, Problem> {
    let subject = wish.subject.unwrap_or_else(|| format!("{DEMO}{}", crate::id::new_uuid()));
    let scopes = wish.role.scopes();
    let grant = Grant { subject: &subject, actor: None, audience: &Actor::ALL, scopes, ttl: DEMO_TTL };
    let token = authority.issue(&grant).map_err(|error| Problem::internal(error.to_string()))?;
    let token = DemoToken { token, subject, expires_in: DEMO_TTL.as_secs(), scope: scopes.to_string() };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], axum::Json(token)))
}
