//! Couriers and carriers together, over their HTTP stacks, with a clock that the test moves.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use standardwebhooks::Webhook;
use tempfile::TempDir;
use tower::ServiceExt;

use super::request::tests::{address, request};
use super::{Courier, CourierSettings, store};
use crate::actor::Actor;
use crate::auth::Scope;
use crate::carrier::{Carrier, CarrierSettings};
use crate::clock::{Clock, Timestamp};
use crate::context::Context;
use crate::fault::Fault;
use crate::http::Streams;
use crate::settings::CommerceSettings;
use crate::stack::Edge;
use crate::store::args;

/// How much faster than real the carriers of these tests are: a parcel takes some 40 s of the test's clock.
const SPEED: u32 = 1800;

struct World {
    context: Context,
    courier: Courier,
    carrier: Carrier,
    router: Router,
    carriers: Router,
    _folder: TempDir,
}

async fn world(settings: CarrierSettings) -> World {
    let folder = TempDir::new().unwrap();
    let storage = crate::store::test_storage(&folder);
    // 10:00 in Helsinki.
    let clock = Clock::manual(Timestamp(1_795_420_800_000));
    let context = crate::test::context(storage, folder.path(), clock, false, false).await;
    let courier = Courier::open(&context, &CourierSettings::default()).await.unwrap();
    let carrier = Carrier::open(&context, &settings).await.unwrap();
    let streams = Streams::new(8, context.shutdown.clone());
    let edge = Edge::new(context.authority.clone(), context.faults.clone(), streams, CommerceSettings::default().limit);
    let (router, _) = edge.wrap("/api/v1/courier", Some(Actor::Courier), courier.routes());
    let (carriers, _) = edge.wrap("/api/v1/carrier", Some(Actor::Carrier), carrier.routes());
    context.peers.bind_here(Actor::Courier, router.clone());
    context.peers.bind_here(Actor::Carrier, carriers.clone());
    World { context, courier, carrier, router, carriers, _folder: folder }
}

impl Drop for World {
    fn drop(&mut self) {
        self.context.peers.unbind();
    }
}

impl World {
    fn token(&self, from: Actor) -> String {
        let scopes = [Scope::ParcelWrite, Scope::RoutePlan];
        self.context.authority.service_token(from, Actor::Courier, &scopes, None).unwrap().to_string()
    }

    async fn send(&self, request: Request<Body>) -> (StatusCode, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_else(|_| String::from_utf8_lossy(&body).into_owned().into()))
    }

    async fn post(&self, path: &str, key: &str, body: &Value) -> (StatusCode, Value) {
        let request = Request::post(format!("/api/v1/courier{path}"))
            .header("authorization", format!("Bearer {}", self.token(Actor::Warehouse)))
            .header("idempotency-key", key)
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// As a stranger.
    async fn look(&self, path: &str) -> (StatusCode, Value) {
        self.send(Request::get(format!("/api/v1/courier{path}")).body(Body::empty()).unwrap()).await
    }

    async fn staff(&self, method: Method, path: &str) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(format!("/api/v1/courier{path}"));
        let token = format!("Bearer {}", self.token(Actor::Warehouse));
        self.send(request.header("authorization", token).body(Body::empty()).unwrap()).await
    }

    async fn book(&self, reference: &str) -> Value {
        let body = serde_json::to_value(request(reference, false)).unwrap();
        let (status, parcel) = self.post("/parcels", reference, &body).await;
        assert_eq!(status, StatusCode::CREATED, "{parcel}");
        parcel
    }

    async fn state(&self, parcel: &Value) -> String {
        let (_, now) = self.look(&format!("/parcels/{}", parcel["number"].as_str().unwrap())).await;
        now["state"].as_str().unwrap().to_owned()
    }

    /// So many seconds, in which everybody does what is due.
    async fn pass(&self, seconds: u64) {
        for _ in 0..seconds {
            self.context.clock.advance(Duration::from_secs(1));
            self.carrier.turn().await.unwrap();
            self.courier.turn().await.unwrap();
        }
    }

    fn fault(&self, name: &str) {
        self.context.faults.set(BTreeMap::from([(name.to_owned(), Fault::default())]));
    }

    async fn events(&self) -> Vec<String> {
        let select = "SELECT kind FROM outbox WHERE kind LIKE 'parcel.%' ORDER BY seq";
        let rows = self.courier.database.rows(select, args![]).await.unwrap();
        rows.iter().map(|row| row.text(0).unwrap().to_owned()).collect()
    }

    /// A report as the carrier would send it, or somebody who would like to be one.
    async fn report(&self, secret: &str, carrier: &str, id: &str, at: Timestamp, body: &Value) -> StatusCode {
        let (seconds, body) = (at.0 / 1000, body.to_string());
        let signature = Webhook::new(secret).unwrap().sign(id, seconds, body.as_bytes()).unwrap();
        let request = Request::post(format!("/api/v1/courier/webhooks/{carrier}"))
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds.to_string())
            .header("webhook-signature", signature)
            .header("content-type", "application/json");
        self.send(request.body(Body::from(body)).unwrap()).await.0
    }
}

