//! The HTTP face that all shops share. Generic over the shop's rules; each shop nests it under its own path.
#![expect(unused_qualifications, reason = "the macro that describes parameters writes their types with paths")]

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::MethodRouter;
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::PathItemExt;
use utoipa_axum::router::OpenApiRouter;

use crate::address::Address;
use crate::auth::{Caller, MaybeCaller, Scope};
use crate::http::{Command, IfMatch, Json, Listed, Nothing, Page, Path, Query, tagged, tagged_json};
use crate::id::{OrderId, Sku};
use crate::language::Language;
use crate::money::Money;
use crate::problem::Problem;

use super::cache::version_of;
use super::catalogue::Filter;
use super::limit::{LINES, OFFERS_PER_PAGE, QUANTITY, TEXT};
use super::model::{NewLine, NewOrder, Order, OrderState, Step};
use super::read::{Audit, Whose};
use super::step::Note;
use super::{Offers, ProductView, Rejection, Rules, Shop, Terms};

/// Routes of generic handlers: what `utoipa_axum::routes!` does, which takes no type arguments.
macro_rules! route {
    ($router:expr, $rules:ty: $($handler:ident, $described:ident);+ $(;)?) => {{
        use utoipa::Path as _;
        use utoipa::__dev::{SchemaReferences as _, Tags as _};
        let mut paths = utoipa::openapi::path::Paths::new();
        let mut schemas = Vec::new();
        let mut methods = MethodRouter::new();
        $(
            let (path, kinds) = ($described::path(), $described::methods());
            let mut operation = $described::operation();
            let tags = $described::tags();
            if !tags.is_empty() {
                operation.tags.get_or_insert_default().extend(tags.iter().map(ToString::to_string));
            }
            $described::schemas(&mut schemas);
            methods = kinds.iter().fold(methods, |methods, kind| methods.on(kind.to_method_filter(), $handler::<$rules>));
            paths.add_path_operation(&path, kinds, operation);
        )+
        $router.routes((schemas, paths, methods))
    }};
}

/// Products, orders, offers, terms and the audit of a shop, without a prefix.
pub(crate) fn routes<R: Rules>(shop: Shop<R>) -> OpenApiRouter {
    catalogue_routes(shop.clone()).merge(order_routes(shop))
}

/// Products, offers, terms, prices, stock, audit.
pub(crate) fn catalogue_routes<R: Rules>(shop: Shop<R>) -> OpenApiRouter {
    let router = OpenApiRouter::new();
    let router = route!(router, R: list_products, __path_list_products);
    let router = route!(router, R: get_product, __path_get_product);
    let router = route!(router, R: set_price, __path_set_price);
    let router = route!(router, R: restock, __path_restock);
    let router = route!(router, R: offers, __path_offers);
    let router = route!(router, R: terms, __path_terms);
    let router = route!(router, R: audit, __path_audit);
    router.with_state(shop)
}

/// Orders: placing, reading, and every step.
pub(crate) fn order_routes<R: Rules>(shop: Shop<R>) -> OpenApiRouter {
    let router = OpenApiRouter::new();
    let router = route!(router, R: place_order, __path_place_order; list_orders, __path_list_orders);
    step_routes(shop.clone()).merge(router.with_state(shop))
}

/// Reading one order and every step of it: for shops that place and list orders their own way.
pub(crate) fn step_routes<R: Rules>(shop: Shop<R>) -> OpenApiRouter {
    let router = route!(OpenApiRouter::new(), R: dispatch_order, __path_dispatch_order);
    customer_step_routes(shop.clone()).merge(router.with_state(shop))
}

/// Reading one order and the customer's steps of it: for shops that dispatch their own way too.
pub(crate) fn customer_step_routes<R: Rules>(shop: Shop<R>) -> OpenApiRouter {
    let router = OpenApiRouter::new();
    let router = route!(router, R: get_order, __path_get_order);
    let router = route!(router, R: confirm_order, __path_confirm_order);
    let router = route!(router, R: cancel_order, __path_cancel_order);
    router.with_state(shop)
}

/// One line of a new order.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LineBody {
    /// What.
    #[garde(skip)]
    pub(crate) sku: Sku,
    /// How many.
    #[garde(range(min = 1, max = QUANTITY))]
    #[schema(minimum = 1, maximum = 10_000)]
    pub(crate) quantity: i64,
    /// The prescription to take it from; only at pharmacies.
    #[garde(inner(length(chars, max = TEXT)))]
    #[schema(max_length = 200)]
    #[serde(default)]
    pub(crate) prescription: Option<String>,
}

