//! The couriers over HTTP.
#![expect(unused_qualifications, reason = "utoipa writes whole paths")]

use axum::Json;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::Stream;
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Courier;
use super::area::DEPOT_NAME;
use super::calendar::Date;
use super::limit::{FOLLOW_PAUSE, REPORT_BYTES};
use super::map::{self, Theme};
use super::model::{Parcel, Tracking};
use super::number::ParcelNumber;
use super::planning::Routes;
use super::request::ParcelRequest;
use crate::auth::{Caller, MaybeCaller, Scope};
use crate::http::{Command, Entry, Live, Nothing, Path, Query, tagged};
use crate::problem::Problem;

/// All paths, without the prefix.
pub(super) fn routes(courier: Courier) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(book))
        .routes(routes!(track))
        .routes(routes!(follow))
        .routes(routes!(cancel))
        .routes(routes!(hear))
        .routes(routes!(plan))
        .routes(routes!(routes_of_day))
        .routes(routes!(van_down))
        .routes(routes!(map_svg))
        .routes(routes!(map_png))
        .with_state(courier)
}

/// Which day is to be planned.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PlanRequest {
    /// The day, in Helsinki.
    #[garde(skip)]
    date: Date,
}

/// How a map is to look.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct MapQuery {
    /// `light` or `dark`; an SVG follows the reader's system if absent.
    #[param(inline)]
    theme: Option<Theme>,
}

/// Books a parcel: kept at once, brought to the carrier whose offer is best as soon as one answers.
#[utoipa::path(post, path = "/parcels", request_body = ParcelRequest, responses((status = 201, body = Parcel)))]
async fn book(
    State(courier): State<Courier>,
    caller: Caller,
    command: Command<ParcelRequest>,
) -> Result<Response, Problem> {
    caller.require(Scope::ParcelWrite)?;
    let parcel = courier.book(&command.once, caller.owner(), command.body).await?;
    let location = format!("/api/v1/courier/parcels/{}", parcel.number);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(parcel)).into_response())
}

/// Where a parcel is: for everybody who knows its number. Its sender sees the reference and the cost too.
#[utoipa::path(get, path = "/parcels/{number}", security(()), responses((status = 200, body = Tracking)))]
async fn track(
    State(courier): State<Courier>,
    caller: MaybeCaller,
    Path(number): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = parse(&number)?;
    let parcel = courier.parcel(&number).await?;
    if let Some(caller) = caller.0.filter(|caller| caller.may(Scope::ParcelWrite))
        && courier.is_owner(&number, &caller.owner()).await?
    {
        return Ok(tagged(parcel.version, &headers, &parcel));
    }
    Ok(tagged(parcel.version, &headers, &public(&parcel)))
}

/// A parcel's changes as they happen (server-sent events), for everybody who knows its number.
#[utoipa::path(get, path = "/parcels/{number}/events", security(()),
    responses((status = 200, description = "events `parcel`, data: Tracking", content_type = "text/event-stream")))]
async fn follow(State(courier): State<Courier>, Path(number): Path<String>, live: Live) -> Result<Response, Problem> {
    let number = parse(&number)?;
    let first = courier.parcel(&number).await?;
    let seen = live.last.unwrap_or(0);
    Ok(live.answer(changes(courier, first, seen)))
}

/// Stops a parcel that its carrier has not moved.
#[utoipa::path(post, path = "/parcels/{number}/cancel", request_body = Nothing, responses((status = 200, body = Parcel)))]
async fn cancel(
    State(courier): State<Courier>,
    caller: Caller,
    Path(number): Path<String>,
    command: Command<Nothing>,
) -> Result<Json<Parcel>, Problem> {
    caller.require(Scope::ParcelWrite)?;
    let Command { once, body: Nothing {} } = command;
    Ok(Json(courier.cancel(&once, &caller.owner(), parse(&number)?).await?))
}

/// Takes a carrier's report, signed as standardwebhooks.com says.
#[utoipa::path(post, path = "/webhooks/{carrier}", security(()), request_body = crate::carrier::Report, responses((status = 204)),
    extensions(("x-keyless" = json!(true))))]
async fn hear(
    State(courier): State<Courier>,
    Path(carrier): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    if body.len() > REPORT_BYTES {
        return Err(Problem::invalid("a report is shorter"));
    }
    courier.hear(&carrier, &headers, &body).await.map_err(|error| {
        tracing::warn!(bytes = body.len(), %error, "a carrier's report is refused");
        error
    })?;
    Ok(StatusCode::NO_CONTENT)
}

/// Plans a day's routes now.
#[utoipa::path(post, path = "/routes", request_body = PlanRequest, responses((status = 200, body = Routes)))]
async fn plan(
    State(courier): State<Courier>,
    caller: Caller,
    command: Command<PlanRequest>,
) -> Result<Json<Routes>, Problem> {
    caller.require(Scope::RoutePlan)?;
    courier.plan_now(command.body.date).await?.map(Json).ok_or_else(no_routes)
}