fn quick() -> CarrierSettings {
    CarrierSettings { speed: SPEED, ..CarrierSettings::default() }
}

fn number(parcel: &Value) -> &str {
    parcel["number"].as_str().unwrap()
}

#[tokio::test]
async fn a_parcel_goes_to_the_door() {
    let world = world(quick()).await;
    let parcel = world.book("order-1").await;
    assert_eq!((parcel["state"].as_str(), parcel["carrier"].as_str()), (Some("booked"), Some("steady-vans")));
    assert!(parcel["cost"]["minor"].as_i64().unwrap() > 0 && parcel["eta"].is_string());
    world.pass(45).await;
    let (_, parcel) = world.staff(Method::GET, &format!("/parcels/{}", number(&parcel))).await;
    assert_eq!(parcel["state"], "delivered");
    let all =
        ["booked", "accepted", "in_transit", "out_for_delivery", "delivered"].map(|state| format!("parcel.{state}"));
    assert_eq!(world.events().await, all);
    assert_eq!(parcel["history"].as_array().unwrap().len(), 6);
    assert_eq!(parcel["history"][2]["place"], "Vantaa hub");
    // Nothing is left to do.
    assert_eq!(store::next(&world.courier.database).await.unwrap(), None);
}

#[tokio::test]
async fn the_same_reference_is_booked_once() {
    let world = world(quick()).await;
    let first = world.book("order-1").await;
    let mut body = serde_json::to_value(request("order-1", false)).unwrap();
    let (status, again) = world.post("/parcels", "another key", &body).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{again}");
    let (status, again) = world.post("/parcels", "another-key", &body).await;
    assert_eq!((status, number(&again)), (StatusCode::CREATED, number(&first)));
    body["weight_g"] = json!(1);
    let (status, problem) = world.post("/parcels", "third-key", &body).await;
    assert_eq!((status, problem["errors"][0]["pointer"].as_str()), (StatusCode::CONFLICT, Some("/reference")));
    let (status, _) = world.post("/parcels", "another-key", &body).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.events().await, ["parcel.booked"]);
}

#[tokio::test]
async fn a_carrier_that_is_down_gets_it_later_and_once() {
    let world = world(quick()).await;
    world.context.peers.unbind();
    let parcel = world.book("order-1").await;
    assert_eq!((parcel["state"].as_str(), parcel["carrier"].as_str()), (Some("booked"), Some("")));
    world.pass(3).await;
    world.context.peers.bind_here(Actor::Carrier, world.carriers.clone());
    // Whoever failed several times is left alone for a moment of real time.
    for _ in 0..50 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        world.context.clock.advance(Duration::from_secs(1));
        world.courier.turn().await.unwrap();
        world.courier.turn().await.unwrap();
    }
    let (_, parcel) = world.staff(Method::GET, &format!("/parcels/{}", number(&parcel))).await;
    assert_eq!(parcel["carrier"], "steady-vans");
    world.context.peers.bind_here(Actor::Courier, world.router.clone());
    world.pass(45).await;
    assert_eq!(world.state(&parcel).await, "delivered");
    assert_eq!(world.events().await.iter().filter(|kind| *kind == "parcel.accepted").count(), 1);
}