/// A new order.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OrderBody {
    /// What is wanted: all of it or nothing.
    #[garde(length(min = 1, max = LINES), dive)]
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) lines: Vec<LineBody>,
    /// Whatever the customer calls it.
    #[garde(inner(length(chars, max = TEXT)))]
    #[schema(max_length = 200)]
    #[serde(default)]
    pub(crate) reference: Option<String>,
    /// Where the goods are to go, if the shop sends them itself.
    #[garde(dive)]
    #[serde(default)]
    pub(crate) deliver_to: Option<Address>,
}

impl OrderBody {
    /// The order of a customer at a place of the shop, in state `reserved`.
    pub(crate) fn into_order(self, location: &'static str, customer: String, language: Language) -> NewOrder {
        let line = |line: LineBody| NewLine { sku: line.sku, quantity: line.quantity, prescription: line.prescription };
        NewOrder {
            id: OrderId::new(),
            location,
            customer,
            reference: self.reference,
            deliver_to: self.deliver_to,
            language,
            lines: self.lines.into_iter().map(line).collect(),
            state: OrderState::Reserved,
        }
    }
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct ConfirmBody {
    /// What paid for it.
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 200)]
    payment: String,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct CancelBody {
    /// Why.
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct PriceBody {
    /// The new list price, VAT included, in the currency of before.
    #[garde(skip)]
    price: Money,
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct RestockBody {
    /// How many have come.
    #[garde(range(min = 1, max = QUANTITY * 100))]
    #[schema(minimum = 1, maximum = 1_000_000)]
    quantity: i64,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ProductQuery {
    /// Only this kind of goods.
    #[serde(default)]
    #[param(required = false)]
    category: String,
    /// Only where a name (in any language) or a code contains this.
    #[serde(default)]
    #[param(required = false)]
    q: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OrderQuery {
    /// Only orders of this state.
    #[serde(default)]
    #[param(required = false)]
    state: Option<OrderState>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfferQuery {
    /// Only what changed after this change; `next` of the page before.
    #[serde(default)]
    #[param(required = false)]
    after: i64,
    /// How many at most.
    #[serde(default)]
    #[param(required = false, minimum = 1, maximum = 1000)]
    limit: Option<i64>,
}

impl<R: Rules> Shop<R> {
    /// Whether a caller sees anything here at all.
    pub(crate) fn is_open_to(&self, caller: &MaybeCaller) -> bool {
        let Some(scope) = self.profile().restricted else { return true };
        [scope, Scope::CatalogWrite, Scope::OrderFulfil].into_iter().any(|scope| caller.may(scope))
    }

    /// Whose orders a caller may see here.
    ///
    /// # Errors
    /// None at all: as if there were no such order.
    pub(crate) fn whose(&self, caller: &Caller) -> Result<Whose, Problem> {
        if caller.may(Scope::OrderFulfil) {
            return Ok(Whose::All);
        }
        caller.require(Scope::OrderWrite)?;
        if self.is_open_to(&MaybeCaller(Some(caller.clone()))) {
            Ok(Whose::Of(caller.subject.clone()))
        } else {
            Err(Rejection::NotFound("order").into())
        }
    }
}

/// An order with its ETag.
pub(crate) fn order_answer(status: StatusCode, order: &Order) -> Response {
    let mut response = tagged(order.version, &HeaderMap::new(), order);
    *response.status_mut() = status;
    response
}

/// Products, by code.
#[utoipa::path(get, path = "/products", security(()), params(Page, ProductQuery), responses(
    (status = 200, description = "A page of products; empty where the caller may see none", body = Listed<ProductView>)))]
async fn list_products<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: MaybeCaller,
    language: Language,
    page: Page,
    Query(query): Query<ProductQuery>,
) -> Result<Response, Problem> {
    let after = page.after::<String>()?.unwrap_or_default();
    if !shop.is_open_to(&caller) {
        return Ok(page.answer(Vec::<ProductView>::new(), None::<&Sku>));
    }
    let filter = Filter { category: query.category, text: query.q };
    let limit = i64::from(page.limit);
    let mut items = shop.products(&filter, &after, limit + 1, language).await?;
    let more = i64::try_from(items.len()).is_ok_and(|count| count > limit);
    if more {
        items.pop();
    }
    let next = items.last().filter(|_| more).map(|item| item.sku.clone());
    Ok(page.answer(items, next.as_ref()))
}

/// One product; `available` and the promotion may be two seconds old. `If-Match` of a change takes the ETag or `version`.
#[utoipa::path(get, path = "/products/{sku}", security(()), params(("sku" = Sku, Path, description = "The shop's own code")), responses(
    (status = 200, description = "The product", body = ProductView),
    (status = 304, description = "As the caller has it")))]
