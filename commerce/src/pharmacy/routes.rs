//! Medicines, pharmacies, availability, orders and the pharmacists' desk over HTTP.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Pharmacy;
use super::advice::AdviceView;
use super::catalogue::Offer;
use super::index::{Hit, Match};
use super::limit::{MAX_AVAILABILITY, MAX_QUERY_CHARS, MAX_TEXT};
use super::medicine::{Atc, Control, Medicine, Status, Vnr};
use super::seed::{DemoPharmacy, PHARMACIES};
use crate::auth::{Caller, Scope};
use crate::http::{Command, Listed, Nothing, Page, Path, Query};
use crate::id::{Gtin, OrderId, Sku};
use crate::language::{Language, Localized};
use crate::money::Money;
use crate::problem::Problem;
use crate::shop::{Order, OrderBody, OrderState, Rejection, Whose, order_answer};

/// Everything here but prescriptions.
pub(super) fn routes(pharmacy: Pharmacy) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(medicines))
        .routes(routes!(medicine))
        .routes(routes!(pharmacies))
        .routes(routes!(availability))
        .routes(routes!(place_order, list_orders))
        .routes(routes!(dispatch_order))
        .routes(routes!(give_advice, read_advice))
        .routes(routes!(desk))
        .with_state(pharmacy)
}

/// A package as readers see it, in their language.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MedicineView {
    /// The package's number; orders name it as `sku`.
    vnr: Vnr,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    atc: Option<Atc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    gtin: Option<Gtin>,
    /// Product name.
    name: String,
    /// Name of the substance (INN).
    substance: String,
    /// Pharmaceutical form.
    form: String,
    strength: String,
    /// Pack size.
    pack: String,
    /// `R`: only on prescription; `K`: self-care.
    status: Status,
    control: Control,
    /// Packages of one group replace each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    substitution_group: Option<String>,
    /// What one costs, VAT included; absent if it is not for sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<Money>,
    /// VAT in basis points.
    vat_rate: i64,
    /// Packages that can be ordered, at all pharmacies together.
    available: i64,
    cold_chain: bool,
    /// Made up for demonstration: no such package exists.
    synthetic: bool,
    version: i64,
    /// How the search found it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    matched: Option<Match>,
}

impl MedicineView {
    fn new(of: &Medicine, offer: Option<&Offer>, language: Language, matched: Option<Match>) -> Self {
        Self {
            vnr: of.vnr.clone(),
            atc: of.atc.clone(),
            gtin: of.gtin.clone(),
            name: of.name.clone(),
            substance: of.substance.get(language).to_owned(),
            form: of.form.get(language).to_owned(),
            strength: of.strength.clone(),
            pack: of.pack.clone(),
            status: of.status,
            control: of.control,
            substitution_group: of.substitution_group.clone(),
            price: offer.and_then(|offer| offer.price),
            vat_rate: of.vat_rate,
            available: offer.map_or(0, |offer| offer.places.iter().map(|(_, free)| free).sum()),
            cold_chain: of.cold_chain,
            synthetic: of.synthetic,
            version: of.version,
            matched,
        }
    }
}

/// One package with where it is and what may replace it.
#[derive(Debug, Serialize, ToSchema)]
struct MedicineDetail {
    #[serde(flatten)]
    medicine: MedicineView,
    /// Packages by pharmacy.
    pharmacies: Vec<PlaceView>,
    /// Other packages of the same substitution group.
    substitutes: Vec<MedicineView>,
}

/// How many of a package a pharmacy has.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlaceView {
    /// Code of the pharmacy.
    location: String,
    /// Name of the pharmacy.
    name: String,
    /// Packages that can be ordered.
    available: i64,
}

fn places(offer: Option<&Offer>) -> Vec<PlaceView> {
    let free = |location: &str| {
        let places = offer.into_iter().flat_map(|offer| &offer.places);
        places.filter(|(at, _)| at == location).map(|(_, free)| free).sum()
    };
    let view = |pharmacy: &DemoPharmacy| PlaceView {
        location: pharmacy.location.to_owned(),
        name: pharmacy.name.to_owned(),
        available: free(pharmacy.location),
    };
    PHARMACIES.iter().map(view).collect()
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// Words, their beginnings or misspellings in Finnish, Swedish, Russian or English; or a VNR, GTIN, or ATC code or its
    /// beginning. All packages if empty.
    #[serde(default)]
    #[param(required = false, max_length = 120)]
    q: String,
}