/// A day's routes.
#[utoipa::path(get, path = "/routes/{date}", params(("date" = Date, Path, description = "The day")), responses((status = 200, body = Routes)))]
async fn routes_of_day(
    State(courier): State<Courier>,
    caller: Caller,
    Path(date): Path<Date>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Scope::RoutePlan)?;
    let routes = courier.routes_of(date).await?.ok_or_else(no_routes)?;
    // What is delivered meanwhile shows without a new plan.
    let version = routes.version.saturating_mul(1_000_000).saturating_add_unsigned(routes.day.visited.len() as u64);
    Ok(tagged(version, &headers, &routes))
}

/// A van broke down: its doors go to the others.
#[utoipa::path(post, path = "/routes/{date}/vans/{van}/down", request_body = Nothing, responses((status = 200, body = Routes)))]
async fn van_down(
    State(courier): State<Courier>,
    caller: Caller,
    Path((date, van)): Path<(Date, String)>,
    _: Command<Nothing>,
) -> Result<Json<Routes>, Problem> {
    caller.require(Scope::RoutePlan)?;
    courier.van_down(date, van).await?.map(Json).ok_or_else(no_routes)
}

/// A picture of a day's routes, for staff; for everybody in a demonstration.
#[utoipa::path(get, path = "/routes/{date}/map.svg", security(()), params(("date" = Date, Path, description = "The day"), MapQuery),
    responses((status = 200, description = "a map", content_type = "image/svg+xml")))]
async fn map_svg(
    State(courier): State<Courier>,
    caller: MaybeCaller,
    Path(date): Path<Date>,
    Query(asked): Query<MapQuery>,
) -> Result<Response, Problem> {
    let picture = map::draw(&may_see(&courier, caller, date).await?);
    Ok(image("image/svg+xml", picture.svg(asked.theme).into_bytes()))
}

/// The same picture as PNG.
#[utoipa::path(get, path = "/routes/{date}/map.png", security(()), params(("date" = Date, Path, description = "The day"), MapQuery),
    responses((status = 200, description = "a map", content_type = "image/png")))]
async fn map_png(
    State(courier): State<Courier>,
    caller: MaybeCaller,
    Path(date): Path<Date>,
    Query(asked): Query<MapQuery>,
) -> Result<Response, Problem> {
    let picture = map::draw(&may_see(&courier, caller, date).await?);
    let drawn = tokio::task::spawn_blocking(move || picture.png(asked.theme.unwrap_or_default())).await;
    let png = drawn.ok().flatten().ok_or_else(|| Problem::internal("the picture cannot be drawn"))?;
    Ok(image("image/png", png))
}

async fn may_see(courier: &Courier, caller: MaybeCaller, date: Date) -> Result<Routes, Problem> {
    if !courier.context.demo && !caller.may(Scope::RoutePlan) {
        return Err(match caller.0 {
            Some(_) => Problem::forbidden("the scope route:plan is needed"),
            None => Problem::unauthenticated("send a token in the header Authorization: Bearer"),
        });
    }
    courier.routes_of(date).await?.ok_or_else(no_routes)
}

fn image(kind: &'static str, bytes: Vec<u8>) -> Response {
    let cache = HeaderValue::from_static("no-cache");
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, cache)], bytes).into_response()
}

fn parse(number: &str) -> Result<ParcelNumber, Problem> {
    // A number that cannot be one is answered like one that is not: nobody learns what numbers look like.
    ParcelNumber::parse(number).map_err(|_| Problem::not_found("there is no such parcel"))
}

fn no_routes() -> Problem {
    Problem::not_found("nothing is to be delivered on that day")
}

/// What everybody may see.
fn public(parcel: &Parcel) -> Tracking {
    parcel.tracking(|place| place == DEPOT_NAME || crate::carrier::HUBS.contains(&place))
}

/// A parcel whenever it has changed, until it is at its end.
fn changes(courier: Courier, first: Parcel, seen: i64) -> impl Stream<Item = Entry<Tracking>> {
    async_stream::stream! {
        let mut news = courier.database.committed();
        let (mut parcel, mut seen) = (first, seen);
        loop {
            news.mark_unchanged();
            if parcel.version > seen {
                seen = parcel.version;
                yield Entry { id: seen, kind: "parcel".to_owned(), data: public(&parcel) };
            }
            if parcel.state.is_final() || news.changed().await.is_err() {
                return;
            }
            // Many commits in a row are one look.
            tokio::time::sleep(FOLLOW_PAUSE).await;
            match courier.parcel(&parcel.number).await {
                Ok(now) => parcel = now,
                Err(error) => {
                    tracing::warn!(%error, "a parcel cannot be followed");
                    return;
                }
            }
        }
    }
}
