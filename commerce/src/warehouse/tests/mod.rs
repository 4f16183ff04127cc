//! The warehouse over its HTTP stack, with a courier that can be down and a clock that the test moves.

mod contract;
mod flow;
mod random;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::State as Held;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::post;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::{Warehouse, WarehouseSettings, open};
use crate::actor::Actor;
use crate::auth::{Grant, Scope};
use crate::clock::{Clock, Timestamp};
use crate::context::Context;
use crate::event::{Event, Handler, read};
use crate::http::{KEY_HEADER, Streams};
use crate::id::new_uuid;
use crate::settings::LimitSettings;
use crate::stack::Edge;
use crate::store::StoreError;

/// A courier that keeps what it was asked for by key, as the real one does.
#[derive(Debug, Clone, Default)]
struct Courier {
    booked: Arc<Mutex<BTreeMap<String, Value>>>,
    /// What it answers instead, if it does not book.
    refuses: Arc<Mutex<Option<StatusCode>>>,
    /// Whether it books but its answer is lost on the way.
    mumbles: Arc<Mutex<bool>>,
}

async fn book(
    Held(courier): Held<Courier>,
    headers: HeaderMap,
    axum::Json(wish): axum::Json<Value>,
) -> (StatusCode, axum::Json<Value>) {
    if let Some(status) = *courier.refuses.lock().unwrap() {
        return (status, axum::Json(json!({ "type": "urn:efir:problem:x", "title": "no", "status": status.as_u16() })));
    }
    let key = headers[KEY_HEADER].to_str().unwrap().to_owned();
    let mut booked = courier.booked.lock().unwrap();
    let number = format!("EF{:06}", booked.len() + 1);
    let parcel =
        booked.entry(key).or_insert_with(|| json!({ "number": number, "reference": wish["reference"], "wish": wish }));
    let status = if *courier.mumbles.lock().unwrap() { StatusCode::BAD_GATEWAY } else { StatusCode::CREATED };
    (status, axum::Json(parcel.clone()))
}

struct World {
    warehouse: Warehouse,
    context: Context,
    router: Router,
    courier: Courier,
    _folder: TempDir,
}

impl Drop for World {
    fn drop(&mut self) {
        self.context.peers.unbind();
    }
}

async fn world(auto_ms: u64) -> World {
    let folder = TempDir::new().unwrap();
    let storage = crate::store::test_storage(&folder);
    let clock = Clock::manual(Timestamp(1_795_420_800_000));
    let context = crate::test::context(storage, folder.path(), clock, false, false).await;
    let settings = WarehouseSettings { auto_ms, ..WarehouseSettings::default() };
    let warehouse = open(&context, &settings).await.unwrap();
    let streams = Streams::new(8, context.shutdown.clone());
    let limit = LimitSettings { rate: 0, ..LimitSettings::default() };
    let edge = Edge::new(context.authority.clone(), context.faults.clone(), streams, limit);
    let (router, _) = edge.wrap("/api/v1/warehouse", Some(Actor::Warehouse), warehouse.routes());
    let courier = Courier::default();
    let world = World { warehouse, context, router, courier, _folder: folder };
    world.courier_up();
    world
}

impl World {
    fn courier_up(&self) {
        let router = Router::new().route("/api/v1/courier/parcels", post(book)).with_state(self.courier.clone());
        self.context.peers.bind_here(Actor::Courier, router);
    }

    fn bookings(&self) -> usize {
        self.courier.booked.lock().unwrap().len()
    }

