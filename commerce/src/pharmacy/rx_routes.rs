//! Prescriptions over HTTP.

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use garde::Validate;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Pharmacy;
use super::limit::{MAX_PRESCRIBED, MAX_TEXT};
use super::medicine::Vnr;
use super::prescription::Draft;
use super::rx::{PrescriptionView, Reader, RxError};
use super::store::{self, AccessEntry};
use crate::auth::{Caller, Scope};
use crate::clock::Timestamp;
use crate::http::{Command, Listed, Page, Path, Query, tagged};
use crate::id::PrescriptionId;
use crate::problem::Problem;

/// Everything about prescriptions.
pub(super) fn routes(pharmacy: Pharmacy) -> OpenApiRouter {
    OpenApiRouter::new()
        .routes(routes!(prescribe, list))
        .routes(routes!(read))
        .routes(routes!(withdraw))
        .routes(routes!(accesses))
        .with_state(pharmacy)
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct PrescriptionBody {
    /// Subject of the patient's token.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    patient: String,
    /// The package.
    #[garde(skip)]
    vnr: Vnr,
    /// How many packages.
    #[garde(range(min = 1, max = MAX_PRESCRIBED))]
    #[schema(minimum = 1, maximum = 48)]
    packages: i64,
    /// Whether another package of the same group may be given.
    #[garde(skip)]
    #[serde(default = "allowed")]
    #[schema(default = true)]
    substitution: bool,
    /// Days between two dispensings.
    #[garde(range(min = 0, max = 365))]
    #[serde(default)]
    #[schema(minimum = 0, maximum = 365)]
    interval_days: i64,
    /// How to take it.
    #[garde(length(chars, min = 1, max = MAX_TEXT))]
    #[schema(min_length = 1, max_length = 4000)]
    dosage: String,
    /// First moment; now if absent.
    #[garde(skip)]
    #[serde(default)]
    valid_from: Option<Timestamp>,
    /// Last moment; 24 months later if absent, 12 for narcotics, CNS and biological medicines.
    #[garde(skip)]
    #[serde(default)]
    valid_until: Option<Timestamp>,
}

fn allowed() -> bool {
    true
}

/// Writes a prescription (scope `rx:write`).
#[utoipa::path(post, path = "/prescriptions", request_body = PrescriptionBody, responses(
    (status = 201, description = "Written", body = PrescriptionView)))]
async fn prescribe(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    command: Command<PrescriptionBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::RxWrite)?;
    let body = command.body;
    let draft = Draft {
        patient: body.patient,
        packages: body.packages,
        substitution: body.substitution,
        interval_days: body.interval_days,
        dosage: body.dosage,
        valid_from: body.valid_from,
        valid_until: body.valid_until,
    };
    let written = pharmacy.prescribe(Some(&command.once), caller.subject, &body.vnr, draft).await?;
    let mut response = tagged(written.version, &HeaderMap::new(), &written);
    *response.status_mut() = StatusCode::CREATED;
    Ok(response)
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ReadQuery {
    /// Why a pharmacist reads: it goes into the record. Needed with the scope `rx:dispense`.
    #[serde(default)]
    #[param(required = false, max_length = 200)]
    reason: String,
}

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
struct ListQuery {
    /// Whose; only for pharmacists.
    #[serde(default)]
    #[param(required = false)]
    patient: Option<String>,
    /// Why a pharmacist reads: it goes into the record. Needed with the scope `rx:dispense`.
    #[serde(default)]
    #[param(required = false, max_length = 200)]
    reason: String,
}

/// Who reads: a pharmacist with a reason, or somebody their own.
fn reader(caller: &Caller, reason: &str) -> Result<Reader, Problem> {
    let (who, actor) = (caller.subject.clone(), caller.actor.clone());
    if caller.may(Scope::RxDispense) {
        let why = reason.trim();
        if why.is_empty() || why.chars().count() > 200 {
            return Err(Problem::malformed("reason: say why, in 1 to 200 characters"));
        }
        return Ok(Reader { who, actor, why: why.to_owned(), own: false });
    }
    caller.require(Scope::RxRead)?;
    Ok(Reader { who, actor, why: "own".to_owned(), own: true })
}