#[tokio::test]
async fn forged_old_and_repeated_reports_change_nothing() {
    let world = world(quick()).await;
    let parcel = world.book("order-1").await;
    let secret = store::known_secret(&world.courier.database, "steady-vans").await.unwrap().unwrap();
    let now = world.context.clock.now();
    let report = json!({"reference": number(&parcel), "carrier": "steady-vans", "milestone": "handed_over", "at": now});
    let other = crate::webhook::new_secret().unwrap();
    let refused = StatusCode::UNAUTHORIZED;
    assert_eq!(world.report(&other, "steady-vans", "a", now, &report).await, refused);
    assert_eq!(world.report(&secret, "swift-vans", "a", now, &report).await, refused);
    assert_eq!(world.report(&secret, "nobody", "a", now, &report).await, refused);
    let old = now.before(Duration::from_secs(301));
    assert_eq!(world.report(&secret, "steady-vans", "a", old, &report).await, refused);
    let mut stranger = report.clone();
    stranger["reference"] = json!("EF00000000000000");
    assert_eq!(world.report(&secret, "steady-vans", "a", now, &stranger).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.report(&secret, "steady-vans", "a", now, &json!({})).await, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(world.state(&parcel).await, "booked");
    // The right one, twice, and another with the same id.
    for milestone in ["sorted", "sorted", "handed_over"] {
        let mut report = report.clone();
        report["milestone"] = json!(milestone);
        assert_eq!(world.report(&secret, "steady-vans", "a", now, &report).await, StatusCode::NO_CONTENT);
    }
    assert_eq!(world.state(&parcel).await, "in_transit");
    assert_eq!(world.events().await, ["parcel.booked", "parcel.in_transit"]);
}

#[tokio::test]
async fn lost_late_and_returned() {
    let world = world(CarrierSettings { return_percent: 100, ..quick() }).await;
    let back = world.book("back").await;
    world.pass(60).await;
    assert_eq!(world.state(&back).await, "returned");
    world.fault("carrier.delay");
    let late = world.book("late").await;
    world.pass(15).await;
    assert_eq!(world.state(&late).await, "delayed");
    world.fault("carrier.lost");
    let lost = world.book("lost").await;
    world.pass(15).await;
    assert_eq!(world.state(&lost).await, "lost");
    world.context.faults.set(BTreeMap::new());
    assert_eq!(world.state(&late).await, "lost");
}

#[tokio::test]
async fn silence_is_asked_about_and_then_means_lost() {
    let world = world(quick()).await;
    let parcel = world.book("order-1").await;
    // The carrier moves, but its reports do not arrive.
    world.context.peers.unbind();
    for _ in 0..13 {
        world.context.clock.advance(Duration::from_secs(1));
        world.carrier.turn().await.unwrap();
    }
    assert_eq!(world.state(&parcel).await, "booked");
    world.context.peers.bind_here(Actor::Carrier, world.carriers.clone());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    world.courier.turn().await.unwrap();
    assert_eq!(world.state(&parcel).await, "in_transit");
    // Then nobody hears anything any more: 120 hours of the carrier's are 240 s.
    for _ in 0..25 {
        world.context.clock.advance(Duration::from_secs(12));
        world.courier.turn().await.unwrap();
    }
    assert_eq!(world.state(&parcel).await, "lost");
    let events = world.events().await;
    assert_eq!(events.iter().filter(|kind| *kind == "parcel.lost").count(), 1, "{events:?}");
}

#[tokio::test]
async fn stopped_in_time_or_too_late() {
    let world = world(quick()).await;
    let parcel = world.book("early").await;
    let path = format!("/parcels/{}/cancel", number(&parcel));
    let (status, stopped) = world.post(&path, "stop-1", &json!({})).await;
    assert_eq!((status, stopped["state"].as_str()), (StatusCode::OK, Some("cancelled")), "{stopped}");
    let late = world.book("late").await;
    world.pass(15).await;
    let (status, _) = world.post(&format!("/parcels/{}/cancel", number(&late)), "stop-2", &json!({})).await;
    assert_eq!(status, StatusCode::CONFLICT);
    world.pass(45).await;
    assert_eq!((world.state(&parcel).await.as_str(), world.state(&late).await.as_str()), ("cancelled", "delivered"));
    // Somebody else's parcel is none.
    let request = Request::post(format!("/api/v1/courier/parcels/{}/cancel", number(&late)))
        .header("authorization", format!("Bearer {}", world.token(Actor::Pharmacy)))
        .header("idempotency-key", "x");
    assert_eq!(world.send(request.body(Body::empty()).unwrap()).await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn strangers_see_the_way_and_nobody_s_name() {
    let world = world(quick()).await;
    let parcel = world.book("order-1").await;
    let secret = store::known_secret(&world.courier.database, "steady-vans").await.unwrap().unwrap();
    let now = world.context.clock.now();
    let report = json!({"reference": number(&parcel), "carrier": "steady-vans", "milestone": "sorted", "at": now,
        "place": "Hidden street 7 B 12", "detail": "given to Secret Person"});
    assert_eq!(world.report(&secret, "steady-vans", "b", now, &report).await, StatusCode::NO_CONTENT);
    let (status, seen) = world.look(&format!("/parcels/{}", number(&parcel))).await;
    assert_eq!((status, seen["state"].as_str()), (StatusCode::OK, Some("in_transit")));
    let text = seen.to_string();
    let to = address("00530");
    for secret in
        [to.name.as_str(), to.street.as_str(), &to.postcode, "Secret", "Hidden", "order-1", "cost", "reference"]
    {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let (status, _) = world.look("/parcels/EF00000000000000").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    // Spoken numbers are fine.
    let spoken = number(&parcel).to_lowercase();
    assert_eq!(world.look(&format!("/parcels/{spoken}")).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_parcel_is_followed_live() {
    let world = world(quick()).await;
    let parcel = world.book("order-1").await;
    let path = format!("/api/v1/courier/parcels/{}/events", number(&parcel));
    let response = world.router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    let mut text = String::new();
    let mut moving = 0;
    while let Ok(Some(Ok(frame))) = tokio::time::timeout(Duration::from_secs(10), body.frame()).await {
        text.push_str(&String::from_utf8_lossy(&frame.into_data().unwrap_or_default()));
        if moving < 2 && text.contains("booked") {
            moving += 1;
            world.pass(45).await;
        }
    }
    // The stream ends with the parcel's way.
    assert!(text.contains("\"state\":\"delivered\"") && text.contains("event: parcel"), "{text}");
    assert!(!text.contains("Secret") && !text.contains("order-1"));
}

#[tokio::test]
async fn bad_input_is_refused() {
    let world = world(quick()).await;
    let good = serde_json::to_value(request("order-1", false)).unwrap();
    for (pointer, value) in [
        ("weight_g", json!(-1)),
        ("volume_ml", json!(0)),
        ("reference", json!("")),
        ("surprise", json!(1)),
        ("value", json!({"minor": -5, "currency": "EUR"})),
        ("window", json!({"from": "2026-11-23T10:00:00Z", "to": "2026-11-23T09:00:00Z"})),
    ] {
        let mut body = good.clone();
        body[pointer] = value;
        let (status, problem) = world.post("/parcels", pointer, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{pointer}: {problem}");
    }
    // Nobody carries a ton.
    let mut heavy = good.clone();
    heavy["weight_g"] = json!(1_000_000);
    let (_, parcel) = world.post("/parcels", "heavy", &heavy).await;
    assert_eq!(parcel["state"], "cancelled");
    let request =
        Request::post("/api/v1/courier/parcels").header("idempotency-key", "x").body(Body::from(good.to_string()));
    assert_eq!(world.send(request.unwrap()).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.look("/routes/2026-11-23").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.look("/routes/2026-11-23/map.svg").await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(world.staff(Method::GET, "/routes/yesterday").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(world.staff(Method::GET, "/routes/2020-01-01").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn routes_are_planned_driven_and_shown() {
    let world = world(quick()).await;
    let mut parcels = Vec::new();
    for (place, postcode) in ["00530", "00100", "02100", "01300", "00980", "00700"].into_iter().enumerate() {
        let mut body = serde_json::to_value(request(&format!("order-{place}"), place == 3)).unwrap();
        body["to"]["postcode"] = json!(postcode);
        parcels.push(world.post("/parcels", &format!("key-{place}"), &body).await.1);
    }
    let mut far = serde_json::to_value(request("far", false)).unwrap();
    far["to"]["postcode"] = json!("99999");
    world.post("/parcels", "far", &far).await;
    world.courier.plans().await.unwrap();
    let date = super::calendar::Date::at(world.context.clock.now()).to_string();
    let (status, routes) = world.staff(Method::GET, &format!("/routes/{date}")).await;
    assert_eq!(status, StatusCode::OK, "{routes}");
    let visits = |routes: &Value, part: &str| -> Vec<String> {
        let tours = routes[part].as_array().unwrap().iter();
        tours
            .flat_map(|tour| tour["visits"].as_array().unwrap())
            .map(|visit| visit["parcel"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(visits(&routes, "planned").len(), 6, "{routes}");
    assert_eq!(routes["unassigned"][0]["reason"], "outside of where the vans go");
    let cold = routes["planned"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tour| tour["van"].as_str().unwrap().starts_with("cold-line"));
    assert_eq!(cold.unwrap()["visits"][0]["parcel"], parcels[3]["number"]);
    // Doors are visited in the order of the plan.
    let order: Vec<String> = routes["planned"]
        .as_array()
        .unwrap()
        .iter()
        .find(|tour| tour["van"].as_str().unwrap().starts_with("steady"))
        .unwrap()["visits"]
        .as_array()
        .unwrap()
        .iter()
        .map(|visit| visit["parcel"].as_str().unwrap().to_owned())
        .collect();
    world.pass(60).await;
    let mut delivered = Vec::new();
    for number in &order {
        let (_, seen) = world.look(&format!("/parcels/{number}")).await;
        let last = seen["history"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(last["state"], "delivered");
        let at: Timestamp = serde_json::from_value(last["at"].clone()).unwrap();
        delivered.push((at, number.clone()));
    }
    delivered.sort();
    let delivered: Vec<String> = delivered.into_iter().map(|(_, number)| number).collect();
    assert_eq!(delivered, order);
    // What is delivered stays, whatever breaks down.
    let before = visits(&routes, "planned");
    let (status, _) = world.post(&format!("/routes/{date}/vans/no-such-van/down"), "down-1", &json!({})).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, after) = world.post(&format!("/routes/{date}/vans/steady-1/down"), "down-2", &json!({})).await;
    assert_eq!(status, StatusCode::OK, "{after}");
    let mut stayed = visits(&after, "under_way");
    let mut all = before.clone();
    stayed.sort();
    all.sort();
    assert_eq!((stayed, after["visited"].as_array().unwrap().len()), (all, 6));
    let (status, svg) = world.staff(Method::GET, &format!("/routes/{date}/map.svg?theme=dark")).await;
    let svg = svg.as_str().unwrap();
    assert!(
        status == StatusCode::OK
            && svg.contains("steady-1")
            && before.iter().all(|number| !svg.contains(number.as_str()))
    );
}
