//! The grocery over its HTTP stack, with a clock that the test moves.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use futures_util::future::join_all;
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tempfile::TempDir;
use tower::ServiceExt;

use super::Grocery;
use crate::actor::Actor;
use crate::auth::{Grant, Scope};
use crate::clock::{Clock, Timestamp};
use crate::context::Context;
use crate::http::Streams;
use crate::id::{OrderId, Sku};
use crate::language::Language;
use crate::settings::{CommerceSettings, LimitSettings};
use crate::shop::{NewLine, NewOrder, OrderState, Rejection, ShopSettings};
use crate::stack::Edge;

struct World {
    context: Context,
    grocery: Grocery,
    router: Router,
    keys: AtomicU64,
    _folder: TempDir,
}

/// Who asks.
#[derive(Clone, Copy)]
enum Who<'a> {
    Stranger,
    Plain(&'a str),
    Customer(&'a str),
    Staff,
}

const CUSTOMER: [Scope; 2] = [Scope::OrderWrite, Scope::CatalogRestricted];
const STAFF: [Scope; 3] = [Scope::CatalogWrite, Scope::OrderFulfil, Scope::OffersRead];

async fn world() -> World {
    let folder = TempDir::new().unwrap();
    let storage = crate::store::test_storage(&folder);
    let clock = Clock::manual(Timestamp(1_795_420_800_000));
    let context = crate::test::context(storage, folder.path(), clock, false, true).await;
    let settings = ShopSettings { waiting: 100_000, ..ShopSettings::default() };
    let grocery = Grocery::open(&context, &settings).await.unwrap();
    let streams = Streams::new(8, context.shutdown.clone());
    let limit = LimitSettings { rate: 0, ..CommerceSettings::default().limit };
    let edge = Edge::new(context.authority.clone(), context.faults.clone(), streams, limit);
    let (router, _) = edge.wrap("/api/v1/grocery", Some(Actor::Grocery), grocery.routes());
    World { context, grocery, router, keys: AtomicU64::new(0), _folder: folder }
}

impl World {
    fn token(&self, who: Who<'_>) -> Option<String> {
        let (subject, scopes) = match who {
            Who::Stranger => return None,
            Who::Plain(name) => (name, &CUSTOMER[..1]),
            Who::Customer(name) => (name, &CUSTOMER[..]),
            Who::Staff => ("demo-staff", &STAFF[..]),
        };
        // Fresh ones: the clock of these tests goes faster than that of the authority's memory.
        let (audience, scopes) = (&[Actor::Grocery], scopes.iter().copied().collect());
        let grant = Grant { subject, actor: None, audience, scopes, ttl: Duration::from_secs(60) };
        Some(self.context.authority.issue(&grant).unwrap())
    }

    async fn call(
        &self,
        who: Who<'_>,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method.clone()).uri(format!("/api/v1/grocery{path}"));
        if let Some(token) = self.token(who) {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if method == Method::POST && !headers.iter().any(|(name, _)| *name == "idempotency-key") {
            request = request.header("idempotency-key", self.keys.fetch_add(1, Ordering::Relaxed).to_string());
        }
        let body = if body.is_null() { Body::empty() } else { Body::from(body.to_string()) };
        let request = request.header("content-type", "application/json").body(body).unwrap();
        let response = self.router.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or(Value::Null))
    }

    async fn get(&self, who: Who<'_>, path: &str) -> (StatusCode, Value) {
        self.call(who, Method::GET, path, &[], Value::Null).await
    }

    async fn post(&self, who: Who<'_>, path: &str, body: Value) -> (StatusCode, Value) {
        self.call(who, Method::POST, path, &[], body).await
    }

    async fn order(&self, who: Who<'_>, sku: &str, quantity: i64) -> (StatusCode, Value) {
        self.post(who, "/orders", json!({ "lines": [{ "sku": sku, "quantity": quantity }] })).await
    }

    /// A promotion from now for an hour.
    async fn promote(&self, sku: &str, price: i64, more: Value) -> Value {
        let now = self.context.clock.now();
        let mut body = json!({
            "name": { "en": "Offer" }, "sku": sku, "reduction": { "price": { "minor": price, "currency": "EUR" } },
            "starts_at": now, "ends_at": now.after(Duration::from_secs(3600)),
        });
        for (key, value) in more.as_object().unwrap() {
            body[key] = value.clone();
        }
        let (status, promotion) = self.post(Who::Staff, "/promotions", body).await;
        assert_eq!(status, StatusCode::CREATED, "{promotion}");
        promotion
    }

    async fn used(&self, promotion: &Value) -> i64 {
        let (_, now) = self.get(Who::Staff, &format!("/promotions/{}", promotion["id"].as_str().unwrap())).await;
        now["used"].as_i64().unwrap()
    }

    async fn whole(&self) -> Value {
        let (status, audit) = self.get(Who::Staff, "/audit").await;
        assert_eq!((status, audit["whole"].as_bool()), (StatusCode::OK, Some(true)), "{audit}");
        audit
    }

    /// Many orders of one unit at once, past HTTP. Returns how many were taken.
    async fn rush(&self, sku: &str, buyers: usize, customer: impl Fn(usize) -> String) -> usize {
        let orders = (0..buyers).map(|buyer| {
            let order = NewOrder {
                id: OrderId::new(),
                location: "main",
                customer: customer(buyer),
                reference: None,
                deliver_to: None,
                language: Language::En,
                lines: vec![NewLine { sku: Sku::parse(sku).unwrap(), quantity: 1, prescription: None }],
                state: OrderState::Reserved,
            };
            async {
                let mut order = order;
                loop {
                    match self.grocery.shop.place(None, order.clone()).await {
                        // More than the writer's queue holds: as a customer would, try again.
                        Err(Rejection::Store(crate::store::StoreError::Overloaded)) => tokio::task::yield_now().await,
                        Ok(_) => return 1,
                        Err(Rejection::OutOfStock { .. } | Rejection::Promotion { .. } | Rejection::Refused(_)) => {
                            return 0;
                        }
                        Err(other) => panic!("{other}"),
                    }
                    order.id = OrderId::new();
                }
            }
        });
        join_all(orders).await.into_iter().sum()
    }
}

fn kind(problem: &Value) -> &str {
    problem["type"].as_str().unwrap().rsplit(':').next().unwrap()
}

#[tokio::test]
async fn strangers_see_nothing() {
    let world = world().await;
    let stranger = Who::Plain("demo-2");
    let (status, page) = world.get(Who::Stranger, "/products").await;
    assert_eq!((status, page), (StatusCode::OK, json!({ "items": [], "next": null })));
    assert_eq!(world.get(stranger, "/promotions").await.1, json!({ "items": [], "next": null }));
    let (status, real) = world.get(stranger, "/products/APPLE-L").await;
    let (_, unreal) = world.get(stranger, "/products/NOTHING").await;
    assert_eq!((status, &real), (StatusCode::NOT_FOUND, &unreal));
    let (status, real) = world.order(stranger, "APPLE-L", 1).await;
    let (_, unreal) = world.order(Who::Customer("demo-1"), "NOTHING", 1).await;
    assert_eq!((status, kind(&real)), (StatusCode::UNPROCESSABLE_ENTITY, kind(&unreal)));
    assert_eq!(world.order(Who::Stranger, "APPLE-L", 1).await.0, StatusCode::UNAUTHORIZED);

    let customer = Who::Customer("demo-1");
    let (status, apple) = world.get(customer, "/products/APPLE-L").await;
    assert_eq!((status, apple["name"].as_str()), (StatusCode::OK, Some("Apples, 1 kg")));
    let (_, page) = world.get(customer, "/products?limit=200").await;
    assert_eq!(page["items"].as_array().unwrap().len(), 150);
    let (_, page) = world.get(customer, "/products?q=omenat&limit=2").await;
    assert_eq!((page["items"].as_array().unwrap().len(), page["next"].is_string()), (2, true));

    let (_, order) = world.order(customer, "APPLE-L", 1).await;
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(world.get(customer, &path).await.0, StatusCode::OK);
    for other in [Who::Customer("demo-2"), Who::Plain("demo-1")] {
        assert_eq!(world.get(other, &path).await.0, StatusCode::NOT_FOUND);
        let (status, _) = world.post(other, &format!("{path}/cancel"), json!({ "reason": "mine" })).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert_eq!(world.get(other, "/orders").await.1["items"], json!([]));
    }
    let (status, _) = world.post(customer, &format!("{path}/dispatch"), json!({})).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(world.get(customer, "/offers").await.0, StatusCode::FORBIDDEN);
    let (_, offers) = world.get(Who::Staff, "/offers?limit=3").await;
    assert_eq!((offers["offers"][0]["restricted"].as_bool(), offers["more"].as_bool()), (Some(true), Some(true)));
}

#[tokio::test]
async fn nonsense_is_refused_and_changes_nothing() {
    let world = world().await;
    let customer = Who::Customer("demo-1");
    for (body, status) in [
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": -1 }] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 0 }] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 10_001 }] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 9_000_000_000_000_000_000_i64 }] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 1.5 }] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 1 }, { "sku": "NOTHING", "quantity": 1 }] }), 422),
        (json!({ "lines": [{ "sku": "x' OR 1=1", "quantity": 1 }] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 1, "price": 1 }] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 1 }], "total": 1 }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 1, "prescription": "x" }] }), 422),
        (json!({ "lines": [] }), 422),
        (json!({ "lines": vec![json!({ "sku": "APPLE-L", "quantity": 1 }); 101] }), 422),
        (json!({ "lines": [{ "sku": "APPLE-L", "quantity": 10_000 }, { "sku": "APPLE-L", "quantity": 1 }] }), 409),
    ] {
        let (found, problem) = world.post(customer, "/orders", body.clone()).await;
        assert_eq!(found.as_u16(), status, "{body} {problem}");
        assert!(problem["errors"][0]["pointer"].as_str().unwrap().starts_with('/'), "{problem}");
    }
    let audit = world.whole().await;
    assert_eq!((audit["orders"].as_i64(), audit["reserved"].as_i64()), (Some(0), Some(0)));
}

