//! The reseller over HTTP.
#![expect(unused_qualifications, reason = "the macro that describes parameters writes their types with paths")]

use std::collections::VecDeque;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, StreamExt, stream};
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Reseller;
use super::book::{HistoryEntry, history, list};
use super::offers::{OfferView, Search, medicines, search};
use super::order::{CancelOrder, NewOrder, OrderSummary, OrderView};
use super::quote::{NewQuote, QuoteView, Shopper};
use super::saga::Shop;
use crate::auth::{Caller, MaybeCaller, Scope};
use crate::http::{Command, Entry, Listed, Live, Page, Path, Query, tagged};
use crate::id::OrderId;
use crate::language::Language;
use crate::problem::Problem;

/// How often a stream of history looks itself: other processes' changes are not heard of.
const LOOK: Duration = Duration::from_secs(2);

/// Bytes of a search.
const QUERY_BYTES: usize = 200;

/// All routes, without a prefix.
pub(super) fn routes(reseller: Reseller) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_offers))
        .routes(routes!(quote))
        .routes(routes!(place, list_orders))
        .routes(routes!(order))
        .routes(routes!(follow))
        .routes(routes!(cancel))
        .with_state(reseller)
}

/// What is looked for.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OfferQuery {
    /// Words that must all be found: of names in any language, codes, categories.
    #[serde(default)]
    q: String,
    /// One category only.
    #[serde(default)]
    category: Option<String>,
    /// One shop only. Medicines are shown with `pharmacy` alone: those that were asked for lately.
    #[serde(default)]
    shop: Option<Shop>,
}

/// What the shops offer, at the customer's price. Restricted goods need the scope `catalog:restricted`.
#[utoipa::path(get, path = "/offers", security(()), params(OfferQuery, Page),
    responses((status = 200, description = "Offers", body = Listed<OfferView>)))]
async fn list_offers(
    State(reseller): State<Reseller>,
    MaybeCaller(caller): MaybeCaller,
    language: Language,
    Query(query): Query<OfferQuery>,
    page: Page,
) -> Result<Response, Problem> {
    if query.q.len() > QUERY_BYTES {
        return Err(Problem::malformed(format!("q: at most {QUERY_BYTES} bytes")));
    }
    let limit = i64::from(page.limit);
    let asked = Search {
        words: query.q.split_whitespace().map(str::to_owned).collect(),
        category: query.category,
        shop: query.shop,
        restricted: caller.is_some_and(|caller| caller.may(Scope::CatalogRestricted)),
        after: page.after::<(String, String)>()?,
        limit: limit + 1,
    };
    let mut views = reseller.offers(&asked, language).await?;
    let more = views.len() > page.limit as usize;
    views.truncate(page.limit as usize);
    let last = views.last().filter(|_| more).map(|view| (view.shop.as_str().to_owned(), view.sku.clone()));
    Ok(page.answer(views, last.as_ref()))
}

impl Reseller {
    async fn offers(&self, asked: &Search, language: Language) -> Result<Vec<OfferView>, Problem> {
        let now = self.now();
        if asked.shop == Some(Shop::Pharmacy) {
            let found = medicines(self.db(), asked).await?;
            return Ok(found.iter().map(|medicine| OfferView::of_medicine(medicine, now)).collect());
        }
        let mut views = Vec::new();
        for offer in search(self.db(), asked).await? {
            let price = self.margins().price(offer.shop, &offer.offer.category, offer.offer.price)?;
            views.push(OfferView::new(&offer, price, language, now));
        }
        Ok(views)
    }
}

/// What a basket costs and where it would come from. Keeps nothing.
#[utoipa::path(post, path = "/quotes", security(()), request_body = NewQuote,
    responses((status = 200, description = "Prices", body = QuoteView)))]
async fn quote(
    State(reseller): State<Reseller>,
    MaybeCaller(caller): MaybeCaller,
    language: Language,
    command: Command<NewQuote>,
) -> Result<axum::Json<QuoteView>, Problem> {
    let restricted = caller.is_some_and(|caller| caller.may(Scope::CatalogRestricted));
    let quote = reseller.quote(&command.body.lines, Shopper { restricted, language }).await?;
    Ok(axum::Json(quote.view(reseller.settings().shipping_vat)))
}

/// Buys a basket.
#[utoipa::path(post, path = "/orders", request_body = NewOrder,
    responses((status = 201, description = "The order, its shops being asked", body = OrderView)))]
