//! Promotions over HTTP; everything else is the order book's.
#![expect(unused_qualifications, reason = "the macro that describes parameters writes their types with paths")]

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use garde::Validate;
use serde::Deserialize;
use utoipa::openapi::schema::AdditionalProperties;
use utoipa::openapi::{ObjectBuilder, Schema, Type};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::auth::{Caller, MaybeCaller, Scope};
use crate::clock::Timestamp;
use crate::http::{Command, IfMatch, Json, Listed, Page, Path, Query, tagged};
use crate::id::{PromotionId, Sku};
use crate::language::{Language, Localized};
use crate::problem::Problem;
use crate::shop::Rejection;

use super::limit::{NAME, UNITS};
use super::model::{Beyond, Promotion, Reduction};
use super::{Grocery, store};

/// Promotions, without a prefix.
pub(super) fn routes(grocery: Grocery) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(list_promotions, add_promotion))
        .routes(routes!(get_promotion, change_promotion, end_promotion))
        .with_state(grocery)
}

/// A promotion as staff writes it.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct PromotionBody {
    /// Its name for people, in one language or several.
    #[garde(custom(named))]
    #[schema(schema_with = name)]
    name: Localized,
    /// What is cheaper.
    #[garde(skip)]
    sku: Sku,
    /// By how much: `{"price": {"minor": 199, "currency": "EUR"}}` or `{"off": 2500}` for 25 %.
    #[garde(custom(sensible))]
    reduction: Reduction,
    /// From when.
    #[garde(skip)]
    starts_at: Timestamp,
    /// Until when.
    #[garde(skip)]
    ends_at: Timestamp,
    /// Units for everybody together; without a limit if absent.
    #[garde(inner(range(min = 1, max = UNITS)))]
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    quota: Option<i64>,
    /// Units for each customer; without a limit if absent.
    #[garde(inner(range(min = 1, max = UNITS)))]
    #[serde(default)]
    #[schema(minimum = 1, maximum = 1_000_000_000)]
    per_customer: Option<i64>,
    /// What happens to orders beyond these.
    #[garde(skip)]
    #[serde(default)]
    beyond: Beyond,
}

fn named(name: &Localized, _: &()) -> garde::Result {
    let fits = !name.0.is_empty() && name.0.values().all(|text| (1..=NAME).contains(&text.chars().count()));
    if fits {
        Ok(())
    } else {
        Err(garde::Error::new("a name of 1 to 200 characters in at least one language is needed"))
    }
}

/// How [`named`] is described.
fn name() -> Schema {
    let text = || ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(NAME));
    let object =
        ObjectBuilder::new().min_properties(Some(1)).additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let texts = Language::ALL.into_iter().fold(object, |texts, language| texts.property(language.code(), text()));
    texts.build().into()
}

fn sensible(reduction: &Reduction, _: &()) -> garde::Result {
    let fits = match reduction {
        Reduction::Price(price) => price.minor >= 0,
        Reduction::Off(points) => (1..=10_000).contains(points),
    };
    if fits { Ok(()) } else { Err(garde::Error::new("a price must not be negative; off is 1 to 10000 basis points")) }
}

impl PromotionBody {
    fn into_promotion(self, id: PromotionId) -> Promotion {
        let Self { name, sku, reduction, starts_at, ends_at, quota, per_customer, beyond } = self;
        let (used, version) = (0, 1);
        Promotion { id, name, sku, reduction, starts_at, ends_at, quota, per_customer, beyond, used, version }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct PromotionQuery {
    /// Also those that are past or to come (scope `catalog:write`).
    #[serde(default)]
    #[param(required = false)]
    all: bool,
}

fn missing() -> Problem {
    Rejection::NotFound("promotion").into()
}

/// Promotions that hold now, by id.
#[utoipa::path(get, path = "/promotions", security(()), params(Page, PromotionQuery), responses(
    (status = 200, description = "A page of promotions; empty where the caller may see none", body = Listed<Promotion>)))]