/// One's own prescriptions (scope `rx:read`), or a patient's for a pharmacist (scope `rx:dispense`). Recorded.
#[utoipa::path(get, path = "/prescriptions", params(Page, ListQuery), responses(
    (status = 200, description = "A page of prescriptions, oldest first", body = Listed<PrescriptionView>)))]
async fn list(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    page: Page,
    Query(query): Query<ListQuery>,
) -> Result<Response, Problem> {
    let reader = reader(&caller, &query.reason)?;
    let patient = match query.patient {
        Some(patient) if !reader.own || patient == reader.who => patient,
        Some(_) => return Err(Problem::forbidden(format!("the scope {} is needed", Scope::RxDispense))),
        None if reader.own => reader.who.clone(),
        None => return Err(Problem::malformed("patient: say whose prescriptions")),
    };
    let after = page.after::<String>()?.unwrap_or_default();
    let limit = i64::from(page.limit);
    let items = pharmacy.prescriptions(patient, after, limit, reader).await?;
    // One more page may be empty; a prescription that is not shown is not read either.
    let full = i64::try_from(items.len()).is_ok_and(|count| count >= limit);
    let next = items.last().filter(|_| full).map(|item| item.id.clone());
    Ok(page.answer(items, next.as_ref()))
}

/// One prescription of one's own (scope `rx:read`), or any for a pharmacist (scope `rx:dispense`). Recorded.
#[utoipa::path(get, path = "/prescriptions/{id}", params(
    ("id" = PrescriptionId, Path, description = "The prescription"), ReadQuery), responses(
    (status = 200, description = "The prescription", body = PrescriptionView)))]
async fn read(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(query): Query<ReadQuery>,
) -> Result<Response, Problem> {
    let reader = reader(&caller, &query.reason)?;
    let found = pharmacy.prescription(rx_id(&id)?, reader).await?;
    Ok(tagged(found.version, &headers, &found))
}

#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
struct WithdrawBody {
    /// Why.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    reason: String,
}

/// Takes back a prescription that one wrote (scope `rx:write`). Refused while an order holds it.
#[utoipa::path(post, path = "/prescriptions/{id}/cancel", request_body = WithdrawBody, params(
    ("id" = PrescriptionId, Path, description = "The prescription")), responses(
    (status = 200, description = "Cancelled", body = PrescriptionView)))]
async fn withdraw(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    Path(id): Path<String>,
    command: Command<WithdrawBody>,
) -> Result<Response, Problem> {
    caller.require(Scope::RxWrite)?;
    let id = rx_id(&id)?;
    let found = pharmacy.withdraw(Some(&command.once), id, caller.subject, command.body.reason).await?;
    Ok(tagged(found.version, &HeaderMap::new(), &found))
}

/// Who saw or used a prescription, oldest first: for its patient (scope `rx:read`), and auditors (scope `rx:audit`).
#[utoipa::path(get, path = "/prescriptions/{id}/audit", params(
    Page, ("id" = PrescriptionId, Path, description = "The prescription")), responses(
    (status = 200, description = "A page of the record", body = Listed<AccessEntry>)))]
async fn accesses(
    State(pharmacy): State<Pharmacy>,
    caller: Caller,
    page: Page,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    if !caller.may(Scope::RxAudit) {
        caller.require(Scope::RxRead)?;
    }
    let id = rx_id(&id)?;
    let patient = store::patient_of(pharmacy.shop.db(), &id).await?.ok_or(RxError::NotFound)?;
    if patient != caller.subject && !caller.may(Scope::RxAudit) {
        return Err(RxError::NotFound.into());
    }
    let after = page.after::<i64>()?.unwrap_or(0);
    let limit = i64::from(page.limit);
    let mut items = store::accesses(pharmacy.shop.db(), &id, after, limit + 1).await?;
    let more = i64::try_from(items.len()).is_ok_and(|count| count > limit);
    if more {
        items.pop();
    }
    let next = items.last().filter(|_| more).map(|item| item.seq);
    Ok(page.answer(items, next.as_ref()))
}

fn rx_id(id: &str) -> Result<PrescriptionId, Problem> {
    PrescriptionId::parse(id).map_err(|_| RxError::NotFound.into())
}