/// Medicines that a search means, the closest first.
#[utoipa::path(get, path = "/medicines", security(()), params(Page, Search), responses(
    (status = 200, description = "A page of packages", body = Listed<MedicineView>)))]
async fn medicines(
    State(pharmacy): State<Pharmacy>,
    language: Language,
    page: Page,
    Query(search): Query<Search>,
) -> Result<Response, Problem> {
    if search.q.chars().count() > MAX_QUERY_CHARS {
        return Err(Problem::malformed(format!("q: at most {MAX_QUERY_CHARS} characters")));
    }
    let index = pharmacy.catalogue.index().await?;
    let from = page.after::<usize>()?.unwrap_or(0);
    let limit = usize::try_from(page.limit).unwrap_or(1);
    let all = |medicine: &Arc<Medicine>| Hit { medicine: Arc::clone(medicine), matched: Match::Word };
    let searched = !search.q.trim().is_empty();
    let hits = if searched {
        index.search(&search.q)
    } else {
        index.all().iter().skip(from).take(limit + 1).map(all).collect()
    };
    let on_page: Vec<&Hit> = hits.iter().skip(if searched { from } else { 0 }).take(limit + 1).collect();
    let next = (on_page.len() > limit).then_some(from + limit);
    let vnrs: Vec<&str> = on_page.iter().take(limit).map(|hit| hit.medicine.vnr.as_str()).collect();
    let offers = pharmacy.catalogue.offers(&vnrs).await?;
    let view = |hit: &&Hit| {
        let offer = offers.get(hit.medicine.vnr.as_str());
        MedicineView::new(&hit.medicine, offer, language, searched.then_some(hit.matched))
    };
    Ok(page.answer(on_page.iter().take(limit).map(view).collect(), next.as_ref()))
}

/// One package: price, where it is, and what may replace it.
#[utoipa::path(get, path = "/medicines/{vnr}", security(()), params(("vnr" = String, Path, description = "Six digits")), responses(
    (status = 200, description = "The package", body = MedicineDetail)))]
async fn medicine(
    State(pharmacy): State<Pharmacy>,
    language: Language,
    Path(vnr): Path<String>,
) -> Result<axum::Json<MedicineDetail>, Problem> {
    let index = pharmacy.catalogue.index().await?;
    let found = index.by_vnr(&vnr).ok_or_else(|| Problem::not_found("there is no such medicine"))?;
    let same = |other: &&Arc<Medicine>| other.vnr != found.vnr && other.substitution_group == found.substitution_group;
    let group = found.substitution_group.as_ref();
    let others: Vec<_> =
        group.map(|_| index.all().iter().filter(same).take(MAX_AVAILABILITY).collect()).unwrap_or_default();
    let vnrs: Vec<&str> = others.iter().chain([&found]).map(|medicine| medicine.vnr.as_str()).collect();
    let offers = pharmacy.catalogue.offers(&vnrs).await?;
    let view = |medicine: &Medicine| MedicineView::new(medicine, offers.get(medicine.vnr.as_str()), language, None);
    Ok(axum::Json(MedicineDetail {
        medicine: view(found),
        pharmacies: places(offers.get(found.vnr.as_str())),
        substitutes: others.into_iter().map(|medicine| view(medicine)).collect(),
    }))
}

/// A pharmacy.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PharmacyView {
    /// Code of the place.
    location: String,
    name: String,
    street: String,
    postcode: String,
    city: String,
    /// Degrees north.
    lat: f64,
    /// Degrees east.
    lon: f64,
    /// Made up for demonstration.
    synthetic: bool,
}

