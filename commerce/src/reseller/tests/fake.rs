//! Shops, a warehouse and a courier that keep the contract, and go wrong at one chosen request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::clock::Timestamp;
use crate::context::Actor;
use crate::peer::Peers;
use crate::problem::Problem;

/// What goes wrong at the chosen request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The service is down for this and the next few requests to it.
    Down,
    /// It does what it was asked, but the answer is lost.
    AnswerLost,
    /// It refuses.
    Refuse,
    /// The reseller dies before the request arrives.
    CrashBefore,
    /// The reseller dies when the request was done.
    CrashAfter,
}

pub(super) const TROUBLES: [Trouble; 5] =
    [Trouble::Down, Trouble::AnswerLost, Trouble::Refuse, Trouble::CrashBefore, Trouble::CrashAfter];

#[derive(Debug, Default)]
pub(super) struct Inner {
    /// Orders, shipments, parcels by actor and id.
    pub(super) things: BTreeMap<(Actor, String), Value>,
    /// First answers by actor and idempotency key.
    answers: BTreeMap<(Actor, String), Value>,
    events: BTreeMap<Actor, Vec<Value>>,
    /// Offers by shop and code: cost, available, GTIN.
    pub(super) offers: BTreeMap<(Actor, String), (i64, i64, Option<String>)>,
    /// What shipping costs at a shop.
    pub(super) shipping: BTreeMap<Actor, i64>,
    /// Posts that have arrived so far.
    pub(super) posts: Vec<String>,
    /// Which post goes wrong, and how.
    pub(super) trouble: Option<(usize, Trouble)>,
    /// Requests that are still to fail.
    down: usize,
    /// Shops that answer holds with a shortage.
    pub(super) sold_out: Vec<Actor>,
    /// How the next parcel ends.
    pub(super) parcel_end: Option<&'static str>,
    /// Whether the pharmacist advises by himself.
    pub(super) advises: bool,
    changes: i64,
}

/// All of them. Clones are the same.
#[derive(Debug, Clone)]
pub(super) struct Fakes {
    inner: Arc<Mutex<Inner>>,
    /// Told when the reseller is to die.
    pub(super) crash: Arc<Notify>,
}

type Fake = (Fakes, Actor);

impl Fakes {
    pub(super) fn new(peers: &Peers) -> Self {
        let inner = Inner { advises: true, parcel_end: Some("delivered"), ..Inner::default() };
        let fakes = Self { inner: Arc::new(Mutex::new(inner)), crash: Arc::new(Notify::new()) };
        for actor in [Actor::Grocery, Actor::Furniture, Actor::Pharmacy, Actor::Warehouse, Actor::Courier] {
            let routes = Router::new()
                .route("/terms", get(terms))
                .route("/offers", get(offers))
                .route("/products", get(products))
                .route("/products/{sku}", get(product))
                .route("/orders", post(place))
                .route("/receipts", post(receipt))
                .route("/shipments", post(ship))
                .route("/{kind}/{id}", get(thing))
                .route("/{kind}/{id}/{step}", post(step))
                .route("/events", get(events))
                .with_state((fakes.clone(), actor));
            peers.bind_here(actor, Router::new().nest(&format!("/api/v1/{actor}"), routes));
        }
        fakes
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap()
    }

    pub(super) fn offer(&self, shop: Actor, sku: &str, cost: i64, available: i64, gtin: Option<&str>) {
        self.lock().offers.insert((shop, sku.to_owned()), (cost, available, gtin.map(str::to_owned)));
    }

    /// What happens by itself: advice, dispatch, parcels on their way. Until dropped.
    pub(super) async fn nature(self) {
        loop {
            tokio::time::sleep(Duration::from_millis(15)).await;
            self.lock().turn();
        }
    }

    /// Does a post once per key, or goes wrong.
    async fn act(
        &self,
        actor: Actor,
        path: String,
        headers: &HeaderMap,
        work: impl FnOnce(&mut Inner) -> Result<Value, Problem>,
    ) -> Response {
        let key = headers["idempotency-key"].to_str().unwrap().to_owned();
        let trouble = {
            let mut inner = self.lock();
            inner.posts.push(format!("{actor}{path} {key}"));
            let number = inner.posts.len() - 1;
            inner.trouble.filter(|(at, _)| *at == number).map(|(_, trouble)| trouble)
        };
        match trouble {
            Some(Trouble::Down) => self.lock().down = 4,
            Some(Trouble::Refuse) => return Problem::conflict("the shop says no").into_response(),
            Some(Trouble::CrashBefore) => return self.die().await,
            _ => {}
        }
        {
            let mut inner = self.lock();
            if inner.down > 0 {
                inner.down -= 1;
                return StatusCode::SERVICE_UNAVAILABLE.into_response();
            }
        }
        let done = {
            let mut inner = self.lock();
            match inner.answers.get(&(actor, key.clone())) {
                Some(answer) => Ok(answer.clone()),
                None => work(&mut inner).inspect(|answer| {
                    inner.answers.insert((actor, key), answer.clone());
                }),
            }
        };
        match trouble {
            Some(Trouble::AnswerLost) => StatusCode::BAD_GATEWAY.into_response(),
            Some(Trouble::CrashAfter) => self.die().await,
            _ => {
                done.map_or_else(IntoResponse::into_response, |done| (StatusCode::CREATED, Json(done)).into_response())
            }
        }
    }

