//! The pharmacy over HTTP, in process: its routes behind the whole stack, with a courier that is made up here.

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Request, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::price_list::Columns;
use super::{ImportError, Pharmacy, PharmacySettings, import, seed};
use crate::actor::Actor;
use crate::auth::{Authority, Grant, Role};
use crate::http::Streams;
use crate::id::new_uuid;
use crate::settings::LimitSettings;
use crate::shop::ShopSettings;
use crate::stack::Edge;
use crate::store::{TestDatabase, args, test_database};

const PATIENT: &str = "demo-patient-7";
const OTHER: &str = "demo-patient-8";
const STREET: &str = "Salakuja 13";

/// What the made-up courier was asked, by idempotency key; it refuses to answer so often first.
#[derive(Debug, Default)]
struct CourierLog {
    booked: BTreeMap<String, Value>,
    cancelled: Vec<String>,
    silent: u32,
}

type Courier = Arc<Mutex<CourierLog>>;

async fn book(
    State(courier): State<Courier>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Result<Json<Value>, StatusCode> {
    let mut log = courier.lock().unwrap();
    let key = headers["idempotency-key"].to_str().unwrap().to_owned();
    log.booked.insert(key, body);
    if log.silent > 0 {
        log.silent -= 1;
        return Err(StatusCode::SERVICE_UNAVAILABLE);
    }
    Ok(Json(json!({ "number": format!("EF{}", log.booked.len()), "state": "booked" })))
}

async fn call_back(
    State(courier): State<Courier>,
    axum::extract::Path(number): axum::extract::Path<String>,
) -> Json<Value> {
    courier.lock().unwrap().cancelled.push(number);
    Json(json!({}))
}

struct Lab {
    pharmacy: Pharmacy,
    router: Router,
    authority: Authority,
    courier: Courier,
    test: TestDatabase,
}

impl Lab {
    async fn open(settings: PharmacySettings, orders: ShopSettings) -> Self {
        let test = test_database(&[]).await;
        let (storage, clock) = (test.storage.clone(), test.clock.clone());
        let context = crate::test::context(storage, test.folder(), clock, true, true).await;
        let authority = context.authority.clone();
        let pharmacy = Pharmacy::open(&context, &settings, &orders).await.unwrap();
        let streams = Streams::new(8, context.shutdown.clone());
        let edge = Edge::new(authority.clone(), context.faults.clone(), streams, LimitSettings::default());
        let (router, _) = edge.wrap("/api/v1/pharmacy", Some(Actor::Pharmacy), pharmacy.routes());
        let courier = Courier::default();
        let fake = Router::new()
            .route("/api/v1/courier/parcels", post(book))
            .route("/api/v1/courier/parcels/{number}/cancel", post(call_back))
            .with_state(courier.clone());
        context.peers.bind_here(Actor::Courier, fake);
        Self { pharmacy, router, authority, courier, test }
    }

    async fn plain() -> Self {
        Self::open(PharmacySettings::default(), ShopSettings::default()).await
    }

    fn token(&self, role: Role, subject: &str) -> String {
        let ttl = Duration::from_secs(3600);
        let grant = Grant { subject, actor: None, audience: &Actor::ALL, scopes: role.scopes(), ttl };
        self.authority.issue(&grant).unwrap()
    }

    async fn call(&self, method: &str, path: &str, token: &str, key: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(format!("/api/v1/pharmacy{path}"));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        if !key.is_empty() {
            request = request.header("idempotency-key", key);
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or(Value::Null))
    }

    async fn get(&self, path: &str, role: Role, subject: &str) -> (StatusCode, Value) {
        self.call("GET", path, &self.token(role, subject), "", None).await
    }

    async fn post(&self, path: &str, role: Role, subject: &str, body: Value) -> (StatusCode, Value) {
        self.call("POST", path, &self.token(role, subject), &new_uuid(), Some(body)).await
    }

    /// Writes a prescription and returns its id.
    async fn prescribe(&self, patient: &str, vnr: &str, more: Value) -> String {
        let mut body = json!({ "patient": patient, "vnr": vnr, "packages": 2, "dosage": "1 tablet a day" });
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, written) = self.post("/prescriptions", Role::Prescriber, "demo-doctor", body).await;
        assert_eq!(status, StatusCode::CREATED, "{written}");
        written["id"].as_str().unwrap().to_owned()
    }

    async fn order(&self, subject: &str, vnr: &str, quantity: i64, prescription: Option<&str>) -> (StatusCode, Value) {
        self.post("/orders", Role::Customer, subject, order_body(vnr, quantity, prescription)).await
    }

    async fn step(&self, order: &Value, step: &str, body: Value) -> (StatusCode, Value) {
        let (role, subject) = match step {
            "advice" | "dispatch" => (Role::Pharmacist, "demo-pharmacist"),
            _ => (Role::Customer, PATIENT),
        };
        self.post(&format!("/orders/{}/{step}", order["id"].as_str().unwrap()), role, subject, body).await
    }

    async fn prescription(&self, id: &str) -> Value {
        let (status, found) = self.get(&format!("/prescriptions/{id}"), Role::Customer, PATIENT).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        found
    }

    async fn count(&self, sql: &'static str) -> i64 {
        self.pharmacy.shop.db().row(sql, args![]).await.unwrap().unwrap().int(0).unwrap()
    }

    /// The books add up, and no prescription is held without an open order.
    async fn whole(&self) {
        let audit = self.pharmacy.shop.audit().await.unwrap();
        assert!(audit.whole, "{audit:?}");
        let loose = "
            SELECT COUNT(*) FROM prescription AS p WHERE p.lock_order IS NOT NULL AND NOT EXISTS (
                SELECT 1 FROM purchase AS o WHERE o.id = p.lock_order
                AND o.state IN ('reserved', 'advice', 'advised', 'confirmed'))";
        assert_eq!(self.count(loose).await, 0);
    }
}