async fn place(
    State(reseller): State<Reseller>,
    caller: Caller,
    language: Language,
    command: Command<NewOrder>,
) -> Result<impl IntoResponse, Problem> {
    caller.require(Scope::OrderWrite)?;
    let order = reseller.place(&command.once, command.body, &caller, language).await?;
    let headers = [
        (header::LOCATION, format!("/api/v1/reseller/orders/{}", order.id)),
        (header::ETAG, format!("\"{}\"", order.version)),
    ];
    Ok((StatusCode::CREATED, headers, axum::Json(order)))
}

/// The caller's orders, newest first.
#[utoipa::path(get, path = "/orders", params(Page),
    responses((status = 200, description = "Orders", body = Listed<OrderSummary>)))]
async fn list_orders(State(reseller): State<Reseller>, caller: Caller, page: Page) -> Result<Response, Problem> {
    caller.require(Scope::OrderWrite)?;
    let limit = i64::from(page.limit);
    let orders = list(reseller.db(), &caller.subject, page.after::<String>()?, limit + 1).await?;
    let more = orders.len() > page.limit as usize;
    let items: Vec<OrderSummary> = orders.iter().take(page.limit as usize).map(OrderSummary::new).collect();
    let last = items.last().filter(|_| more).map(|order| order.id.clone());
    Ok(page.answer(items, last.as_ref()))
}

fn own_id(id: &str) -> Result<String, Problem> {
    OrderId::parse(id).map(|id| id.to_string()).map_err(|_| Problem::not_found("there is no such order"))
}

/// One order with its lines, sellers, parcels, payment and history.
#[utoipa::path(get, path = "/orders/{id}", params(("id" = String, Path, description = "Its number")),
    responses((status = 200, description = "The order", body = OrderView)))]
async fn order(
    State(reseller): State<Reseller>,
    caller: Caller,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    caller.require(Scope::OrderWrite)?;
    let order = reseller.view(&own_id(&id)?, &caller.subject).await?;
    Ok(tagged(order.version, &headers, &order))
}

/// An order's history as it happens: what was before first, or what came after `Last-Event-ID`.
#[utoipa::path(get, path = "/orders/{id}/events",
    params(("id" = String, Path, description = "Its number")),
    responses((status = 200, description = "History entries", content_type = "text/event-stream")))]
async fn follow(
    State(reseller): State<Reseller>,
    caller: Caller,
    Path(id): Path<String>,
    live: Live,
) -> Result<Response, Problem> {
    caller.require(Scope::OrderWrite)?;
    let id = own_id(&id)?;
    reseller.own(&id, &caller.subject).await?;
    let after = live.last.unwrap_or(0);
    Ok(live.answer(entries(reseller, id, after)))
}

fn entries(reseller: Reseller, id: String, after: i64) -> impl Stream<Item = Entry<HistoryEntry>> + Send + 'static {
    let news = reseller.db().committed();
    let start = (reseller, id, after, news, VecDeque::<HistoryEntry>::new());
    let step = |(reseller, id, after, mut news, mut read): (Reseller, String, i64, _, VecDeque<HistoryEntry>)| async move {
        loop {
            if let Some(entry) = read.pop_front() {
                let seq = entry.seq;
                let entry = Entry { id: seq, kind: entry.step.clone(), data: entry };
                return Some((entry, (reseller, id, seq, news, read)));
            }
            match history(reseller.db(), &id, after).await {
                Ok(more) => read.extend(more),
                Err(error) => {
                    tracing::warn!(%error, "a history cannot be read");
                    return None;
                }
            }
            if read.is_empty() {
                let news: &mut tokio::sync::watch::Receiver<i64> = &mut news;
                // Either way it is looked again.
                let _ = tokio::time::timeout(LOOK, news.changed()).await;
            }
        }
    };
    stream::unfold(start, step).boxed()
}

/// Cancels an order of which nothing was sent yet. What was paid is paid back.
#[utoipa::path(post, path = "/orders/{id}/cancel", request_body = CancelOrder,
    params(("id" = String, Path, description = "Its number")),
    responses((status = 200, description = "The order, being cancelled", body = OrderView)))]
async fn cancel(
    State(reseller): State<Reseller>,
    caller: Caller,
    Path(id): Path<String>,
    command: Command<CancelOrder>,
) -> Result<axum::Json<OrderView>, Problem> {
    caller.require(Scope::OrderWrite)?;
    let order = reseller.cancel(&command.once, own_id(&id)?, command.body, caller.subject).await?;
    Ok(axum::Json(order))
}