async fn list_promotions(
    State(grocery): State<Grocery>,
    caller: MaybeCaller,
    page: Page,
    Query(query): Query<PromotionQuery>,
) -> Result<Response, Problem> {
    let after = page.after::<PromotionId>()?;
    if !grocery.shop.is_open_to(&caller) {
        return Ok(page.answer(Vec::<Promotion>::new(), None::<&PromotionId>));
    }
    let now = grocery.shop.now();
    let (from, to) = if query.all && caller.may(Scope::CatalogWrite) {
        (Timestamp(i64::MIN), Timestamp(i64::MAX))
    } else {
        (now, now)
    };
    let after = after.as_ref().map_or("", PromotionId::as_str);
    let limit = i64::from(page.limit);
    let mut items = store::list(grocery.shop.db(), from, to, after, limit + 1).await?;
    let more = i64::try_from(items.len()).is_ok_and(|count| count > limit);
    if more {
        items.pop();
    }
    let next = items.last().filter(|_| more).map(|item| item.id.clone());
    Ok(page.answer(items, next.as_ref()))
}

/// One promotion.
#[utoipa::path(get, path = "/promotions/{id}", security(()), params(("id" = PromotionId, Path, description = "The promotion")),
    responses(
        (status = 200, description = "The promotion", body = Promotion),
        (status = 304, description = "As the caller has it")))]
async fn get_promotion(
    State(grocery): State<Grocery>,
    caller: MaybeCaller,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let id = PromotionId::parse(&id).map_err(|_| missing())?;
    if !grocery.shop.is_open_to(&caller) {
        return Err(missing());
    }
    let promotion = store::one(grocery.shop.db(), &id).await?.ok_or_else(missing)?;
    if !promotion.holds_at(grocery.shop.now()) && !caller.may(Scope::CatalogWrite) {
        return Err(missing());
    }
    // Orders use it up without a new version, so the tag of its version would lie to caches.
    let mut response = tagged(promotion.version, &HeaderMap::new(), &promotion);
    if headers.contains_key(axum::http::header::IF_NONE_MATCH) {
        response
            .headers_mut()
            .insert(axum::http::header::CACHE_CONTROL, axum::http::HeaderValue::from_static("no-store"));
    }
    Ok(response)
}

/// Makes a promotion (scope `catalog:write`).
#[utoipa::path(post, path = "/promotions", request_body = PromotionBody, responses(
    (status = 201, description = "Made", body = Promotion)))]
async fn add_promotion(
    State(grocery): State<Grocery>,
    caller: Caller,
    command: Command<PromotionBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let promotion = command.body.into_promotion(PromotionId::new());
    let promotion = grocery.add_promotion(&command.once, promotion).await?;
    let mut response = tagged(promotion.version, &HeaderMap::new(), &promotion);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

/// Changes a promotion (scope `catalog:write`). Once it has begun, product, reduction and beginning stay.
#[utoipa::path(put, path = "/promotions/{id}", request_body = PromotionBody, params(
    ("id" = PromotionId, Path, description = "The promotion"),
    ("If-Match" = inline(IfMatch), Header, description = "The promotion's ETag")), responses(
    (status = 200, description = "Changed", body = Promotion)))]
async fn change_promotion(
    State(grocery): State<Grocery>,
    caller: Caller,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
    Json(body): Json<PromotionBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let id = PromotionId::parse(&id).map_err(|_| missing())?;
    let promotion = grocery.change_promotion(version, body.into_promotion(id)).await?;
    Ok(tagged(promotion.version, &HeaderMap::new(), &promotion))
}

/// Ends a promotion (scope `catalog:write`): now if it has begun; otherwise it never will.
#[utoipa::path(delete, path = "/promotions/{id}", params(
    ("id" = PromotionId, Path, description = "The promotion"),
    ("If-Match" = inline(IfMatch), Header, description = "The promotion's ETag")), responses(
    (status = 204, description = "Over")))]
async fn end_promotion(
    State(grocery): State<Grocery>,
    caller: Caller,
    Path(id): Path<String>,
    IfMatch(version): IfMatch,
) -> Result<Response, Problem> {
    caller.require(Scope::CatalogWrite)?;
    let id = PromotionId::parse(&id).map_err(|_| missing())?;
    grocery.end_promotion(id, version).await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
