//! Bad input over HTTP: refused, explained, and nothing changed.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::interaction::{audit, offered, product};
use crate::server::{Place, Server, address};

/// The word of a problem's kind.
fn kind(problem: &Value) -> &str {
    problem["type"].as_str().and_then(|kind| kind.strip_prefix("urn:efir:problem:")).unwrap_or("no problem")
}

#[tokio::test]
async fn bad_orders_change_nothing() {
    let place = Place::new().await;
    let server = Server::start(&place, "").await;
    let token = server.token("customer", "demo-1").await;
    let before = product(&server, "furniture", "").await;
    let sku = before["sku"].as_str().unwrap();
    let path = "/api/v1/furniture/orders";
    let good = json!({ "lines": [{ "sku": sku, "quantity": 1 }] });
    let cases = [
        ("negative", json!({ "lines": [{ "sku": sku, "quantity": -1 }] }), "invalid-request"),
        ("zero", json!({ "lines": [{ "sku": sku, "quantity": 0 }] }), "invalid-request"),
        ("huge", json!({ "lines": [{ "sku": sku, "quantity": i64::MAX }] }), "invalid-request"),
        ("fraction", json!({ "lines": [{ "sku": sku, "quantity": 1.5 }] }), "invalid-request"),
        ("nothing", json!({ "lines": [] }), "invalid-request"),
        ("unknown field", json!({ "lines": [{ "sku": sku, "quantity": 1, "price": 1 }] }), "invalid-request"),
        ("injection", json!({ "lines": [{ "sku": "x'; DROP TABLE product; --", "quantity": 1 }] }), "invalid-request"),
        ("too many", json!({ "lines": [{ "sku": sku, "quantity": 9999 }] }), "out-of-stock"),
    ];
    for (name, body, expected) in cases {
        let (status, problem) = server.post(path, &token, &name.replace(' ', "-"), &body).await;
        assert!(status.is_client_error(), "{name}: {status}");
        assert_eq!(kind(&problem), expected, "{name}: {problem}");
    }
    let refused = [
        ("no token", "", "k1", StatusCode::UNAUTHORIZED),
        ("garbage", "garbage", "k2", StatusCode::UNAUTHORIZED),
        ("no key", token.as_str(), "", StatusCode::BAD_REQUEST),
    ];
    for (name, token, key, expected) in refused {
        assert_eq!(server.post(path, token, key, &good).await.0, expected, "{name}");
    }
    server.done(path, &token, "mine", &good).await;
    let other = json!({ "lines": [{ "sku": sku, "quantity": 2 }] });
    let (status, problem) = server.post(path, &token, "mine", &other).await;
    assert_eq!((status, kind(&problem)), (StatusCode::UNPROCESSABLE_ENTITY, "idempotency-key-reused"));
    let huge = json!({ "lines": [{ "sku": sku, "quantity": 1 }], "reference": "x".repeat(1 << 20) });
    let answer = server.ask(Method::POST, path, &token, "big", Some(&huge)).await;
    assert!(answer.is_none_or(|(status, _)| status == StatusCode::PAYLOAD_TOO_LARGE));
    let page = server.read(path, &token).await;
    assert_eq!(page["items"].as_array().map(Vec::len), Some(1), "one order, the good one: {page}");
    audit(&server).await;
}

#[tokio::test]
async fn strangers_see_and_change_nothing_of_others() {
    let place = Place::new().await;
    let server = Server::start(&place, "").await;
    let (owner, stranger) = (server.token("customer", "demo-1").await, server.token("customer", "demo-2").await);
    let sku = product(&server, "furniture", "").await["sku"].as_str().unwrap().to_owned();
    let body = json!({ "lines": [{ "sku": sku, "quantity": 1 }] });
    let order = server.done("/api/v1/furniture/orders", &owner, "mine", &body).await;
    let path = format!("/api/v1/furniture/orders/{}", order["id"].as_str().unwrap());
    assert_eq!(server.get(&path, &stranger).await.0, StatusCode::NOT_FOUND);
    let cancel = json!({ "reason": "not mine" });
    assert_eq!(server.post(&format!("{path}/cancel"), &stranger, "c", &cancel).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.post(&format!("{path}/dispatch"), &owner, "d", &json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!(server.get("/api/v1/grocery/products", "").await.1["items"], json!([]), "restricted");
    assert_eq!(server.get("/api/v1/furniture/events", &owner).await.0, StatusCode::FORBIDDEN);
    let forged = json!({ "type": "delivered" });
    let (status, _) = server.post("/api/v1/courier/webhooks/simulator", "", "", &forged).await;
    assert!(status.is_client_error(), "a webhook without signature: {status}");
    assert_eq!(server.read(&path, &owner).await["state"], "reserved");
}

#[tokio::test]
async fn nobody_pays_another_price_than_agreed() {
    let place = Place::new().await;
    let server = Server::start(&place, "").await;
    let token = server.token("customer", "demo-1").await;
    let sku = product(&server, "furniture", "").await["sku"].as_str().unwrap().to_owned();
    offered(&server, &token, "furniture", &sku).await;
    let lines = json!([{ "shop": "furniture", "sku": sku, "quantity": 1 }]);
    let quote = server.done("/api/v1/reseller/quotes", &token, "quote", &json!({ "lines": lines })).await;
    let order = |minor: i64| {
        json!({
            "lines": lines,
            "deliver_to": address(),
            "payment": { "method": "demo-card", "token": "demo-card" },
            "agreed": { "minor": minor, "currency": "EUR" },
        })
    };
    let asked = quote["total"]["minor"].as_i64().unwrap();
    let (status, problem) = server.post("/api/v1/reseller/orders", &token, "less", &order(asked - 1)).await;
    assert_eq!((status, kind(&problem)), (StatusCode::CONFLICT, "price-changed"), "{problem}");
    let orders = server.read("/api/v1/reseller/orders", &token).await;
    assert_eq!(orders["items"], json!([]), "nothing was ordered");
    let placed = server.done("/api/v1/reseller/orders", &token, "all", &order(asked)).await;
    assert_eq!(placed["total"], quote["total"]);
}