    async fn die(&self) -> Response {
        self.crash.notify_one();
        std::future::pending().await
    }
}

impl Inner {
    fn tell(&mut self, actor: Actor, kind: &str, id: &str) {
        let data = self.things[&(actor, id.to_owned())].clone();
        let list = self.events.entry(actor).or_default();
        let seq = list.len() + 1;
        let at = Timestamp(0);
        // Everything is told twice.
        for id in [format!("{actor}-{seq}"), format!("{actor}-{seq}-again")] {
            list.push(json!({ "seq": list.len() + 1, "id": id, "kind": kind, "subject": data_id(&data), "at": at, "data": data }));
        }
    }

    fn set(&mut self, actor: Actor, id: &str, state: &str, kind: &str) {
        self.things.get_mut(&(actor, id.to_owned())).unwrap()["state"] = json!(state);
        self.tell(actor, &format!("{kind}.{state}"), id);
    }

    fn turn(&mut self) {
        let all: Vec<(Actor, String, String)> = self
            .things
            .iter()
            .map(|((actor, id), thing)| (*actor, id.clone(), thing["state"].as_str().unwrap_or_default().to_owned()))
            .collect();
        for (actor, id, state) in all {
            match (actor, state.as_str()) {
                (Actor::Pharmacy, "advice") if self.advises => self.set(actor, &id, "advised", "order"),
                (Actor::Pharmacy, "confirmed") => {
                    self.set(actor, &id, "dispatched", "order");
                    self.parcel(&id);
                }
                (Actor::Grocery | Actor::Furniture, "confirmed") => self.set(actor, &id, "dispatched", "order"),
                (Actor::Warehouse, "reserved") => {
                    let number = self.parcel(&id);
                    self.things.get_mut(&(actor, id.clone())).unwrap()["parcel"] = json!(number);
                    self.set(actor, &id, "shipped", "shipment");
                }
                (Actor::Courier, "in_transit") => {
                    let Some(end) = self.parcel_end else { continue };
                    self.set(actor, &id, end, "parcel");
                    let shipment = self.things[&(actor, id)]["reference"].as_str().unwrap().to_owned();
                    if self.things.contains_key(&(Actor::Warehouse, shipment.clone())) {
                        self.set(Actor::Warehouse, &shipment, end, "shipment");
                    }
                }
                _ => {}
            }
        }
    }

    fn parcel(&mut self, reference: &str) -> String {
        let number = format!("P{}", self.things.len());
        let parcel = json!({ "number": number, "reference": reference, "state": "in_transit" });
        self.things.insert((Actor::Courier, number.clone()), parcel);
        self.tell(Actor::Courier, "parcel.in_transit", &number);
        number
    }
}

fn data_id(data: &Value) -> Value {
    if data["id"].is_null() { data["number"].clone() } else { data["id"].clone() }
}

async fn terms(State((fakes, actor)): State<Fake>) -> Json<Value> {
    let fee = fakes.lock().shipping.get(&actor).copied().unwrap_or(490);
    Json(
        json!({ "seller": format!("Demo {actor}"), "shipping": { "minor": fee, "currency": "EUR" }, "order_ttl_s": 600 }),
    )
}

fn view(actor: Actor, sku: &str, (cost, available, gtin): &(i64, i64, Option<String>), change: i64) -> Value {
    json!({
        "sku": sku, "gtin": gtin, "name": { "en": format!("Demo {sku}") }, "category": "demo",
        "price": { "minor": cost, "currency": "EUR" }, "vat_rate": 2550, "available": available,
        "weight_g": 1000, "volume_ml": 1000, "cold_chain": false, "restricted": actor == Actor::Grocery, "change": change,
    })
}

async fn offers(State((fakes, actor)): State<Fake>) -> Json<Value> {
    let mut inner = fakes.lock();
    inner.changes += 1;
    let change = inner.changes;
    let own = inner.offers.iter().filter(|((shop, _), _)| *shop == actor);
    let offers: Vec<Value> = own.map(|((_, sku), offer)| view(actor, sku, offer, change)).collect();
    Json(json!({ "offers": offers, "next": change, "more": false }))
}

