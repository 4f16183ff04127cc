//! The carriers over HTTP.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Carrier;
use super::model::{Booking, Consignment, Doors, QuoteQuery, Quotes, Round};
use crate::auth::{Caller, Scope};
use crate::http::{Command, Nothing, Path, Query};
use crate::problem::Problem;

/// All paths, without the prefix.
pub(super) fn routes(carrier: Carrier) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(quotes))
        .routes(routes!(take))
        .routes(routes!(consignment))
        .routes(routes!(cancel))
        .routes(routes!(drive))
        .with_state(carrier)
}

/// What it would cost and when it would be there.
#[utoipa::path(get, path = "/quotes", params(QuoteQuery), responses((status = 200, body = Quotes)))]
async fn quotes(
    State(carrier): State<Carrier>,
    caller: Caller,
    Query(asked): Query<QuoteQuery>,
) -> Result<Json<Quotes>, Problem> {
    caller.require(Scope::ParcelWrite)?;
    Ok(Json(Quotes { quotes: carrier.quotes(&asked) }))
}

/// Takes a parcel. The same reference is never taken twice.
#[utoipa::path(post, path = "/consignments", request_body = Booking, responses((status = 201, body = Consignment)))]
async fn take(
    State(carrier): State<Carrier>,
    caller: Caller,
    command: Command<Booking>,
) -> Result<(StatusCode, Json<Consignment>), Problem> {
    caller.require(Scope::ParcelWrite)?;
    Ok((StatusCode::CREATED, Json(carrier.take(command.body).await?)))
}

/// A parcel with all its reports: for those whom a report did not reach.
#[utoipa::path(get, path = "/consignments/{reference}", responses((status = 200, body = Consignment)))]
async fn consignment(
    State(carrier): State<Carrier>,
    caller: Caller,
    Path(reference): Path<String>,
) -> Result<Json<Consignment>, Problem> {
    caller.require(Scope::ParcelWrite)?;
    Ok(Json(carrier.consignment(&reference).await?))
}

/// Stops a parcel that has not moved.
#[utoipa::path(post, path = "/consignments/{reference}/cancel", request_body = Nothing, responses((status = 200, body = Object)))]
async fn cancel(
    State(carrier): State<Carrier>,
    caller: Caller,
    Path(reference): Path<String>,
    _: Command<Nothing>,
) -> Result<Json<serde_json::Value>, Problem> {
    caller.require(Scope::ParcelWrite)?;
    carrier.cancel(reference).await?;
    Ok(Json(serde_json::json!({})))
}

/// Tells a van in which order to visit its doors.
#[utoipa::path(post, path = "/rounds", request_body = Round, responses((status = 200, body = Doors)))]
async fn drive(
    State(carrier): State<Carrier>,
    caller: Caller,
    command: Command<Round>,
) -> Result<Json<Doors>, Problem> {
    caller.require(Scope::RoutePlan)?;
    Ok(Json(Doors { doors: carrier.drive(command.body).await? }))
}