#[tokio::test]
async fn a_repeated_order_is_one_order() {
    let world = world().await;
    let customer = Who::Customer("demo-1");
    let body = json!({ "lines": [{ "sku": "APPLE-L", "quantity": 2 }, { "sku": "CANDLES", "quantity": 1 }] });
    let key = [("idempotency-key", "once")];
    let (status, first) = world.call(customer, Method::POST, "/orders", &key, body.clone()).await;
    assert_eq!(status, StatusCode::CREATED);
    let (status, second) = world.call(customer, Method::POST, "/orders", &key, body).await;
    assert_eq!((status, &first), (StatusCode::CREATED, &second));
    let other = json!({ "lines": [{ "sku": "APPLE-L", "quantity": 3 }] });
    let (status, problem) = world.call(customer, Method::POST, "/orders", &key, other.clone()).await;
    assert_eq!((status.as_u16(), kind(&problem)), (422, "idempotency-key-reused"));
    // Another customer's key is another key.
    let (status, _) = world.call(Who::Customer("demo-2"), Method::POST, "/orders", &key, other).await;
    assert_eq!(status, StatusCode::CREATED);
    // Apples are a quarter off: 2 x 290 - 2 x 73; food and candles have rates of their own.
    assert_eq!(first["lines"][0]["discount"]["minor"], 146);
    assert_eq!(first["total"]["minor"], 434 + 849);
    let rates: Vec<_> = first["vat"].as_array().unwrap().iter().map(|vat| vat["rate"].as_i64().unwrap()).collect();
    assert_eq!(rates, [1350, 2550]);
    assert_eq!(world.whole().await["orders"], 2);
}