async fn products(State((fakes, actor)): State<Fake>) -> Json<Value> {
    let inner = fakes.lock();
    let own = inner.offers.iter().filter(|((shop, _), _)| *shop == actor);
    let items: Vec<Value> = own.map(|((_, sku), offer)| named(view(actor, sku, offer, 0))).collect();
    Json(json!({ "items": items, "next": null }))
}

fn named(mut product: Value) -> Value {
    product["name"] = product["name"]["en"].clone();
    product
}

async fn product(State((fakes, actor)): State<Fake>, Path(sku): Path<String>) -> Response {
    let inner = fakes.lock();
    match inner.offers.get(&(actor, sku.clone())) {
        Some(offer) => Json(named(view(actor, &sku, offer, 0))).into_response(),
        None => Problem::not_found("no such product").into_response(),
    }
}

async fn place(State((fakes, actor)): State<Fake>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let work = |inner: &mut Inner| {
        if inner.sold_out.contains(&actor) {
            return Err(Problem::out_of_stock("sold out"));
        }
        let lines = body["lines"].as_array().unwrap();
        let mut total = 0;
        for line in lines {
            let sku = line["sku"].as_str().unwrap().to_owned();
            let (cost, available, _) = inner.offers.get_mut(&(actor, sku)).unwrap();
            let quantity = line["quantity"].as_i64().unwrap();
            if quantity > *available {
                return Err(Problem::out_of_stock("sold out"));
            }
            *available -= quantity;
            total += *cost * quantity;
        }
        let advice = lines.iter().any(|line| !line["prescription"].is_null());
        let id = crate::id::new_uuid();
        let order = json!({
            "id": id, "seller": format!("Demo {actor}"), "state": if advice { "advice" } else { "reserved" },
            "total": { "minor": total, "currency": "EUR" }, "expires_at": Timestamp(4_000_000_000_000),
            "reference": body["reference"],
        });
        inner.things.insert((actor, id.clone()), order.clone());
        inner.tell(actor, "order.reserved", &id);
        Ok(order)
    };
    fakes.act(actor, "/orders".to_owned(), &headers, work).await
}

async fn receipt(State((fakes, actor)): State<Fake>, headers: HeaderMap, Json(_): Json<Value>) -> Response {
    fakes.act(actor, "/receipts".to_owned(), &headers, |_| Ok(json!({ "id": "r" }))).await
}

async fn ship(State((fakes, actor)): State<Fake>, headers: HeaderMap, Json(body): Json<Value>) -> Response {
    let work = |inner: &mut Inner| {
        let id = crate::id::new_uuid();
        let shipment = json!({ "id": id, "reference": body["reference"], "state": "reserved", "lines": body["lines"] });
        inner.things.insert((actor, id.clone()), shipment.clone());
        inner.tell(actor, "shipment.reserved", &id);
        Ok(shipment)
    };
    fakes.act(actor, "/shipments".to_owned(), &headers, work).await
}

async fn thing(State((fakes, actor)): State<Fake>, Path((_, id)): Path<(String, String)>) -> Response {
    match fakes.lock().things.get(&(actor, id)) {
        Some(thing) => Json(thing.clone()).into_response(),
        None => Problem::not_found("no such thing").into_response(),
    }
}

async fn step(
    State((fakes, actor)): State<Fake>,
    Path((kind, id, step)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let work = |inner: &mut Inner| {
        let state = inner.things[&(actor, id.clone())]["state"].as_str().unwrap().to_owned();
        let next = match (step.as_str(), state.as_str()) {
            ("confirm", "reserved" | "advised") => "confirmed",
            ("cancel", "reserved" | "advice" | "advised" | "confirmed") => "cancelled",
            _ => return Err(Problem::conflict(format!("it is {state}"))),
        };
        inner.set(actor, &id, next, "order");
        Ok(inner.things[&(actor, id.clone())].clone())
    };
    fakes.act(actor, format!("/{kind}/{step}"), &headers, work).await
}

async fn events(State((fakes, actor)): State<Fake>, Query(query): Query<BTreeMap<String, String>>) -> Json<Value> {
    let after: usize = query["after"].parse().unwrap();
    let page = |inner: &Inner| -> Vec<Value> {
        inner.events.get(&actor).map_or_else(Vec::new, |list| list.iter().skip(after).cloned().collect())
    };
    let mut events = page(&fakes.lock());
    if events.is_empty() {
        tokio::time::sleep(Duration::from_millis(20)).await;
        events = page(&fakes.lock());
    }
    let next = after + events.len();
    Json(json!({ "events": events, "next": next }))
}