async fn get_product<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: MaybeCaller,
    language: Language,
    headers: HeaderMap,
    Path(sku): Path<String>,
) -> Result<Response, Problem> {
    let missing = || Problem::from(Rejection::NotFound("product"));
    let sku = Sku::parse(&sku).map_err(|_| missing())?;
    if !shop.is_open_to(&caller) {
        return Err(missing());
    }
    let answer = shop.product(sku, language).await?.ok_or_else(missing)?;
    Ok(tagged_json(answer.tag, &headers, answer.json))
}

/// Gives a product another list price (scope `catalog:write`).
#[utoipa::path(put, path = "/products/{sku}/price", request_body = PriceBody, params(
    ("sku" = Sku, Path, description = "The shop's own code"),
    ("If-Match" = inline(IfMatch), Header, description = "The product's ETag or version")), responses(
    (status = 200, description = "The product as it is now", body = ProductView)))]
async fn set_price<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    language: Language,
    Path(sku): Path<String>,
    IfMatch(tag): IfMatch,
    Json(body): Json<PriceBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let sku = Sku::parse(&sku).map_err(|_| Rejection::NotFound("product"))?;
    let view = shop.set_price(sku, version_of(tag), body.price, language).await?;
    Ok(tagged(view.version, &HeaderMap::new(), &view))
}

/// Puts more of a product on the shelf (scope `catalog:write` or `order:fulfil`).
#[utoipa::path(post, path = "/products/{sku}/restock", request_body = RestockBody, params(
    ("sku" = Sku, Path, description = "The shop's own code")), responses(
    (status = 200, description = "The product as it is now", body = ProductView)))]
async fn restock<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    language: Language,
    Path(sku): Path<String>,
    command: Command<RestockBody>,
) -> Result<Response, Problem> {
    if !caller.may(Scope::OrderFulfil) {
        caller.require(Scope::CatalogWrite)?;
    }
    let sku = Sku::parse(&sku).map_err(|_| Rejection::NotFound("product"))?;
    let location = shop.profile().location;
    let quantity = command.body.quantity;
    let view = shop.restock(Some(&command.once), location, sku, quantity, caller.subject, language).await?;
    Ok(tagged(view.version, &HeaderMap::new(), &view))
}

/// What partners may resell, in the order of the last changes (scope `offers:read`).
#[utoipa::path(get, path = "/offers", params(OfferQuery), responses(
    (status = 200, description = "A page of offers", body = Offers)))]
async fn offers<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    Query(query): Query<OfferQuery>,
) -> Result<axum::Json<Offers>, Problem> {
    caller.require(Scope::OffersRead)?;
    let limit = query.limit.unwrap_or(OFFERS_PER_PAGE);
    if !(1..=OFFERS_PER_PAGE).contains(&limit) {
        return Err(Problem::malformed(format!("limit: from 1 to {OFFERS_PER_PAGE}")));
    }
    Ok(axum::Json(shop.offers(query.after.max(0), limit).await?))
}

/// What a partner has to know before ordering.
#[utoipa::path(get, path = "/terms", security(()), responses((status = 200, description = "The shop's terms", body = Terms)))]
async fn terms<R: Rules>(State(shop): State<Shop<R>>) -> axum::Json<Terms> {
    axum::Json(shop.terms())
}

/// Whether the books add up, over all orders (scope `catalog:write`).
#[utoipa::path(get, path = "/audit", responses(
    (status = 200, description = "What the books say", body = Audit)))]
async fn audit<R: Rules>(State(shop): State<Shop<R>>, caller: Caller) -> Result<axum::Json<Audit>, Problem> {
    caller.require(Scope::CatalogWrite)?;
    Ok(axum::Json(shop.audit().await?))
}

/// Reserves goods (scope `order:write`).
#[utoipa::path(post, path = "/orders", request_body = OrderBody, responses(
    (status = 201, description = "Reserved until `expires_at`", body = Order)))]