#[tokio::test]
async fn a_thousand_units_have_a_thousand_buyers() {
    let world = world().await;
    let promotion = world.promote("SALT-S", 10, json!({ "quota": 1000 })).await;
    let taken = world.rush("SALT-S", 5000, |buyer| format!("demo-{buyer}")).await;
    assert_eq!(taken, 1000);
    assert_eq!(world.used(&promotion).await, 1000);
    let audit = world.whole().await;
    assert_eq!((audit["orders"].as_i64(), audit["reserved"].as_i64()), (Some(1000), Some(1000)));
    // Now it is known without asking the writer, until one is called off.
    let (status, problem) = world.order(Who::Customer("demo-x"), "SALT-S", 1).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "promotion-limit"));
    let (_, orders) = world.get(Who::Staff, "/orders?limit=1").await;
    let path = format!("/orders/{}/cancel", orders["items"][0]["id"].as_str().unwrap());
    assert_eq!(world.post(Who::Staff, &path, json!({ "reason": "test" })).await.0, StatusCode::OK);
    assert_eq!(world.order(Who::Customer("demo-x"), "SALT-S", 1).await.0, StatusCode::CREATED);
    assert_eq!(world.used(&promotion).await, 1000);
}

#[tokio::test]
async fn the_stock_is_sold_once() {
    let world = world().await;
    let (status, _) = world.order(Who::Customer("demo-0"), "OLIVES-S", 9000).await;
    assert_eq!(status, StatusCode::CREATED);
    let taken = world.rush("OLIVES-S", 5000, |buyer| format!("demo-{buyer}")).await;
    assert_eq!(taken, 1000);
    assert_eq!(world.whole().await["reserved"], 10_000);
    let (status, problem) = world.order(Who::Customer("demo-x"), "OLIVES-S", 1).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "out-of-stock"));
    let (status, product) = world.post(Who::Staff, "/products/OLIVES-S/restock", json!({ "quantity": 5 })).await;
    assert_eq!((status, product["available"].as_i64()), (StatusCode::OK, Some(5)));
    assert_eq!(world.order(Who::Customer("demo-x"), "OLIVES-S", 5).await.0, StatusCode::CREATED);
    world.whole().await;
}

