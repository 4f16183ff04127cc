//! What the furniture shop has beside the routes of every shop: exports, discounts, withdrawing.
#![expect(unused_qualifications, reason = "the macro that describes parameters writes their types with paths")]

use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::discount::Cut;
use super::export::{self, ExportView, Format};
use super::limit::DISCOUNT_PRODUCTS;
use super::store::{DiscountError, DiscountView};
use super::{Furniture, NewDiscountError};
use crate::auth::{Caller, Scope};
use crate::clock::Timestamp;
use crate::http::{Command, Items, Nothing, Path, Query, tagged};
use crate::id::{ExportId, Sku};
use crate::problem::Problem;

/// Routes without a prefix.
pub(super) fn routes(furniture: Furniture) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(export_now))
        .routes(routes!(request_export, list_exports))
        .routes(routes!(get_export, delete_export))
        .routes(routes!(export_file))
        .routes(routes!(make_discount, list_discounts))
        .routes(routes!(end_discount))
        .routes(routes!(withdraw))
        .with_state(furniture)
}

/// What to export at once.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ExportQuery {
    /// How rows are written.
    #[param(inline, example = "ndjson")]
    format: Format,
    /// Only what changed after this change, withdrawn products included.
    #[param(minimum = 0)]
    since: Option<i64>,
}

/// What to export into a file.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ExportBody {
    /// How rows are written.
    #[garde(skip)]
    format: Format,
    /// Only what changed after this change, withdrawn products included: `snapshot` of the export before.
    #[garde(inner(range(min = 0)))]
    #[schema(minimum = 0)]
    #[serde(default)]
    since: Option<i64>,
}

/// A discount.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct DiscountBody {
    /// What people read.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    title: String,
    /// What is taken off each.
    #[garde(custom(cut_fits))]
    cut: Cut,
    /// From when; now if absent.
    #[garde(skip)]
    #[serde(default)]
    starts_at: Option<Timestamp>,
    /// Until when, this moment not included: at most 90 days.
    #[garde(skip)]
    ends_at: Timestamp,
    /// Which products.
    #[garde(length(min = 1, max = DISCOUNT_PRODUCTS))]
    #[schema(min_items = 1, max_items = 100)]
    skus: Vec<Sku>,
}

fn cut_fits(cut: &Cut, (): &()) -> garde::Result {
    match cut {
        Cut::Percent(1..=10_000) | Cut::Amount(1..=100_000_000) => Ok(()),
        Cut::Percent(_) => Err(garde::Error::new("must be 1 to 10000 basis points")),
        Cut::Amount(_) => Err(garde::Error::new("must be 1 to 100000000 cents")),
    }
}

impl From<DiscountError> for Problem {
    fn from(error: DiscountError) -> Self {
        let text = error.to_string();
        match error {
            DiscountError::Product(_) => Self::invalid("a product is not known").at("/skus", text),
            DiscountError::Full => Self::conflict(text),
            DiscountError::NotFound => Self::not_found(text),
            DiscountError::Store(error) => error.into(),
        }
    }
}

fn export_id(text: &str) -> Result<ExportId, Problem> {
    ExportId::parse(text).map_err(|_| Problem::not_found("there is no such export"))
}

/// The whole catalogue as a stream, from one state of it (scope `export:read`). `Efir-Snapshot` is the number of its newest
/// change: `since` of the next export. A stream that is cut off ends with an error; long downloads are better made as files.
#[utoipa::path(get, path = "/export", params(ExportQuery), responses(
    (status = 200, description = "All rows", content(
        (String = "application/x-ndjson"), (String = "text/csv"), (Vec<u8> = "application/vnd.apache.arrow.stream")))))]
async fn export_now(
    State(furniture): State<Furniture>,
    caller: Caller,
    Query(query): Query<ExportQuery>,
) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    if query.since.is_some_and(|since| since < 0) {
        return Err(Problem::malformed("since: 0 or the snapshot of another export"));
    }
    let format = query.format.require_built()?;
    let place = furniture.place()?;
    let export = export::open(furniture.db(), format, query.since).await?;
    let snapshot = export.snapshot;
    let mut response = export::body(export, place).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(format.media_type()));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert("efir-snapshot", HeaderValue::from(snapshot));
    let name = format!("attachment; filename=\"furniture-{snapshot}.{}\"", format.as_str());
    if let Ok(name) = HeaderValue::from_str(&name) {
        headers.insert(header::CONTENT_DISPOSITION, name);
    }
    Ok(response)
}

/// Has the catalogue, or what changed in it, written into a file (scope `export:read`). Subscribers of `export.ready` hear
/// when it is there.
#[utoipa::path(post, path = "/exports", request_body = ExportBody, responses(
    (status = 202, description = "Queued; `Location` tells how far it is", body = ExportView)))]
