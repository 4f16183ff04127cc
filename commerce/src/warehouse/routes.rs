//! The warehouse over HTTP.
#![expect(unused_qualifications, reason = "the macro that describes parameters writes their types with paths")]

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Warehouse;
use super::audit::Audit;
use super::list::{LedgerRow, StockRow};
use super::map::{BinView, svg, views};
use super::model::{self, Cancel, Count, Inspection, NewCount, NewReceipt, NewShipment, Pick, Receipt, Shipment, Walk};
use super::service::LabelFile;
use crate::auth::{Caller, Scope};
use crate::event;
use crate::http::{Command, Listed, Nothing, Page, Path, Query, tagged};
use crate::problem::Problem;

impl Warehouse {
    /// All routes, below `/api/v1/warehouse`.
    pub(crate) fn routes(&self) -> OpenApiRouter {
        OpenApiRouter::new()
            .routes(routes!(receive))
            .routes(routes!(receipt))
            .routes(routes!(place, list))
            .routes(routes!(shipment))
            .routes(routes!(picks))
            .routes(routes!(pick))
            .routes(routes!(pack))
            .routes(routes!(ship))
            .routes(routes!(cancel))
            .routes(routes!(inspect))
            .routes(routes!(label))
            .routes(routes!(stock))
            .routes(routes!(ledger))
            .routes(routes!(count))
            .routes(routes!(audit))
            .routes(routes!(bins))
            .routes(routes!(map))
            .with_state(self.clone())
            .merge(event::routes(&self.database))
    }
}

type Answer<T> = Result<T, Problem>;

/// Takes goods in. The same delivery note again gives the first receipt.
#[utoipa::path(post, path = "/receipts", request_body = NewReceipt,
    responses((status = 201, body = Receipt)))]
async fn receive(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Command { once, body }: Command<NewReceipt>,
) -> Answer<impl IntoResponse> {
    caller.require(Scope::StockWrite)?;
    let receipt = warehouse.receive(&once, &caller.owner(), body).await?;
    Ok((StatusCode::CREATED, axum::Json(receipt)))
}

/// A receipt.
#[utoipa::path(get, path = "/receipts/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Receipt)))]
async fn receipt(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<axum::Json<Receipt>> {
    caller.require(Scope::StockRead)?;
    let receipt = warehouse.receipt(&id).await?;
    receipt.map(axum::Json).ok_or_else(|| Problem::not_found("there is no such receipt"))
}

/// Orders a parcel. It waits until all of its goods are here, unless it may go with fewer.
#[utoipa::path(post, path = "/shipments", request_body = NewShipment,
    responses((status = 201, body = Shipment)))]
async fn place(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Command { once, body }: Command<NewShipment>,
) -> Answer<impl IntoResponse> {
    caller.require(Scope::StockWrite)?;
    let shipment = warehouse.place(&once, body).await?;
    Ok((StatusCode::CREATED, axum::Json(shipment)))
}

/// Which shipments to list.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ShipmentQuery {
    /// In this state only.
    state: Option<model::State>,
    /// Of this reference only.
    reference: Option<String>,
}

/// Shipments, oldest first.
#[utoipa::path(get, path = "/shipments", params(ShipmentQuery, Page),
    responses((status = 200, body = Listed<Shipment>)))]
async fn list(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Query(query): Query<ShipmentQuery>,
    page: Page,
) -> Answer<Response> {
    caller.require(Scope::StockRead)?;
    let filter = (query.state, query.reference.as_deref());
    let (items, next) = warehouse.shipments(filter, page.after()?.unwrap_or(0), page.limit.into()).await?;
    Ok(page.answer(items, next.as_ref()))
}

/// A shipment.
#[utoipa::path(get, path = "/shipments/{id}", params(("id" = String, Path)),
    responses((status = 200, body = Shipment)))]
async fn shipment(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Answer<Response> {
    caller.require(Scope::StockRead)?;
    let shipment = warehouse.shipment(&id).await?;
    Ok(tagged(shipment.version, &headers, &shipment))
}

/// What is to be fetched for a shipment, in the order of a walk through the bins.
#[utoipa::path(get, path = "/shipments/{id}/picks", params(("id" = String, Path)),
    responses((status = 200, body = Vec<Pick>)))]
async fn picks(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
) -> Answer<axum::Json<Vec<Pick>>> {
    caller.require(Scope::StockRead)?;
    Ok(axum::Json(warehouse.picks(&id).await?))
}

/// Books a walk along the pick list. Where fewer units were found, the bin is booked empty and others are looked for.
#[utoipa::path(post, path = "/shipments/{id}/pick", params(("id" = String, Path)), request_body = Walk,
    responses((status = 200, body = Shipment)))]
async fn pick(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
    Command { once, body }: Command<Walk>,
) -> Answer<axum::Json<Shipment>> {
    caller.require(Scope::StockWrite)?;
    Ok(axum::Json(warehouse.pick(Some(&once), &caller.owner(), &id, body).await?))
}

/// Packs what was picked: from now on there is a label.
#[utoipa::path(post, path = "/shipments/{id}/pack", params(("id" = String, Path)), request_body = Nothing,
    responses((status = 200, body = Shipment)))]
async fn pack(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
    Command { once, body: Nothing {} }: Command<Nothing>,
) -> Answer<axum::Json<Shipment>> {
    caller.require(Scope::StockWrite)?;
    Ok(axum::Json(warehouse.pack(Some(&once), &id).await?))
}

/// Gives a packed shipment to the courier. It stays packed while the courier does not answer, and is offered again.
#[utoipa::path(post, path = "/shipments/{id}/ship", params(("id" = String, Path)), request_body = Nothing,
    responses((status = 200, body = Shipment)))]
