//! The mission's interactions that are shops and parcels, each from end to end over HTTP.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::server::{Place, Server, address, wait_for};

/// A medicine of this status that some pharmacy has.
pub(crate) async fn medicine(server: &Server, prescription: bool) -> Value {
    let status = if prescription { "R" } else { "K" };
    let page = server.read("/api/v1/pharmacy/medicines?q=tablet&limit=50", "").await;
    let items = page["items"].as_array().expect("medicines");
    let fits = |item: &&Value| item["status"] == status && item["available"].as_i64() > Some(1);
    items.iter().find(fits).cloned().unwrap_or_else(|| panic!("no medicine {status} among {page}"))
}

/// A prescription for two packages.
pub(crate) async fn prescribe(server: &Server, patient: &str, vnr: &str) -> String {
    let prescriber = server.token("prescriber", "demo-prescriber").await;
    let body = json!({ "patient": patient, "vnr": vnr, "packages": 2, "dosage": "one a day" });
    let key = format!("rx-{patient}-{vnr}");
    let made = server.done("/api/v1/pharmacy/prescriptions", &prescriber, &key, &body).await;
    made["id"].as_str().expect("an id").to_owned()
}

/// The first product of a shop of which there is plenty.
pub(crate) async fn product(server: &Server, shop: &str, token: &str) -> Value {
    let page = server.read(&format!("/api/v1/{shop}/products?limit=50"), token).await;
    let items = page["items"].as_array().expect("products");
    items.iter().find(|item| item["available"].as_i64() > Some(5)).expect("something in stock").clone()
}

/// Waits until the reseller offers a shop's product.
pub(crate) async fn offered(server: &Server, token: &str, shop: &str, sku: &str) {
    let path = "/api/v1/reseller/quotes";
    let body = json!({ "lines": [{ "shop": shop, "sku": sku, "quantity": 1 }] });
    wait_for("the reseller has collected the shops' offers", async || {
        let (status, _) = server.post(path, token, &format!("quote-{}", uuid::Uuid::now_v7()), &body).await;
        status.is_success().then_some(())
    })
    .await;
}

/// Follows an order at the reseller until it is in one of these states.
pub(crate) async fn follow(server: &Server, token: &str, id: &str, states: &[&str]) -> Value {
    wait_for(&format!("order {id} is {states:?}"), async || {
        let order = server.read(&format!("/api/v1/reseller/orders/{id}"), token).await;
        states.contains(&order["state"].as_str().unwrap_or("")).then_some(order)
    })
    .await
}

/// What was paid less what was refunded.
fn kept(order: &Value) -> i64 {
    order["paid"]["minor"].as_i64().unwrap_or(0) - order["refunded"]["minor"].as_i64().unwrap_or(0)
}

/// The books of every shop and of the warehouse.
pub(crate) async fn audit(server: &Server) {
    let staff = server.token("operator", "demo-operator").await;
    for actor in ["pharmacy", "grocery", "furniture", "warehouse"] {
        let books = server.read(&format!("/api/v1/{actor}/audit"), &staff).await;
        assert_eq!(books["whole"], true, "{actor}: {books}");
    }
}