async fn place_order<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    language: Language,
    command: Command<OrderBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrderWrite)?;
    let open = shop.is_open_to(&MaybeCaller(Some(caller.clone())));
    let order = command.body.into_order(shop.profile().location, caller.subject, language);
    if !open {
        // As if the first line named something that is not sold here.
        let sku = order.lines.into_iter().next().ok_or(Rejection::NotFound("product"))?.sku;
        return Err(Rejection::UnknownProduct { line: 0, sku }.into());
    }
    if let Some(line) = order.lines.iter().position(|line| line.prescription.is_some()) {
        let pointer = format!("/lines/{line}/prescription");
        return Err(Rejection::Invalid { pointer, detail: "this shop takes no prescriptions" }.into());
    }
    let order = shop.place(Some(&command.once), order).await?;
    Ok(order_answer(StatusCode::CREATED, &order))
}

/// One's own orders, oldest first; staff (scope `order:fulfil`) sees everybody's.
#[utoipa::path(get, path = "/orders", params(Page, OrderQuery), responses(
    (status = 200, description = "A page of orders", body = Listed<Order>)))]
async fn list_orders<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    page: Page,
    Query(query): Query<OrderQuery>,
) -> Result<Response, Problem> {
    let after = page.after::<OrderId>()?;
    let whose = match shop.whose(&caller) {
        Ok(whose) => whose,
        Err(problem) if problem.status == StatusCode::NOT_FOUND.as_u16() => {
            return Ok(page.answer(Vec::<Order>::new(), None::<&OrderId>));
        }
        Err(problem) => return Err(problem),
    };
    let limit = i64::from(page.limit);
    let after = after.as_ref().map_or("", OrderId::as_str);
    let mut items = shop.orders(&whose, query.state, after, limit + 1).await?;
    let more = i64::try_from(items.len()).is_ok_and(|count| count > limit);
    if more {
        items.pop();
    }
    let next = items.last().filter(|_| more).map(|item| item.id.clone());
    Ok(page.answer(items, next.as_ref()))
}

/// One order of one's own; staff (scope `order:fulfil`) sees everybody's.
#[utoipa::path(get, path = "/orders/{id}", params(("id" = OrderId, Path, description = "The order")), responses(
    (status = 200, description = "The order", body = Order),
    (status = 304, description = "As the caller has it")))]
async fn get_order<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let whose = shop.whose(&caller)?;
    let id = OrderId::parse(&id).map_err(|_| Rejection::NotFound("order"))?;
    let order = shop.order(&id, &whose).await?.ok_or(Rejection::NotFound("order"))?;
    Ok(tagged(order.version, &headers, &order))
}

/// Pays for an order: it will be dispatched.
#[utoipa::path(post, path = "/orders/{id}/confirm", request_body = ConfirmBody, params(
    ("id" = OrderId, Path, description = "The order")), responses(
    (status = 200, description = "Confirmed", body = Order)))]
async fn confirm_order<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    Path(id): Path<String>,
    command: Command<ConfirmBody>,
) -> Result<Response, Problem> {
    let note = Note { payment: Some(command.body.payment), ..Note::default() };
    let whose = shop.whose(&caller)?;
    let id = OrderId::parse(&id).map_err(|_| Rejection::NotFound("order"))?;
    let order = shop.step(Some(&command.once), id, whose, Step::Confirm, note).await?;
    Ok(order_answer(StatusCode::OK, &order))
}

/// Calls an order off. One that was cancelled or has expired already stays as it is, and that is no error.
#[utoipa::path(post, path = "/orders/{id}/cancel", request_body = CancelBody, params(
    ("id" = OrderId, Path, description = "The order")), responses(
    (status = 200, description = "Cancelled or expired", body = Order)))]
async fn cancel_order<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    Path(id): Path<String>,
    command: Command<CancelBody>,
) -> Result<Response, Problem> {
    let note = Note { reason: Some(command.body.reason), ..Note::default() };
    let whose = shop.whose(&caller)?;
    let id = OrderId::parse(&id).map_err(|_| Rejection::NotFound("order"))?;
    let order = shop.step(Some(&command.once), id, whose, Step::Cancel, note).await?;
    Ok(order_answer(StatusCode::OK, &order))
}

/// Sends the goods out (scope `order:fulfil`).
#[utoipa::path(post, path = "/orders/{id}/dispatch", request_body = Nothing, params(
    ("id" = OrderId, Path, description = "The order")), responses(
    (status = 200, description = "Dispatched", body = Order)))]
async fn dispatch_order<R: Rules>(
    State(shop): State<Shop<R>>,
    caller: Caller,
    Path(id): Path<String>,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrderFulfil)?;
    let id = OrderId::parse(&id).map_err(|_| Rejection::NotFound("order"))?;
    let order = shop.step(Some(&command.once), id, Whose::All, Step::Dispatch, Note::default()).await?;
    Ok(order_answer(StatusCode::OK, &order))
}