async fn ship(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
    Command { once, body: Nothing {} }: Command<Nothing>,
) -> Answer<axum::Json<Shipment>> {
    caller.require(Scope::StockWrite)?;
    Ok(axum::Json(warehouse.ship(Some(&once), &id).await?))
}

/// Calls a shipment off. Its goods are free again.
#[utoipa::path(post, path = "/shipments/{id}/cancel", params(("id" = String, Path)), request_body = Cancel,
    responses((status = 200, body = Shipment)))]
async fn cancel(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
    Command { once, body }: Command<Cancel>,
) -> Answer<axum::Json<Shipment>> {
    caller.require(Scope::StockWrite)?;
    Ok(axum::Json(warehouse.cancel(&once, &caller.owner(), &id, body.reason).await?))
}

/// Books what the courier brought back, lot by lot.
#[utoipa::path(post, path = "/shipments/{id}/inspect", params(("id" = String, Path)),
    request_body = Inspection,
    responses((status = 200, body = Shipment)))]
async fn inspect(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
    Command { once, body }: Command<Inspection>,
) -> Answer<axum::Json<Shipment>> {
    caller.require(Scope::StockWrite)?;
    Ok(axum::Json(warehouse.inspect(&once, &caller.owner(), &id, body).await?))
}

/// How a label is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct LabelQuery {
    /// For a label printer (`zpl`) or any other (`pdf`).
    #[serde(default)]
    #[param(inline, required = false)]
    format: LabelFormat,
}

#[derive(Debug, Default, Clone, Copy, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
enum LabelFormat {
    #[default]
    Pdf,
    Zpl,
}

/// The label of a packed shipment, with name and address.
#[utoipa::path(get, path = "/shipments/{id}/label", params(("id" = String, Path), LabelQuery),
    responses((status = 200, description = "The label", content((String = "application/pdf"), (String = "text/plain"))), (status = 409, description = "It is not packed", body = Problem)))]
async fn label(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<LabelQuery>,
) -> Answer<Response> {
    caller.require(Scope::StockWrite)?;
    let private = (header::CACHE_CONTROL, "no-store");
    Ok(match warehouse.label(&id, matches!(query.format, LabelFormat::Pdf)).await? {
        LabelFile::Zpl(text) => ([(header::CONTENT_TYPE, "text/plain; charset=utf-8"), private], text).into_response(),
        LabelFile::Pdf(bytes) => ([(header::CONTENT_TYPE, "application/pdf"), private], bytes).into_response(),
    })
}

/// What to list of stock and ledger.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct StockQuery {
    /// This item only.
    item: Option<String>,
    /// What this shipment moved only; the ledger knows.
    shipment: Option<String>,
}

/// Lots in bins.
#[utoipa::path(get, path = "/stock", params(StockQuery, Page),
    responses((status = 200, body = Listed<StockRow>)))]
async fn stock(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Query(query): Query<StockQuery>,
    page: Page,
) -> Answer<Response> {
    caller.require(Scope::StockRead)?;
    let after = page.after()?.unwrap_or(0);
    let (items, next) = warehouse.stock(query.item.as_deref(), after, page.limit.into()).await?;
    Ok(page.answer(items, next.as_ref()))
}

/// Every movement of goods, from the first on.
#[utoipa::path(get, path = "/ledger", params(StockQuery, Page),
    responses((status = 200, body = Listed<LedgerRow>)))]
async fn ledger(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Query(query): Query<StockQuery>,
    page: Page,
) -> Answer<Response> {
    caller.require(Scope::StockRead)?;
    let after = page.after()?.unwrap_or(0);
    let filter = (query.item.as_deref(), query.shipment.as_deref());
    let (items, next) = warehouse.ledger(filter, after, page.limit.into()).await?;
    Ok(page.answer(items, next.as_ref()))
}

/// Takes a count down. A large difference is believed when a second count agrees.
#[utoipa::path(post, path = "/counts", request_body = NewCount,
    responses((status = 201, body = Count), (status = 404, description = "There is no such lot or bin", body = Problem)))]
async fn count(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Command { once, body }: Command<NewCount>,
) -> Answer<impl IntoResponse> {
    caller.require(Scope::StockWrite)?;
    Ok((StatusCode::CREATED, axum::Json(warehouse.count(&once, &caller.owner(), body).await?)))
}

/// Which rows to explain.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct AuditQuery {
    /// All rows of this item; otherwise those that are wrong.
    item: Option<String>,
}

/// Compares the ledger with the balances and with what shipments have.
#[utoipa::path(get, path = "/audit", params(AuditQuery), responses((status = 200, body = Audit), (status = 404, description = "There is no such item", body = Problem)))]
async fn audit(
    State(warehouse): State<Warehouse>,
    caller: Caller,
    Query(query): Query<AuditQuery>,
) -> Answer<axum::Json<Audit>> {
    caller.require(Scope::StockRead)?;
    Ok(axum::Json(warehouse.audit(query.item.as_deref()).await?))
}

/// All bins in the order of a picker's walk.
#[utoipa::path(get, path = "/bins", responses((status = 200, body = Vec<BinView>)))]
async fn bins(State(warehouse): State<Warehouse>, caller: Caller) -> Answer<axum::Json<Vec<BinView>>> {
    caller.require(Scope::StockRead)?;
    Ok(axum::Json(views(&warehouse.used().await?)))
}

/// The bins as a picture.
#[utoipa::path(get, path = "/bins/map.svg",
    responses((status = 200, description = "A picture", content_type = "image/svg+xml")))]
async fn map(State(warehouse): State<Warehouse>, caller: Caller) -> Answer<impl IntoResponse> {
    caller.require(Scope::StockRead)?;
    let headers = [(header::CONTENT_TYPE, "image/svg+xml"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, svg(&warehouse.used().await?)))
}