#[tokio::test]
async fn a_customer_buys_in_three_shops_with_one_basket_and_follows_the_parcels_to_the_door() {
    let place = Place::new().await;
    let server = Server::start(&place, "").await;
    let customer = server.token("customer", "demo-1").await;
    let vnr = medicine(&server, true).await["vnr"].as_str().unwrap().to_owned();
    let prescription = prescribe(&server, "demo-1", &vnr).await;
    let promotions = server.read("/api/v1/grocery/promotions", &customer).await;
    let promoted = promotions["items"][0]["sku"].as_str().expect("a promotion").to_owned();
    let sofa = product(&server, "furniture", "").await["sku"].as_str().unwrap().to_owned();
    offered(&server, &customer, "furniture", &sofa).await;
    offered(&server, &customer, "grocery", &promoted).await;
    let basket = json!({
        "lines": [
            { "shop": "pharmacy", "sku": vnr, "quantity": 1, "prescription": prescription },
            { "shop": "grocery", "sku": promoted, "quantity": 1 },
            { "shop": "furniture", "sku": sofa, "quantity": 1 },
        ],
        "deliver_to": address(),
        "payment": { "method": "demo-card", "token": "demo-card" },
    });
    let placed = server.done("/api/v1/reseller/orders", &customer, "basket", &basket).await;
    let again = server.done("/api/v1/reseller/orders", &customer, "basket", &basket).await;
    assert_eq!(placed["id"], again["id"], "the same key is the same order");
    let id = placed["id"].as_str().unwrap();
    let order = follow(&server, &customer, id, &["delivered", "cancelled"]).await;
    assert_eq!(order["state"], "delivered", "{order:#}");
    assert_eq!(kept(&order), order["total"]["minor"].as_i64().unwrap());
    let sellers: Vec<_> = order["sub_orders"].as_array().unwrap().iter().map(|part| &part["seller"]).collect();
    assert_eq!(sellers.len(), 3);
    let parcels = order["parcels"].as_array().unwrap();
    assert_eq!(parcels.len(), 3, "one of the pharmacy, two of the warehouse, which sends cold goods apart: {order:#}");
    for parcel in parcels {
        // Without logging in, and without telling who lives there.
        let number = parcel["number"].as_str().unwrap();
        let tracked = server.read(&format!("/api/v1/courier/parcels/{number}"), "").await;
        assert_eq!(tracked["state"], "delivered");
        assert!(!tracked.to_string().contains("Demo Street"), "{tracked}");
    }
    let rx = server.read(&format!("/api/v1/pharmacy/prescriptions/{prescription}"), &customer).await;
    assert_eq!(rx["remaining"], 1, "one of two packages was dispensed: {rx}");
    // Nobody else sees any of it.
    let other = server.token("customer", "demo-2").await;
    for path in [format!("reseller/orders/{id}"), format!("pharmacy/prescriptions/{prescription}")] {
        assert_eq!(server.get(&format!("/api/v1/{path}"), &other).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    audit(&server).await;
}

#[tokio::test]
async fn the_pharmacy_takes_orders_only_with_a_prescription() {
    let place = Place::new().await;
    let server = Server::start(&place, "").await;
    let (patient, other) = (server.token("customer", "demo-1").await, server.token("customer", "demo-2").await);
    let vnr = medicine(&server, true).await["vnr"].as_str().unwrap().to_owned();
    let prescription = prescribe(&server, "demo-1", &vnr).await;
    let path = "/api/v1/pharmacy/orders";
    let line = |rx: Option<&str>, quantity: i64| match rx {
        Some(rx) => {
            json!({ "lines": [{ "sku": vnr, "quantity": quantity, "prescription": rx }], "deliver_to": address() })
        }
        None => json!({ "lines": [{ "sku": vnr, "quantity": quantity }], "deliver_to": address() }),
    };
    let (status, problem) = server.post(path, &patient, "none", &line(None, 1)).await;
    assert_eq!(
        (status, problem["type"].as_str()),
        (StatusCode::FORBIDDEN, Some("urn:efir:problem:prescription-required"))
    );
    for (token, rx, quantity, key) in [
        (&other, prescription.as_str(), 1, "stolen"),
        (&patient, "made-up", 1, "made-up"),
        (&patient, &prescription, 3, "more"),
    ] {
        let (status, problem) = server.post(path, token, key, &line(Some(rx), quantity)).await;
        assert!(status.is_client_error(), "{key}: {status} {problem}");
    }
    let order = server.done(path, &patient, "right", &line(Some(&prescription), 1)).await;
    assert_eq!(order["state"], "advice", "a pharmacist speaks first: {order}");
    let id = order["id"].as_str().unwrap();
    let state = async || server.read(&format!("{path}/{id}"), &patient).await["state"].as_str().unwrap().to_owned();
    wait_for("the advice", async || (state().await == "advised").then_some(())).await;
    server.done(&format!("{path}/{id}/confirm"), &patient, "confirm", &json!({ "payment": "paid-elsewhere" })).await;
    wait_for("the dispensing", async || (state().await == "dispatched").then_some(())).await;
    let self_care = medicine(&server, false).await["vnr"].as_str().unwrap().to_owned();
    let body = json!({ "lines": [{ "sku": self_care, "quantity": 1 }], "deliver_to": address() });
    assert_eq!(server.done(path, &patient, "self-care", &body).await["state"], "reserved");
    audit(&server).await;
}

#[tokio::test]
async fn the_reseller_polls_pharmacies_and_collects_offers() {
    let place = Place::new().await;
    let server = Server::start(&place, "").await;
    let customer = server.token("customer", "demo-1").await;
    let stranger = server.read("/api/v1/reseller/offers?shop=grocery&limit=100", "").await;
    let restricted =
        |page: &Value| page["items"].as_array().unwrap().iter().filter(|item| item["restricted"] == true).count();
    assert_eq!(restricted(&stranger), 0, "the restricted catalogue needs a scope");
    wait_for("offers of the grocery", async || {
        let page = server.read("/api/v1/reseller/offers?shop=grocery&limit=100", &customer).await;
        (restricted(&page) > 0).then_some(())
    })
    .await;
    let vnr = medicine(&server, false).await["vnr"].as_str().unwrap().to_owned();
    let quote = json!({ "lines": [{ "shop": "pharmacy", "sku": vnr, "quantity": 1 }], "deliver_to": address() });
    let quoted = server.done("/api/v1/reseller/quotes", &customer, "quote", &quote).await;
    assert!(quoted["total"]["minor"].as_i64() > Some(0), "{quoted}");
}

#[tokio::test]
async fn the_grocery_sells_a_promotion_to_its_quota_and_no_further() {
    let place = Place::new().await;
    let server = Server::start(&place, "").await;
    let staff = server.token("operator", "demo-operator").await;
    let looker = server.token("customer", "demo-0").await;
    let sku = product(&server, "grocery", &looker).await["sku"].as_str().unwrap().to_owned();
    let promotion = json!({
        "name": { "en": "Twenty for the quick" }, "sku": sku, "reduction": { "off": 5000 },
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z",
        "quota": 20, "per_customer": 1, "beyond": "refuse",
    });
    server.done("/api/v1/grocery/promotions", &staff, "promotion", &promotion).await;
    server.done(&format!("/api/v1/grocery/products/{sku}/restock"), &staff, "stock", &json!({ "quantity": 500 })).await;
    let body = json!({ "lines": [{ "sku": sku, "quantity": 1 }] });
    let mut tokens = Vec::new();
    for buyer in 0..60 {
        tokens.push(server.token("customer", &format!("demo-{buyer}")).await);
    }
    let buy = tokens.iter().map(|token| server.post("/api/v1/grocery/orders", token, "quick", &body));
    let answers = futures_util::future::join_all(buy).await;
    let won = answers.iter().filter(|(status, _)| *status == StatusCode::CREATED).count();
    assert_eq!(won, 20, "{:?}", answers.iter().find(|(status, _)| status.is_client_error()));
    audit(&server).await;
}

#[tokio::test]
async fn the_warehouse_ships_what_the_furniture_shop_sold_and_a_lost_parcel_is_made_good() {
    let place = Place::new().await;
    let server = Server::start(&place, "[fault.'carrier.lost']\ntimes = 1").await;
    let customer = server.token("customer", "demo-1").await;
    let sku = product(&server, "furniture", "").await["sku"].as_str().unwrap().to_owned();
    offered(&server, &customer, "furniture", &sku).await;
    let basket = json!({
        "lines": [{ "shop": "furniture", "sku": sku, "quantity": 2 }],
        "deliver_to": address(), "payment": { "method": "demo-card", "token": "demo-card" },
    });
    let placed = server.done("/api/v1/reseller/orders", &customer, "lost", &basket).await;
    let order = follow(&server, &customer, placed["id"].as_str().unwrap(), &["delivered", "cancelled"]).await;
    let total = order["total"]["minor"].as_i64().unwrap();
    match order["state"].as_str() {
        // Sent once more, or the money is back: never neither, never both.
        Some("delivered") => assert!(kept(&order) == total || order["partly_refunded"] == true, "{order:#}"),
        _ => assert_eq!(kept(&order), 0, "{order:#}"),
    }
    audit(&server).await;
}

#[tokio::test]
async fn a_refused_payment_leaves_nothing_behind() {
    let place = Place::new().await;
    let server = Server::start(&place, "[fault.'payment.refused']").await;
    let customer = server.token("customer", "demo-1").await;
    let before = product(&server, "furniture", "").await;
    let sku = before["sku"].as_str().unwrap().to_owned();
    offered(&server, &customer, "furniture", &sku).await;
    let basket = json!({
        "lines": [{ "shop": "furniture", "sku": sku, "quantity": 1 }],
        "deliver_to": address(), "payment": { "method": "demo-card", "token": "demo-card" },
    });
    let placed = server.done("/api/v1/reseller/orders", &customer, "refused", &basket).await;
    let order = follow(&server, &customer, placed["id"].as_str().unwrap(), &["cancelled", "delivered"]).await;
    assert_eq!((order["state"].as_str(), kept(&order)), (Some("cancelled"), 0), "{order:#}");
    wait_for("the stock is free again", async || {
        let now = server.read(&format!("/api/v1/furniture/products/{sku}"), "").await;
        (now["available"] == before["available"]).then_some(())
    })
    .await;
    audit(&server).await;
}

/// With databases and events on servers, processes divide the work; what one leaves undone, the other does.
#[cfg(feature = "postgres")]
#[tokio::test]
async fn two_processes_share_the_work_and_one_is_killed() {
    if std::env::var_os("TEST_DATABASE_URL").is_none() {
        // scripts/test runs it beside a server.
        return;
    }
    let place = Place::new().await;
    let first = Server::start(&place, "").await;
    let second = Server::start(&place, "").await;
    let customer = first.token("customer", "demo-1").await;
    let sku = product(&second, "furniture", "").await["sku"].as_str().unwrap().to_owned();
    offered(&first, &customer, "furniture", &sku).await;
    let basket = json!({
        "lines": [{ "shop": "furniture", "sku": sku, "quantity": 1 }],
        "deliver_to": address(), "payment": { "method": "demo-card", "token": "demo-card" },
    });
    let mut orders = Vec::new();
    for number in 0..10 {
        let server = if number % 2 == 0 { &first } else { &second };
        let placed = server.done("/api/v1/reseller/orders", &customer, &format!("basket-{number}"), &basket).await;
        orders.push(placed["id"].as_str().unwrap().to_owned());
    }
    // The same key at another process is the same order.
    let again = second.done("/api/v1/reseller/orders", &customer, "basket-0", &basket).await;
    assert_eq!(again["id"].as_str(), Some(orders[0].as_str()));
    first.kill().await;
    for id in &orders {
        let order = follow(&second, &customer, id, &["delivered", "cancelled"]).await;
        assert_eq!(
            (order["state"].as_str(), kept(&order)),
            (Some("delivered"), order["total"]["minor"].as_i64().unwrap())
        );
    }
    audit(&second).await;
}