/// The pharmacies that orders are filled at.
#[utoipa::path(get, path = "/pharmacies", security(()), responses((status = 200, description = "All of them", body = [PharmacyView])))]
async fn pharmacies() -> axum::Json<Vec<PharmacyView>> {
    let view = |pharmacy: &DemoPharmacy| PharmacyView {
        location: pharmacy.location.to_owned(),
        name: pharmacy.name.to_owned(),
        street: pharmacy.street.to_owned(),
        postcode: pharmacy.postcode.to_owned(),
        city: pharmacy.city.to_owned(),
        lat: pharmacy.position.0,
        lon: pharmacy.position.1,
        synthetic: true,
    };
    axum::Json(PHARMACIES.iter().map(view).collect())
}

/// Where a package is.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AvailabilityView {
    vnr: Vnr,
    /// What one costs; absent if it is not for sale.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    price: Option<Money>,
    /// Packages at all pharmacies together.
    available: i64,
    /// Packages by pharmacy.
    pharmacies: Vec<PlaceView>,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a parameter that may come several times, which the extractor cannot")]
struct AvailabilityQuery {
    /// The packages, up to 50: `vnr=990001&vnr=990002`. Those that do not exist are left out.
    vnr: Vec<String>,
}

/// Which pharmacies have these packages.
#[utoipa::path(get, path = "/availability", security(()), params(AvailabilityQuery), responses(
    (status = 200, description = "In the order of the question", body = [AvailabilityView])))]
async fn availability(
    State(pharmacy): State<Pharmacy>,
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<axum::Json<Vec<AvailabilityView>>, Problem> {
    let asked = pairs.iter().filter(|(name, _)| name == "vnr").map(|(_, vnr)| Vnr::parse(vnr));
    let asked = asked.collect::<Result<Vec<_>, _>>().map_err(|error| Problem::malformed(format!("vnr: {error}")))?;
    if asked.is_empty() || asked.len() > MAX_AVAILABILITY {
        return Err(Problem::malformed(format!("vnr: name 1 to {MAX_AVAILABILITY} packages")));
    }
    let index = pharmacy.catalogue.index().await?;
    let vnrs: Vec<&str> = asked.iter().map(Vnr::as_str).collect();
    let offers: HashMap<String, Offer> = pharmacy.catalogue.offers(&vnrs).await?;
    let known = asked.iter().filter(|vnr| index.by_vnr(vnr.as_str()).is_some());
    let view = |vnr: &Vnr| {
        let offer = offers.get(vnr.as_str());
        let pharmacies = places(offer);
        AvailabilityView {
            vnr: vnr.clone(),
            price: offer.and_then(|offer| offer.price),
            available: pharmacies.iter().map(|place| place.available).sum(),
            pharmacies,
        }
    };
    Ok(axum::Json(known.map(view).collect()))
}

/// Reserves medicines (scope `order:write`; lines on prescription need `rx:order` too). An order on prescription begins in the
/// state `advice`; it can be confirmed when a pharmacist has advised.
#[utoipa::path(post, path = "/orders", request_body = OrderBody, responses(
    (status = 201, description = "Reserved until `expires_at`", body = Order)))]
async fn place_order(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    language: Language,
    command: Command<OrderBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrderWrite)?;
    let body = command.body;
    if body.lines.iter().any(|line| line.prescription.is_some()) {
        caller.require(Scope::RxOrder)?;
    }
    let index = pharmacy.catalogue.index().await?;
    let on_prescription = |sku: &Sku| index.by_vnr(sku.as_str()).is_some_and(|medicine| medicine.status == Status::R);
    let advice = body.lines.iter().any(|line| on_prescription(&line.sku));
    let lines: Vec<(Sku, i64)> = body.lines.iter().map(|line| (line.sku.clone(), line.quantity)).collect();
    let near = body.deliver_to.as_ref().and_then(|to| to.lat.zip(to.lon));
    let place = pharmacy.catalogue.place_for(&lines, near).await?;
    let mut order = body.into_order(place, caller.subject, language);
    if advice {
        order.state = OrderState::Advice;
    }
    let order = pharmacy.shop.place(Some(&command.once), order).await?;
    Ok(order_answer(StatusCode::CREATED, &order))
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct OrderQuery {
    /// Only orders of this state.
    #[serde(default)]
    #[param(required = false)]
    state: Option<OrderState>,
}