fn order_body(vnr: &str, quantity: i64, prescription: Option<&str>) -> Value {
    let mut line = json!({ "sku": vnr, "quantity": quantity });
    if let Some(prescription) = prescription {
        line["prescription"] = json!(prescription);
    }
    let address = json!({ "name": "Demo Patient", "street": STREET, "postcode": "00530", "city": "Helsinki" });
    json!({ "lines": [line], "deliver_to": address })
}

/// A made-up package of a status, with stock, and another of its substitution group.
fn packages(status: &str) -> (String, String) {
    let all = seed::packages(0).unwrap();
    let twin = |one: &super::medicine::Medicine| {
        all.iter().find(|other| other.vnr != one.vnr && other.substitution_group == one.substitution_group)
    };
    let one = all.iter().find(|one| one.status.as_str() == status && twin(one).is_some()).unwrap();
    (one.vnr.to_string(), twin(one).unwrap().vnr.to_string())
}

fn word(problem: &Value) -> &str {
    problem["type"].as_str().unwrap_or_default().rsplit(':').next().unwrap_or_default()
}

#[tokio::test]
async fn self_care_needs_no_prescription() {
    let lab = Lab::plain().await;
    let (vnr, _) = packages("K");
    let (status, order) = lab.order(PATIENT, &vnr, 2, None).await;
    assert_eq!((status, order["state"].as_str()), (StatusCode::CREATED, Some("reserved")), "{order}");
    assert_eq!(order["vat"][0]["rate"], 1350);
    let (status, problem) = lab.order(PATIENT, &vnr, 1, Some(&new_uuid())).await;
    assert_eq!((status, word(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "invalid-request"));
    let (status, confirmed) = lab.step(&order, "confirm", json!({ "payment": "demo" })).await;
    assert_eq!(status, StatusCode::OK, "{confirmed}");
    let (status, sent) = lab.step(&order, "dispatch", json!({})).await;
    assert_eq!((status, sent["parcel"].as_str()), (StatusCode::OK, Some("EF1")), "{sent}");
    // What was sent cannot be called off.
    let (status, problem) = lab.step(&order, "cancel", json!({ "reason": "no" })).await;
    assert_eq!((status, word(&problem)), (StatusCode::CONFLICT, "state-conflict"));
    lab.whole().await;
}

#[tokio::test]
async fn without_a_prescription_nothing_happens() {
    let lab = Lab::plain().await;
    let (vnr, _) = packages("R");
    let (status, problem) = lab.order(PATIENT, &vnr, 1, None).await;
    assert_eq!((status, word(&problem)), (StatusCode::FORBIDDEN, "prescription-required"));
    assert_eq!(problem["errors"][0]["pointer"], "/lines/0/prescription");
    let theirs = lab.prescribe(OTHER, &vnr, json!({})).await;
    let (status, foreign) = lab.order(PATIENT, &vnr, 1, Some(&theirs)).await;
    let (_, missing) = lab.order(PATIENT, &vnr, 1, Some(&new_uuid())).await;
    assert_eq!((status, word(&foreign)), (StatusCode::FORBIDDEN, "prescription-required"));
    assert_eq!(foreign, missing, "another person's prescription looks like none");
    for (path, role) in [("", Role::Customer), ("/audit", Role::Customer), ("/audit", Role::Prescriber)] {
        let (status, _) = lab.get(&format!("/prescriptions/{theirs}{path}"), role, PATIENT).await;
        assert!(status == StatusCode::NOT_FOUND || status == StatusCode::FORBIDDEN, "{path} {status}");
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM purchase").await, 0);
    assert_eq!(lab.count("SELECT CAST(COALESCE(SUM(reserved), 0) AS BIGINT) FROM stock").await, 0);
    assert_eq!(lab.count("SELECT COUNT(*) FROM prescription WHERE lock_order IS NOT NULL").await, 0);
    lab.whole().await;
}

#[tokio::test]
async fn an_order_on_prescription_waits_for_advice_and_is_dispensed() {
    let lab = Lab::plain().await;
    let (vnr, twin) = packages("R");
    let prescription = lab.prescribe(PATIENT, &vnr, json!({})).await;
    let (status, order) = lab.order(PATIENT, &twin, 1, Some(&prescription)).await;
    assert_eq!((status, order["state"].as_str()), (StatusCode::CREATED, Some("advice")), "{order}");
    assert_eq!(lab.prescription(&prescription).await["held_by"], order["id"]);
    let (status, _) = lab.step(&order, "confirm", json!({ "payment": "demo" })).await;
    assert_eq!(status, StatusCode::CONFLICT, "advice comes first");
    // While it is held nobody else gets it, and its prescriber cannot take it back.
    let (status, problem) = lab.order(PATIENT, &vnr, 1, Some(&prescription)).await;
    assert_eq!((status, word(&problem)), (StatusCode::CONFLICT, "prescription-locked"));
    let cancel = format!("/prescriptions/{prescription}/cancel");
    let (status, _) = lab.post(&cancel, Role::Prescriber, "demo-doctor", json!({ "reason": "error" })).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (_, desk) = lab.get("/desk", Role::Pharmacist, "demo-pharmacist").await;
    assert_eq!(desk[0]["id"], order["id"]);
    let (status, _) = lab.get("/desk", Role::Customer, PATIENT).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let (status, _) = lab.step(&order, "advice", json!({ "text": "Take it with water." })).await;
    assert_eq!(status, StatusCode::OK);
    let path = format!("/orders/{}/advice", order["id"].as_str().unwrap());
    let (_, advice) = lab.get(&path, Role::Customer, PATIENT).await;
    assert_eq!((advice["text"].as_str(), advice["synthetic"].as_bool()), (Some("Take it with water."), Some(false)));
    lab.step(&order, "confirm", json!({ "payment": "demo" })).await;
    assert!(lab.prescription(&prescription).await["held_until"].is_null(), "a paid order's hold does not end");
    let (status, sent) = lab.step(&order, "dispatch", json!({})).await;
    assert_eq!((status, sent["state"].as_str()), (StatusCode::OK, Some("dispatched")), "{sent}");
    let left = lab.prescription(&prescription).await;
    assert_eq!((left["state"].as_str(), left["remaining"].as_i64()), (Some("partially_dispensed"), Some(1)));
    let event = "SELECT COUNT(*) FROM outbox WHERE kind = 'order.dispatched' AND data LIKE '%\"parcel\":\"EF1\"%'";
    assert_eq!(lab.count(event).await, 1);
    assert_eq!(
        lab.count("SELECT COUNT(*) FROM outbox WHERE data LIKE '%Salakuja%'").await,
        0,
        "events hold no address"
    );
    // The rest, and then no more.
    let (status, _) = lab.order(PATIENT, &vnr, 2, Some(&prescription)).await;
    assert_eq!(status, StatusCode::CONFLICT);
    let (_, rest) = lab.order(PATIENT, &vnr, 1, Some(&prescription)).await;
    lab.step(&rest, "advice", json!({ "text": "As before." })).await;
    lab.step(&rest, "confirm", json!({ "payment": "demo" })).await;
    lab.step(&rest, "dispatch", json!({})).await;
    assert_eq!(lab.prescription(&prescription).await["state"], "fully_dispensed");
    let (status, problem) = lab.order(PATIENT, &vnr, 1, Some(&prescription)).await;
    assert_eq!((status, word(&problem)), (StatusCode::CONFLICT, "prescription-used-up"));
    lab.whole().await;
}

#[tokio::test]
async fn expired_and_mismatched_prescriptions_do_not_serve() {
    let lab = Lab::plain().await;
    let (vnr, twin) = packages("R");
    let soon = lab.test.clock.now().after(Duration::from_secs(60)).to_string();
    let short = lab.prescribe(PATIENT, &vnr, json!({ "valid_until": soon })).await;
    let exact = lab.prescribe(PATIENT, &vnr, json!({ "substitution": false })).await;
    lab.test.clock.advance(Duration::from_secs(61));
    let (status, problem) = lab.order(PATIENT, &vnr, 1, Some(&short)).await;
    assert_eq!((status, word(&problem)), (StatusCode::CONFLICT, "prescription-expired"));
    let (status, problem) = lab.order(PATIENT, &twin, 1, Some(&exact)).await;
    assert_eq!((status, word(&problem)), (StatusCode::CONFLICT, "prescription-mismatch"));
    let twice = json!({ "lines": [
        { "sku": vnr, "quantity": 1, "prescription": exact }, { "sku": vnr, "quantity": 1, "prescription": exact } ] });
    let (status, _) = lab.post("/orders", Role::Customer, PATIENT, twice).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(lab.prescription(&exact).await["held_by"].is_null(), "what a refused order took is given back");
    let (_, body) = packages("K");
    let (status, problem) = lab
        .post(
            "/prescriptions",
            Role::Prescriber,
            "demo-doctor",
            json!({ "patient": PATIENT, "vnr": body, "packages": 1, "dosage": "x" }),
        )
        .await;
    assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (StatusCode::UNPROCESSABLE_ENTITY, Some("/vnr")));
}

#[tokio::test]
async fn a_repeat_gets_the_first_answer() {
    let lab = Lab::plain().await;
    let (vnr, _) = packages("R");
    let prescription = lab.prescribe(PATIENT, &vnr, json!({})).await;
    let (token, key) = (lab.token(Role::Customer, PATIENT), new_uuid());
    let body = order_body(&vnr, 1, Some(&prescription));
    let (_, first) = lab.call("POST", "/orders", &token, &key, Some(body.clone())).await;
    let (status, again) = lab.call("POST", "/orders", &token, &key, Some(body)).await;
    assert_eq!((status, &again["id"]), (StatusCode::CREATED, &first["id"]));
    let (status, problem) =
        lab.call("POST", "/orders", &token, &key, Some(order_body(&vnr, 2, Some(&prescription)))).await;
    assert_eq!((status, word(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    assert_eq!(lab.count("SELECT COUNT(*) FROM purchase").await, 1);
}

#[tokio::test]
async fn of_two_orders_for_the_last_package_one_wins() {
    let lab = Lab::plain().await;
    let (vnr, _) = packages("R");
    let one = lab.prescribe(PATIENT, &vnr, json!({ "packages": 1 })).await;
    let (first, second) =
        tokio::join!(lab.order(PATIENT, &vnr, 1, Some(&one)), lab.order(PATIENT, &vnr, 1, Some(&one)));
    let mut statuses = [first.0, second.0];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT]);
    // The same for the stock: five pharmacies have one package together.
    let (free, _) = packages("K");
    let keep = "UPDATE stock SET on_hand = CASE WHEN location = 'hki-kallio' THEN 1 ELSE 0 END WHERE sku = $1";
    let sku = free.clone();
    let db = lab.pharmacy.shop.db();
    db.write::<(), crate::store::StoreError, _>(None, move |tx| {
        Box::pin(async move { tx.run(keep, args![sku]).await.map(drop) })
    })
    .await
    .unwrap();
    let (first, second) = tokio::join!(lab.order(PATIENT, &free, 1, None), lab.order(OTHER, &free, 1, None));
    let mut statuses = [first.0, second.0];
    statuses.sort();
    assert_eq!(statuses, [StatusCode::CREATED, StatusCode::CONFLICT], "{} {}", first.1, second.1);
}

#[tokio::test]
async fn what_is_given_up_is_free_again() {
    let lab = Lab::plain().await;
    let (vnr, _) = packages("R");
    let prescription = lab.prescribe(PATIENT, &vnr, json!({})).await;
    let (_, order) = lab.order(PATIENT, &vnr, 2, Some(&prescription)).await;
    let (status, _) = lab.step(&order, "cancel", json!({ "reason": "changed my mind" })).await;
    assert_eq!(status, StatusCode::OK);
    assert!(lab.prescription(&prescription).await["held_by"].is_null());
    let (_, order) = lab.order(PATIENT, &vnr, 2, Some(&prescription)).await;
    lab.test.clock.advance(PharmacySettings::default().ttl() + Duration::from_secs(1));
    // Its time is over: another order may have the prescription even before the sweeper comes by.
    let (status, next) = lab.order(PATIENT, &vnr, 1, Some(&prescription)).await;
    assert_eq!(status, StatusCode::CREATED, "{next}");
    lab.pharmacy.shop.sweep().await.unwrap();
    let (_, expired) = lab.get(&format!("/orders/{}", order["id"].as_str().unwrap()), Role::Customer, PATIENT).await;
    assert_eq!(expired["state"], "expired");
    assert_eq!(lab.prescription(&prescription).await["held_by"], next["id"], "the sweeper leaves the new hold alone");
    lab.whole().await;
}

#[tokio::test]
async fn a_parcel_is_booked_once_however_often_it_is_tried() {
    let orders = ShopSettings { dispatch_after_ms: 1000, ..ShopSettings::default() };
    let lab = Lab::open(PharmacySettings { auto_advice_ms: 500, ..PharmacySettings::default() }, orders).await;
    let (vnr, _) = packages("R");
    let prescription = lab.prescribe(PATIENT, &vnr, json!({})).await;
    let (_, order) = lab.order(PATIENT, &vnr, 1, Some(&prescription)).await;
    lab.pharmacy.round().await.unwrap();
    lab.test.clock.advance(Duration::from_millis(600));
    lab.pharmacy.round().await.unwrap();
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let (_, advice) = lab.get(&format!("{path}/advice"), Role::Customer, PATIENT).await;
    assert_eq!(advice["synthetic"], true, "{advice}");
    lab.step(&order, "confirm", json!({ "payment": "demo" })).await;
    lab.courier.lock().unwrap().silent = 2;
    for _ in 0..4 {
        lab.test.clock.advance(Duration::from_secs(10));
        lab.pharmacy.round().await.unwrap();
    }
    let (_, sent) = lab.get(&path, Role::Customer, PATIENT).await;
    assert_eq!((sent["state"].as_str(), sent["parcel"].as_str()), (Some("dispatched"), Some("EF1")));
    let booked = lab.courier.lock().unwrap().booked.clone();
    assert_eq!(booked.len(), 1, "one key for all tries");
    let parcel = booked.values().next().unwrap();
    assert_eq!((parcel["reference"].as_str(), parcel["to"]["street"].as_str()), (order["id"].as_str(), Some(STREET)));
    lab.whole().await;
}

#[tokio::test]
async fn a_parcel_of_a_cancelled_order_is_called_back() {
    let lab = Lab::plain().await;
    let (vnr, _) = packages("K");
    let (_, order) = lab.order(PATIENT, &vnr, 1, None).await;
    lab.step(&order, "confirm", json!({ "payment": "demo" })).await;
    lab.courier.lock().unwrap().silent = 9;
    let (status, problem) = lab.step(&order, "dispatch", json!({})).await;
    assert_eq!((status, word(&problem)), (StatusCode::SERVICE_UNAVAILABLE, "unavailable"));
    let (status, _) = lab.step(&order, "cancel", json!({ "reason": "too late" })).await;
    assert_eq!(status, StatusCode::OK);
    lab.courier.lock().unwrap().silent = 0;
    lab.test.clock.advance(Duration::from_secs(60));
    lab.pharmacy.round().await.unwrap();
    assert_eq!(lab.courier.lock().unwrap().cancelled, ["EF1"]);
    lab.pharmacy.round().await.unwrap();
    assert_eq!(lab.courier.lock().unwrap().cancelled.len(), 1);
    lab.whole().await;
}

#[tokio::test]
async fn every_reading_is_recorded() {
    let lab = Lab::plain().await;
    let (vnr, _) = packages("R");
    let prescription = lab.prescribe(PATIENT, &vnr, json!({})).await;
    lab.prescription(&prescription).await;
    lab.get("/prescriptions", Role::Customer, PATIENT).await;
    let path = format!("/prescriptions/{prescription}");
    let (status, _) = lab.get(&path, Role::Pharmacist, "demo-pharmacist").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a pharmacist says why");
    lab.get(&format!("{path}?reason=interaction%20check"), Role::Pharmacist, "demo-pharmacist").await;
    lab.get(&format!("/prescriptions?patient={PATIENT}&reason=refill"), Role::Pharmacist, "demo-pharmacist").await;
    let (_, order) = lab.order(PATIENT, &vnr, 1, Some(&prescription)).await;
    lab.get("/desk", Role::Pharmacist, "demo-pharmacist").await;
    lab.step(&order, "cancel", json!({ "reason": "x" })).await;
    for (role, subject) in [(Role::Pharmacist, "demo-auditor"), (Role::Customer, PATIENT)] {
        let (status, record) = lab.get(&format!("{path}/audit"), role, subject).await;
        assert_eq!(status, StatusCode::OK);
        let items = record["items"].as_array().unwrap();
        let told: Vec<_> = items.iter().map(|e| (e["who"].as_str().unwrap(), e["what"].as_str().unwrap())).collect();
        let pharmacist = "demo-pharmacist";
        let expected = [
            ("demo-doctor", "write"),
            (PATIENT, "read"),
            (PATIENT, "read"),
            (pharmacist, "read"),
            (pharmacist, "read"),
            (PATIENT, "reserve"),
            (pharmacist, "desk"),
            (PATIENT, "release"),
        ];
        assert_eq!(told, expected);
        assert_eq!(items[3]["why"], "interaction check");
    }
}

#[tokio::test]
async fn medicines_are_searched_and_found_at_pharmacies() {
    let lab = Lab::plain().await;
    let (status, found) =
        lab.call("GET", "/medicines?q=s%C3%A4rkyl%C3%A4%C3%A4kkeit%C3%A4&limit=5", "", "", None).await;
    assert_eq!(status, StatusCode::OK, "{found}");
    assert_eq!(found["items"].as_array().unwrap().len(), 5);
    assert_eq!(
        (found["items"][0]["status"].as_str(), found["items"][0]["synthetic"].as_bool()),
        (Some("K"), Some(true))
    );
    let next = found["next"].as_str().unwrap();
    let path = format!("/medicines?q=s%C3%A4rkyl%C3%A4%C3%A4kkeit%C3%A4&limit=5&cursor={next}");
    let (_, more) = lab.call("GET", &path, "", "", None).await;
    assert_ne!(more["items"][0]["vnr"], found["items"][0]["vnr"]);
    let (_, one) = lab.call("GET", "/medicines/990001", "", "", None).await;
    assert_eq!(one["pharmacies"].as_array().unwrap().len(), 5, "{one}");
    let (_, everywhere) = lab.call("GET", "/availability?vnr=990001&vnr=990002&vnr=111111", "", "", None).await;
    assert_eq!(everywhere.as_array().unwrap().len(), 2);
    assert_eq!(everywhere[0]["available"], one["available"]);
    let (status, _) = lab.call("GET", "/availability?vnr=abc", "", "", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = lab.call("GET", "/medicines/000000", "", "", None).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_price_list_is_taken_over_whole_or_not_at_all() {
    let lab = Lab::plain().await;
    let header = "SUBSTITUUTIORYHMA;VNRNRO;PAKKAUSKOKO;LAAKENIMI;VAHVUUS;RESEPTISTATUS;ATCKOODI;LAAKEMUOTONIMI;HINTA\n";
    let line = |number: usize| {
        format!("0001;{number:06};30 fol;Tuonti {number};10 mg;K;N02BE01;tabletti;{},50\n", number % 90)
    };
    let path = lab.test.folder().join("list.txt");
    let write = |tail: &str| {
        let mut file = std::fs::File::create(&path).unwrap();
        let lines: String = (1..=1200).map(line).collect();
        file.write_all(format!("{header}{lines}{tail}").as_bytes()).unwrap();
    };
    let db = lab.pharmacy.shop.db();
    let before = lab.count("SELECT COUNT(*) FROM medicine").await;
    write("0001;99;30 fol;Bad;10 mg;K;;tabletti;1,00\n");
    let failed = import(db, &path, &Columns::default(), &mut |_| {}).await.unwrap_err();
    assert!(matches!(failed, ImportError::Lines(_)) && failed.to_string().contains("line 1202, VNRNRO"), "{failed}");
    assert_eq!(lab.count("SELECT COUNT(*) FROM medicine").await, before);
    assert_eq!(lab.count("SELECT COUNT(*) FROM import_row").await, 0);
    write("");
    for round in 0..2 {
        let mut heard = 0;
        let done = import(db, &path, &Columns::default(), &mut |lines| heard = lines).await.unwrap();
        assert_eq!((done.packages, done.priced, heard), (1200, 1200, 1200), "round {round}");
    }
    assert_eq!(lab.count("SELECT COUNT(*) FROM medicine").await, before + 1200);
    lab.pharmacy.catalogue.reload().await.unwrap();
    let (_, one) = lab.call("GET", "/medicines/000007", "", "", None).await;
    assert_eq!(
        (one["price"]["minor"].as_i64(), one["synthetic"].as_bool(), one["version"].as_i64()),
        (Some(750), Some(false), Some(2))
    );
    lab.whole().await;
}

/// Where a test's logs go.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn logs_name_nobody() {
    let logs = Captured::default();
    let writer = logs.clone();
    let subscriber =
        tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(move || writer.clone()).finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let lab = Lab::plain().await;
    let (vnr, _) = packages("R");
    let prescription = lab.prescribe(PATIENT, &vnr, json!({ "dosage": "secret-dosage" })).await;
    lab.order(OTHER, &vnr, 1, Some(&prescription)).await;
    let (_, order) = lab.order(PATIENT, &vnr, 1, Some(&prescription)).await;
    lab.step(&order, "advice", json!({ "text": "secret-advice" })).await;
    lab.step(&order, "confirm", json!({ "payment": "demo" })).await;
    // The first try by hand and the second by the desk find no courier, which is logged.
    lab.courier.lock().unwrap().silent = 2;
    lab.step(&order, "dispatch", json!({})).await;
    for _ in 0..2 {
        lab.test.clock.advance(Duration::from_secs(60));
        lab.pharmacy.round().await.unwrap();
    }
    let text = String::from_utf8(logs.0.lock().unwrap().clone()).unwrap();
    assert!(!text.is_empty(), "something is logged");
    let ours: Vec<&str> = text.lines().filter(|line| line.contains("commerce")).collect();
    assert!(!ours.is_empty(), "and by us");
    for secret in [PATIENT, OTHER, STREET, "Demo Patient", "secret-dosage", "secret-advice", &prescription] {
        let found = ours.iter().find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret}: {found:?}");
    }
}