async fn request_export(
    State(furniture): State<Furniture>,
    caller: Caller,
    command: Command<ExportBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let ExportBody { format, since } = command.body;
    let format = format.require_built()?;
    let view = furniture.exports().request(Some(&command.once), caller.subject, format, since).await?;
    let location = format!("/api/v1/furniture/exports/{}", view.id);
    Ok((StatusCode::ACCEPTED, [(header::LOCATION, location)], axum::Json(view)).into_response())
}

/// The caller's exports, newest first (scope `export:read`).
#[utoipa::path(get, path = "/exports", responses(
    (status = 200, description = "All that are kept", body = Items<ExportView>)))]
async fn list_exports(State(furniture): State<Furniture>, caller: Caller) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let items = furniture.exports().list(&caller.subject).await?;
    Ok(axum::Json(Items { items }).into_response())
}

/// How far an export is (scope `export:read`).
#[utoipa::path(get, path = "/exports/{id}", params(("id" = String, Path, description = "The export")), responses(
    (status = 200, description = "The export", body = ExportView)))]
async fn get_export(
    State(furniture): State<Furniture>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let view = furniture.exports().get(&caller.subject, &export_id(&id)?).await?;
    Ok(tagged(view.version, &headers, &view))
}

/// Removes an export and its file (scope `export:read`).
#[utoipa::path(delete, path = "/exports/{id}", params(("id" = String, Path, description = "The export")), responses(
    (status = 204, description = "Gone")))]
async fn delete_export(
    State(furniture): State<Furniture>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::ExportRead)?;
    furniture.exports().delete(&caller.subject, &export_id(&id)?).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The file of an export (scope `export:read`). Its SHA-256 is its ETag and in `Repr-Digest`; `Range` with `If-Range` resumes a
/// download.
#[utoipa::path(get, path = "/exports/{id}/file", params(("id" = String, Path, description = "The export")), responses(
    (status = 200, description = "The file"), (status = 206, description = "A range of it"),
    (status = 304, description = "The caller has it")))]
async fn export_file(
    State(furniture): State<Furniture>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Scope::ExportRead)?;
    let view = furniture.exports().get(&caller.subject, &export_id(&id)?).await?;
    export::answer(&view, &furniture.exports().path(&view), &headers).await
}

/// Makes a discount (scope `catalog:write`). Of several on one product the best counts.
#[utoipa::path(post, path = "/discounts", request_body = DiscountBody, responses(
    (status = 201, description = "Made", body = DiscountView)))]
async fn make_discount(
    State(furniture): State<Furniture>,
    caller: Caller,
    command: Command<DiscountBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let DiscountBody { title, cut, starts_at, ends_at, skus } = command.body;
    let starts_at = starts_at.unwrap_or_else(|| furniture.now());
    let new = DiscountView { id: crate::id::new_uuid(), title, cut, starts_at, ends_at, skus };
    let made = furniture.make_discount(Some(&command.once), new).await.map_err(|error| match error {
        NewDiscountError::Window => Problem::invalid("the time is not allowed")
            .at("/ends_at", "must be after starts_at and now, and within 90 days"),
        NewDiscountError::Discount(error) => error.into(),
    })?;
    Ok((StatusCode::CREATED, axum::Json(made)).into_response())
}

/// Discounts that are on or to come.
#[utoipa::path(get, path = "/discounts", security(()), responses(
    (status = 200, description = "By beginning", body = Items<DiscountView>)))]
async fn list_discounts(State(furniture): State<Furniture>) -> Result<Response, Problem> {
    let items = furniture.discounts().await?;
    Ok(axum::Json(Items { items }).into_response())
}

/// Ends a discount now (scope `catalog:write`).
#[utoipa::path(delete, path = "/discounts/{id}", params(("id" = String, Path, description = "The discount")), responses(
    (status = 204, description = "Ended")))]
async fn end_discount(
    State(furniture): State<Furniture>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::CatalogWrite)?;
    furniture.end_discount(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Takes a product out of the catalogue (scope `catalog:write`). Exports of changes tell of it as deleted; orders stay.
#[utoipa::path(post, path = "/products/{sku}/withdraw", request_body = Nothing, params(
    ("sku" = Sku, Path, description = "The shop's own code")), responses(
    (status = 204, description = "Withdrawn")))]
async fn withdraw(
    State(furniture): State<Furniture>,
    caller: Caller,
    Path(sku): Path<String>,
    command: Command<Nothing>,
) -> Result<StatusCode, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let Nothing {} = command.body;
    let unknown = || Problem::not_found("there is no such product");
    let sku = Sku::parse(&sku).map_err(|_| unknown())?;
    if furniture.withdraw(Some(&command.once), sku).await? { Ok(StatusCode::NO_CONTENT) } else { Err(unknown()) }
}