/// One's own orders, oldest first; staff (scope `order:fulfil`) sees everybody's.
#[utoipa::path(get, path = "/orders", params(Page, OrderQuery), responses(
    (status = 200, description = "A page of orders", body = Listed<Order>)))]
async fn list_orders(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    page: Page,
    Query(query): Query<OrderQuery>,
) -> Result<Response, Problem> {
    let after = page.after::<OrderId>()?;
    let whose = pharmacy.shop.whose(&caller)?;
    let limit = i64::from(page.limit);
    let after = after.as_ref().map_or("", OrderId::as_str);
    let mut items = pharmacy.shop.orders(&whose, query.state, after, limit + 1).await?;
    let more = i64::try_from(items.len()).is_ok_and(|count| count > limit);
    if more {
        items.pop();
    }
    let next = items.last().filter(|_| more).map(|item| item.id.clone());
    Ok(page.answer(items, next.as_ref()))
}

/// Books the parcel, gives out the medicines and sends them (scope `order:fulfil`). What was sent cannot be returned.
#[utoipa::path(post, path = "/orders/{id}/dispatch", request_body = Nothing, params(
    ("id" = OrderId, Path, description = "The order")), responses(
    (status = 200, description = "Dispatched, with the parcel's number", body = Order),
    (status = 503, description = "The courier does not answer; it goes out when it does", body = Problem)))]
async fn dispatch_order(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    Path(id): Path<String>,
    command: Command<Nothing>,
) -> Result<Response, Problem> {
    caller.require(Scope::OrderFulfil)?;
    let Nothing {} = command.body;
    let id = order_id(&id)?;
    // A repeat after success finds the order dispatched already: that is its answer.
    let known = pharmacy.shop.order(&id, &Whose::All).await?;
    if let Some(order) = known.filter(|order| order.state == OrderState::Dispatched) {
        return Ok(order_answer(StatusCode::OK, &order));
    }
    let order = pharmacy.send(&id, Some(&command.once)).await?;
    Ok(order_answer(StatusCode::OK, &order))
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct AdviceBody {
    /// What the pharmacist says.
    #[garde(length(chars, min = 1, max = MAX_TEXT))]
    #[schema(min_length = 1, max_length = 4000)]
    text: String,
}

/// Advises on an order (scope `rx:dispense`): it can be confirmed then.
#[utoipa::path(post, path = "/orders/{id}/advice", request_body = AdviceBody, params(
    ("id" = OrderId, Path, description = "The order")), responses(
    (status = 200, description = "Advised", body = Order)))]
async fn give_advice(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    language: Language,
    Path(id): Path<String>,
    command: Command<AdviceBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::RxDispense)?;
    let text = Localized([(language, command.body.text)].into());
    let order = pharmacy.advise(Some(&command.once), order_id(&id)?, text, caller.subject, false).await?;
    Ok(order_answer(StatusCode::OK, &order))
}

/// The advice on an order: one's own, or anybody's for staff.
#[utoipa::path(get, path = "/orders/{id}/advice", params(("id" = OrderId, Path, description = "The order")), responses(
    (status = 200, description = "The advice", body = AdviceView)))]
async fn read_advice(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    language: Language,
    Path(id): Path<String>,
) -> Result<axum::Json<AdviceView>, Problem> {
    let whose = pharmacy.shop.whose(&caller)?;
    Ok(axum::Json(pharmacy.advice(&order_id(&id)?, &whose, language).await?))
}

/// Orders that wait for advice, the oldest first (scope `rx:dispense`). That their prescriptions were seen is recorded.
#[utoipa::path(get, path = "/desk", responses(
    (status = 200, description = "At most 50", body = [Order])))]
async fn desk(State(pharmacy): State<Pharmacy>, caller: Caller) -> Result<axum::Json<Vec<Order>>, Problem> {
    caller.require(Scope::RxDispense)?;
    Ok(axum::Json(pharmacy.waiting(caller.subject).await?))
}

fn order_id(id: &str) -> Result<OrderId, Problem> {
    OrderId::parse(id).map_err(|_| Rejection::NotFound("order").into())
}