    /// Sends with a token of these scopes.
    async fn send(
        &self,
        scopes: &[Scope],
        method: Method,
        path: &str,
        key: &str,
        body: Option<&Value>,
    ) -> (StatusCode, Vec<u8>) {
        // Made anew each time: the clock of the test leaps over the life of a cached one.
        let scopes = scopes.iter().copied().collect();
        let ttl = Duration::from_secs(60);
        let grant = Grant { subject: "reseller", actor: None, audience: &[Actor::Warehouse], scopes, ttl };
        let token = self.context.authority.issue(&grant).unwrap();
        let mut request = Request::builder()
            .method(method)
            .uri(format!("/api/v1/warehouse{path}"))
            .header("authorization", format!("Bearer {token}"));
        if body.is_some() {
            request = request.header("content-type", "application/json").header(KEY_HEADER, key);
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        let response = self.router.clone().oneshot(request.body(body).unwrap()).await.unwrap();
        let status = response.status();
        (status, response.into_body().collect().await.unwrap().to_bytes().to_vec())
    }

    async fn post_as(&self, key: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        let scopes = [Scope::StockRead, Scope::StockWrite];
        let (status, body) = self.send(&scopes, Method::POST, path, key, Some(body)).await;
        (status, serde_json::from_slice(&body).unwrap())
    }

    async fn post(&self, path: &str, body: &Value) -> (StatusCode, Value) {
        self.post_as(&new_uuid(), path, body).await
    }

    /// A POST that must succeed.
    async fn done(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.post(path, body).await;
        assert!(status.is_success(), "{path}: {status} {answer}");
        answer
    }

    async fn raw(&self, path: &str) -> (StatusCode, Vec<u8>) {
        self.send(&[Scope::StockRead, Scope::StockWrite, Scope::EventsRead], Method::GET, path, "", None).await
    }

    async fn get(&self, path: &str) -> Value {
        let (status, body) = self.raw(path).await;
        assert_eq!(status, StatusCode::OK, "{path}: {}", String::from_utf8_lossy(&body));
        serde_json::from_slice(&body).unwrap()
    }

    /// Goods come in under a delivery note of their own.
    async fn stock(&self, lines: &[Value]) -> Value {
        self.done("/receipts", &json!({ "reference": new_uuid(), "lines": lines })).await
    }

    /// An order for a parcel.
    async fn order(&self, lines: &[(&str, i64)]) -> Value {
        self.done("/shipments", &shipment(lines)).await
    }

    async fn state(&self, shipment: &Value) -> String {
        self.get(&format!("/shipments/{}", id(shipment))).await["state"].as_str().unwrap().to_owned()
    }

    async fn step(&self, shipment: &Value, step: &str) -> Value {
        self.done(&format!("/shipments/{}/{step}", id(shipment)), &json!({})).await
    }

    /// Every balance must be what the ledger and the shipments say.
    async fn holds(&self) {
        let audit = self.get("/audit").await;
        assert_eq!(audit["whole"], true, "{audit}");
    }

    /// Kinds of the events so far.
    async fn events(&self) -> Vec<String> {
        read(&self.warehouse.database, 0, 500).await.unwrap().into_iter().map(|event| event.kind).collect()
    }

    /// The courier tells of a parcel.
    async fn tell(&self, kind: &str, number: &str, reference: &str) {
        let data = json!({ "number": number, "reference": reference, "state": "x" });
        let event = Event {
            seq: 1,
            id: new_uuid(),
            kind: kind.to_owned(),
            subject: number.to_owned(),
            at: self.context.clock.now(),
            data: serde_json::value::to_raw_value(&data).unwrap(),
        };
        let write = self.warehouse.database.write::<_, StoreError, _>(None, move |tx| {
            Box::pin(async move { super::courier::Follower.handle(tx, &event).await })
        });
        write.await.unwrap();
    }

    async fn pass(&self, seconds: u64) {
        self.context.clock.advance(Duration::from_secs(seconds));
        self.warehouse.round().await.unwrap();
    }
}

fn id(thing: &Value) -> &str {
    thing["id"].as_str().unwrap()
}

fn line(item: &str, quantity: i64) -> Value {
    json!({ "item": item, "name": "Thing", "quantity": quantity, "weight_g": 500, "volume_ml": 1000 })
}

/// Goods of a lot that expires so many days after the test begins.
fn fresh(item: &str, quantity: i64, lot: &str, days: i64) -> Value {
    let end = Timestamp(1_795_420_800_000 + days * 86_400_000);
    json!({ "item": item, "name": "Milk", "quantity": quantity, "lot": lot, "expires_at": end.to_string(),
        "weight_g": 1030, "volume_ml": 1000, "cold_chain": true })
}

fn shipment(lines: &[(&str, i64)]) -> Value {
    let lines: Vec<_> = lines.iter().map(|(item, quantity)| json!({ "item": item, "quantity": quantity })).collect();
    let to = json!({ "name": "Äiti Иванова", "street": "Kotikatu 1", "postcode": "00100", "city": "Helsinki", "country": "FI" });
    json!({ "reference": "order-1", "deliver_to": to, "lines": lines, "value": { "minor": 1999, "currency": "EUR" } })
}