#[tokio::test]
async fn each_customer_gets_his_share() {
    let world = world().await;
    let promotion = world.promote("SALT-M", 10, json!({ "per_customer": 2 })).await;
    let taken = world.rush("SALT-M", 300, |buyer| format!("demo-{}", buyer % 10)).await;
    assert_eq!((taken, world.used(&promotion).await), (20, 20));
    let customer = Who::Customer("demo-1");
    let (status, problem) = world.order(customer, "SALT-M", 1).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "promotion-limit"));
    // Others still can, so it was not remembered for everybody.
    assert_eq!(world.order(Who::Customer("demo-new"), "SALT-M", 2).await.0, StatusCode::CREATED);
    let (_, mine) = world.get(customer, "/orders").await;
    let path = format!("/orders/{}/cancel", mine["items"][0]["id"].as_str().unwrap());
    assert_eq!(world.post(customer, &path, json!({ "reason": "test" })).await.0, StatusCode::OK);
    assert_eq!(world.order(customer, "SALT-M", 1).await.0, StatusCode::CREATED);
    assert_eq!(world.order(customer, "SALT-M", 1).await.0, StatusCode::CONFLICT);
    world.whole().await;
}

#[tokio::test]
async fn what_expires_frees_stock_and_quota() {
    let world = world().await;
    let promotion = world.promote("SALT-L", 10, json!({ "quota": 5, "per_customer": 5 })).await;
    let customer = Who::Customer("demo-1");
    let (_, order) = world.order(customer, "SALT-L", 5).await;
    assert_eq!(order["total"]["minor"], 50);
    assert_eq!(world.order(Who::Customer("demo-2"), "SALT-L", 1).await.0, StatusCode::CONFLICT);
    world.context.clock.advance(Duration::from_secs(601));
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let (status, problem) = world.post(customer, &format!("{path}/confirm"), json!({ "payment": "demo" })).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "reservation-over"));
    assert_eq!(world.grocery.shop.sweep().await.unwrap(), 1);
    assert_eq!(world.get(customer, &path).await.1["state"], "expired");
    assert_eq!(world.used(&promotion).await, 0);
    assert_eq!(world.whole().await["reserved"], 0);
    let (_, order) = world.order(customer, "SALT-L", 5).await;
    let path = format!("/orders/{}", order["id"].as_str().unwrap());
    let (status, _) = world.post(customer, &format!("{path}/confirm"), json!({ "payment": "demo" })).await;
    assert_eq!(status, StatusCode::OK);
    let (status, order) = world.post(Who::Staff, &format!("{path}/dispatch"), json!({})).await;
    assert_eq!((status, order["state"].as_str()), (StatusCode::OK, Some("dispatched")));
    assert_eq!(world.used(&promotion).await, 5);
    world.whole().await;
}

