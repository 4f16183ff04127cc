//! What is refused, and that it changes nothing.

use axum::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{fresh, id, line, shipment, world};
use crate::auth::Scope;

/// The JSON with the value at a pointer replaced.
fn with(mut body: Value, pointer: &str, value: Value) -> Value {
    *body.pointer_mut(pointer).unwrap() = value;
    body
}

#[tokio::test]
async fn bad_bodies_are_explained_and_change_nothing() {
    let world = world(0).await;
    let receipt = json!({ "reference": "r", "lines": [fresh("grocery.MILK", 5, "L1", 9)] });
    let mut bad = Vec::new();
    for quantity in [json!(0), json!(-1), json!(1_000_001), json!(i64::MAX), json!(1.5), json!("5")] {
        bad.push(("/receipts", with(receipt.clone(), "/lines/0/quantity", quantity.clone())));
        bad.push(("/shipments", with(shipment(&[("grocery.MILK", 1)]), "/lines/0/quantity", quantity)));
    }
    bad.push(("/receipts", with(receipt.clone(), "/lines/0/item", json!("bakery.BUN"))));
    bad.push(("/receipts", with(receipt.clone(), "/lines/0/expires_at", json!("2020-01-01T00:00:00Z"))));
    bad.push(("/receipts", with(receipt.clone(), "/lines", json!([]))));
    bad.push((
        "/receipts",
        json!({ "reference": "r", "lines": [fresh("grocery.A", 1, "L", 9), fresh("grocery.A", 1, "L", 8)] }),
    ));
    bad.push(("/shipments", with(shipment(&[("grocery.MILK", 1)]), "/value/minor", json!(-1))));
    bad.push(("/shipments", with(shipment(&[("grocery.MILK", 1)]), "/lines/0/item", json!("MILK"))));
    let mut unknown = receipt.clone();
    unknown["surprise"] = json!(1);
    bad.push(("/receipts", unknown));
    for (path, body) in bad {
        let (status, problem) = world.post(path, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path} {body}: {problem}");
        assert_eq!(problem["type"], "urn:efir:problem:invalid-request", "{body}");
    }
    let count = json!({ "item": "grocery.NONE", "lot": "L", "bin": "K-01-1", "counted": 1, "reason": "round" });
    assert_eq!(world.post("/counts", &count).await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.post("/counts", &with(count, "/counted", json!(-1))).await.0, StatusCode::UNPROCESSABLE_ENTITY);
    for step in ["pick", "pack", "ship"] {
        assert_eq!(world.post(&format!("/shipments/nobody/{step}"), &json!({})).await.0, StatusCode::NOT_FOUND);
    }
    assert_eq!(world.get("/stock").await["items"], json!([]));
    assert!(world.events().await.is_empty());
}

#[tokio::test]
async fn scopes_are_needed() {
    let world = world(0).await;
    let (body, nothing) = (json!({ "reference": "r", "lines": [line("furniture.SOFA", 1)] }), json!({}));
    for (path, body) in
        [("/receipts", &body), ("/shipments", &shipment(&[("furniture.SOFA", 1)])), ("/shipments/x/pick", &nothing)]
    {
        let (status, _) = world.send(&[Scope::StockRead], Method::POST, path, "k", Some(body)).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
    }
    for path in ["/stock", "/ledger", "/shipments", "/shipments/x", "/audit", "/bins", "/bins/map.svg", "/events"] {
        assert_eq!(
            world.send(&[Scope::ParcelWrite], Method::GET, path, "", None).await.0,
            StatusCode::FORBIDDEN,
            "{path}"
        );
    }
    // Who may read stock may not read who lives where.
    let (status, _) = world.send(&[Scope::StockRead], Method::GET, "/shipments/x/label", "", None).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn the_same_request_counts_once() {
    let world = world(0).await;
    let body = json!({ "reference": "note-1", "lines": [line("furniture.SOFA", 3)] });
    let first = world.post_as("k1", "/receipts", &body).await;
    assert_eq!(first.0, StatusCode::CREATED);
    assert_eq!(world.post_as("k1", "/receipts", &body).await, first);
    // The delivery note itself is a key too.
    assert_eq!(world.post_as("k2", "/receipts", &body).await.1, first.1);
    let other = json!({ "reference": "note-1", "lines": [line("furniture.SOFA", 4)] });
    assert_eq!(world.post_as("k3", "/receipts", &other).await.1["type"], "urn:efir:problem:reference-reused");
    assert_eq!(world.post_as("k1", "/receipts", &other).await.1["type"], "urn:efir:problem:idempotency-key-reused");
    let order = shipment(&[("furniture.SOFA", 2)]);
    let placed = world.post_as("k4", "/shipments", &order).await.1;
    assert_eq!(world.post_as("k4", "/shipments", &order).await.1, placed);
    let stock = world.get("/stock?item=furniture.SOFA").await;
    let row = &stock["items"][0];
    assert_eq!((&row["on_hand"], &row["reserved"], &row["bin"]), (&json!(3), &json!(2), &json!("A-01-1")));
    assert_eq!(world.get("/shipments?state=reserved").await["items"].as_array().unwrap().len(), 1);
    world.holds().await;
}

#[tokio::test]
async fn what_is_known_of_goods_is_kept_to() {
    let world = world(0).await;
    world.stock(&[fresh("grocery.MILK", 5, "L1", 9)]).await;
    let warm = json!({ "reference": "w", "lines": [line("grocery.MILK", 1)] });
    let problem = world.post("/receipts", &warm).await.1;
    assert_eq!(problem["errors"][0]["pointer"], "/lines/0/cold_chain", "{problem}");
    let later = json!({ "reference": "l", "lines": [fresh("grocery.MILK", 1, "L1", 10)] });
    assert_eq!(world.post("/receipts", &later).await.1["errors"][0]["pointer"], "/lines/0/expires_at");
}

#[tokio::test]
async fn steps_have_an_order_and_labels_are_whole() {
    let world = world(0).await;
    world.stock(&[fresh("grocery.MILK", 5, "L1", 9)]).await;
    let order = world.order(&[("grocery.MILK", 2)]).await;
    let path = |step: &str| format!("/shipments/{}/{step}", id(&order));
    for step in ["pack", "ship", "label"] {
        let status = match step {
            "label" => world.raw(&path(step)).await.0,
            step => world.post(&path(step), &json!({})).await.0,
        };
        assert_eq!(status, StatusCode::CONFLICT, "{step}");
    }
    world.step(&order, "pick").await;
    assert_eq!(world.post(&path("pick"), &json!({})).await.0, StatusCode::CONFLICT);
    let packed = world.step(&order, "pack").await;
    assert_eq!((&packed["weight_g"], &packed["cold_chain"]), (&json!(2 * 1030 + 250), &json!(true)));
    let sscc = packed["sscc"].as_str().unwrap();
    let (status, pdf) = world.raw(&path("label")).await;
    assert!(status.is_success() && pdf.starts_with(b"%PDF-") && pdf.trim_ascii_end().ends_with(b"%%EOF"));
    let zpl = String::from_utf8(world.raw(&path("label?format=zpl")).await.1).unwrap();
    assert!(zpl.contains(&format!(">;>800{sscc}")) && zpl.contains("Äiti Иванова") && zpl.ends_with("^XZ\n"));
    assert_eq!(world.raw(&path("label?format=png")).await.0, StatusCode::BAD_REQUEST);
    // Nobody's name is in what everybody in the house reads.
    let told = world.get("/events?after=0").await.to_string() + &world.get("/shipments").await.to_string();
    assert!(!told.contains("Иванова") && !told.contains("Kotikatu"));
}