#[tokio::test]
async fn staff_keeps_promotions() {
    let world = world().await;
    assert_eq!(world.post(Who::Customer("demo-1"), "/promotions", json!({})).await.0.as_u16(), 422);
    let promotion = world.promote("PEAR-L", 300, json!({ "quota": 10 })).await;
    let path = format!("/promotions/{}", promotion["id"].as_str().unwrap());
    let (_, pear) = world.get(Who::Customer("demo-1"), "/products/PEAR-L").await;
    assert_eq!((pear["price"]["minor"].as_i64(), pear["promotion"]["left"].as_i64()), (Some(300), Some(10)));
    // On sale for no time yet: there is no lower price of before to name.
    assert!(pear["was"].is_null());

    let mut body = promotion.clone();
    for key in ["id", "used", "version"] {
        body.as_object_mut().unwrap().remove(key);
    }
    let put = async |tag: &str, body: &Value| {
        world.call(Who::Staff, Method::PUT, &path, &[("if-match", tag)], body.clone()).await
    };
    body["quota"] = json!(20);
    assert_eq!(world.call(Who::Staff, Method::PUT, &path, &[], body.clone()).await.0.as_u16(), 428);
    assert_eq!(put("\"9\"", &body).await.0.as_u16(), 412);
    let (status, changed) = put("\"1\"", &body).await;
    assert_eq!((status.as_u16(), changed["version"].as_i64(), changed["quota"].as_i64()), (200, Some(2), Some(20)));
    world.order(Who::Customer("demo-1"), "PEAR-L", 15).await;
    body["quota"] = json!(14);
    assert_eq!(put("\"2\"", &body).await.0.as_u16(), 422);
    body["quota"] = json!(20);
    body["reduction"] = json!({ "off": 100 });
    assert_eq!(put("\"2\"", &body).await.0.as_u16(), 422);

    let end =
        async |tag: &str| world.call(Who::Staff, Method::DELETE, &path, &[("if-match", tag)], Value::Null).await.0;
    assert_eq!(end("\"1\"").await.as_u16(), 412);
    world.context.clock.advance(Duration::from_secs(60));
    assert_eq!(end("\"2\"").await.as_u16(), 204);
    let (_, pear) = world.get(Who::Customer("demo-1"), "/products/PEAR-L").await;
    assert_eq!(pear["price"]["minor"], 390);
    assert_eq!(world.get(Who::Customer("demo-1"), &path).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get(Who::Staff, &path).await.0, StatusCode::OK);
}

#[tokio::test]
async fn the_lowest_price_of_before_is_shown() {
    let world = world().await;
    let customer = Who::Customer("demo-1");
    let day = Duration::from_secs(24 * 3600);
    world.context.clock.advance(day * 40);
    let (_, plum) = world.get(customer, "/products/PLUM-L").await;
    let version = format!("\"{}\"", plum["version"]);
    let body = json!({ "price": { "minor": 600, "currency": "EUR" } });
    let (status, _) =
        world.call(Who::Staff, Method::PUT, "/products/PLUM-L/price", &[("if-match", &version)], body).await;
    assert_eq!(status, StatusCode::OK);
    world.context.clock.advance(day);
    let before = world.get(Who::Staff, "/offers?after=149").await.1["next"].as_i64().unwrap();
    world.promote("PLUM-L", 500, json!({})).await;
    let (_, plum) = world.get(customer, "/products/PLUM-L").await;
    // Not the 6.00 of yesterday, raised for the occasion, but the 4.50 of the 29 days before.
    assert_eq!((plum["price"]["minor"].as_i64(), plum["was"]["minor"].as_i64()), (Some(500), Some(450)));
    assert_eq!(plum["promotion"]["list_price"]["minor"], 600);
    // Partners hear of the beginning and of the end.
    assert!(world.grocery.tell_once().await.unwrap() >= 1);
    let (_, offers) = world.get(Who::Staff, &format!("/offers?after={before}")).await;
    let told = |offers: &Value| {
        let offers = offers["offers"].as_array().unwrap();
        offers.iter().find(|offer| offer["sku"] == "PLUM-L").map(|offer| offer["price"]["minor"].as_i64().unwrap())
    };
    assert_eq!(told(&offers), Some(500));
    world.context.clock.advance(day);
    assert_eq!(world.grocery.tell_once().await.unwrap(), 1);
    let (_, offers) = world.get(Who::Staff, &format!("/offers?after={}", offers["next"])).await;
    assert_eq!(told(&offers), Some(600));
}

#[tokio::test]
async fn cached_answers_carry_tags() {
    let world = Arc::new(world().await);
    let token = world.token(Who::Customer("demo-1")).unwrap();
    let get = async |known: Option<&str>, language: &str| {
        let mut request =
            Request::get("/api/v1/grocery/products/KIWI-S").header("authorization", format!("Bearer {token}"));
        request = request.header("accept-language", language);
        if let Some(known) = known {
            request = request.header("if-none-match", known);
        }
        let response = world.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        (response.status(), response.headers()["etag"].to_str().unwrap().to_owned())
    };
    let (status, english) = get(None, "en").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(get(Some(&english), "en").await.0, StatusCode::NOT_MODIFIED);
    let (status, finnish) = get(Some(&english), "fi").await;
    assert_eq!((status, finnish == english), (StatusCode::OK, false));
    // The tag of an answer names the version to change.
    let body = json!({ "price": { "minor": 99, "currency": "EUR" } });
    let (status, _) =
        world.call(Who::Staff, Method::PUT, "/products/KIWI-S/price", &[("if-match", &finnish)], body).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(get(Some(&english), "en").await.0, StatusCode::OK);
}
