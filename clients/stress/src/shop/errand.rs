//! What customers do on a visit.

use serde_json::{Value, json};

use super::check::{cents, is_over, state, units};
use super::client::Request;
use super::export;
use super::ledger::{Basket, Known, Placed, RESELLER};
use super::series::{
    BASKET, CONFIRM, DELIVERED, DELIVERY, FOLLOW, LOOK, MONEY_WRONG, ORDERS, PRESCRIBE, QUOTE, RESERVE, SEARCH,
    TURNED_DOWN, UNFINISHED, VISITS_DONE,
};
use super::visit::{Over, Visit};
use crate::measure::Series;
use crate::plan::Errand;

/// Words for the same in the four languages of the shops, some bent as people bend them.
const WORDS: [(&str, &str); 8] = [
    ("fi", "särkylääke"),
    ("fi", "särkylääkkeitä"),
    ("sv", "värktablett"),
    ("sv", "feber"),
    ("ru", "обезболивающее"),
    ("ru", "температура"),
    ("en", "painkiller"),
    ("en", "fever"),
];
const LANGUAGES: [&str; 4] = ["fi", "sv", "ru", "en"];

/// Does what the customer came for.
pub(super) async fn run(mut visit: Visit, errand: Errand) {
    let done = match errand {
        Errand::Browse => browse(&mut visit).await,
        Errand::Search => search(&mut visit).await,
        Errand::Buy => buy(&mut visit).await,
        Errand::Promotion => promotion(&mut visit).await,
        Errand::Download => export::download(&mut visit).await,
        Errand::Export => export::file(&mut visit).await,
        Errand::Prescription => prescription(&mut visit).await,
        Errand::Basket => basket(&mut visit).await,
    };
    if done.is_ok() {
        visit.meter.count(&VISITS_DONE, 1);
        visit.step_aside();
    }
}

async fn browse(visit: &mut Visit) -> Result<(), Over> {
    let token = visit.token();
    let language = visit.one(&LANGUAGES).copied().unwrap_or("en");
    let shop = visit.one(&["grocery", "furniture"]).copied().unwrap_or("grocery");
    let look = |path: String| Request::get(path, &token).in_language(language);
    let page = visit.ask(&LOOK, &look(format!("/{shop}/products?limit=20"))).await?;
    let items = page.body["items"].as_array().ok_or_else(|| visit.garbled(&LOOK))?;
    let skus: Vec<&str> = items.iter().filter_map(|item| item["sku"].as_str()).collect();
    if let Some(sku) = visit.one(&skus) {
        let product = visit.ask(&LOOK, &look(format!("/{shop}/products/{sku}"))).await?;
        if product.body["sku"] != **sku || cents(&product.body, "price").is_none() {
            return Err(visit.garbled(&LOOK));
        }
    }
    visit.ask(&LOOK, &look("/grocery/promotions".to_owned())).await?;
    visit.ask(&LOOK, &look("/reseller/offers?limit=20".to_owned())).await?;
    Ok(())
}

async fn search(visit: &mut Visit) -> Result<(), Over> {
    let (language, word) = visit.one(&WORDS).copied().unwrap_or(WORDS[0]);
    let request = Request::get(format!("/pharmacy/medicines?limit=20&q={word}"), &visit.token()).in_language(language);
    let found = visit.ask(&SEARCH, &request).await?;
    // Words from the shops' own list of what medicines are for: each finds some.
    match found.body["items"].as_array() {
        Some(items) if !items.is_empty() => Ok(()),
        _ => Err(visit.garbled(&SEARCH)),
    }
}

/// Where everything goes.
fn address() -> Value {
    json!({ "name": "Demo Customer", "street": "Demo Street 1", "postcode": "00100", "city": "Helsinki", "country": "FI" })
}

/// Orders at a shop: its number in the ledger, and the order.
async fn reserve(visit: &mut Visit, shop: &'static str, lines: Value) -> Result<(usize, Value), Over> {
    let asked = units(&lines, &["sku"]);
    let mut body = json!({ "lines": lines });
    if shop == "pharmacy" {
        body["deliver_to"] = address();
    }
    let request = Request::post(format!("/{shop}/orders"), &visit.token(), visit.key("reserve"), body);
    let shared = visit.shared.clone();
    let order = placed(visit, &RESERVE, &request, shop).await?;
    let (Some(id), Some(total)) = (order["id"].as_str(), cents(&order, "total")) else {
        return Err(visit.garbled(&RESERVE));
    };
    let placed = Placed {
        shop,
        id: id.to_owned(),
        customer: visit.customer,
        lines: asked,
        promotions: units(&order["lines"], &["promotion"]),
        total,
        known: Known::Reserved,
    };
    visit.meter.labelled(&ORDERS, shop);
    let number = shared.ledger.placed(placed);
    shared.ledger.told(visit.customer, shop);
    Ok((number, order))
}

/// Asks for an order. Unless it was refused it may have been placed; whoever understands the answer tells the ledger.
async fn placed(visit: &mut Visit, kind: &'static Series, request: &Request, at: &'static str) -> Result<Value, Over> {
    let shared = visit.shared.clone();
    shared.ledger.asking(visit.customer, at);
    let answer = visit.command(kind, request).await.inspect_err(|over| {
        if *over == Over::Refused {
            shared.ledger.told(visit.customer, at);
        }
    })?;
    Ok(answer.body)
}

/// Pays for an order at a shop.
async fn confirm(visit: &mut Visit, shop: &str, number: usize, order: &Value) -> Result<(), Over> {
    let path = format!("/{shop}/orders/{}/confirm", order["id"].as_str().unwrap_or_default());
    let request = Request::post(path, &visit.token(), visit.key("confirm"), json!({ "payment": visit.key("payment") }));
    let shared = visit.shared.clone();
    // Until it is known better.
    shared.ledger.came(number, Known::Unsure);
    match visit.command(&CONFIRM, &request).await {
        Ok(answer) if state(&answer.body) == "confirmed" => shared.ledger.came(number, Known::Confirmed),
        Ok(_) => return Err(visit.garbled(&CONFIRM)),
        Err(over) => {
            if over == Over::Refused {
                shared.ledger.came(number, Known::Reserved);
            }
            return Err(over);
        }
    }
    Ok(())
}

async fn buy(visit: &mut Visit) -> Result<(), Over> {
    let shared = visit.shared.clone();
    let mut skus: Vec<&String> = (0..2).filter_map(|_| visit.one(&shared.goods.groceries)).collect();
    skus.dedup();
    let lines = skus.iter().map(|sku| json!({ "sku": sku, "quantity": 1 })).collect();
    let (number, order) = reserve(visit, "grocery", Value::Array(lines)).await?;
    confirm(visit, "grocery", number, &order).await
}

async fn promotion(visit: &mut Visit) -> Result<(), Over> {
    let shared = visit.shared.clone();
    let Some(promotion) = shared.goods.promotions.get(&visit.scenario) else { return Err(Over::Refused) };
    let lines = json!([{ "sku": promotion.sku, "quantity": 1 }]);
    let (number, order) = reserve(visit, "grocery", lines).await?;
    confirm(visit, "grocery", number, &order).await
}

async fn prescription(visit: &mut Visit) -> Result<(), Over> {
    let shared = visit.shared.clone();
    let Some(vnr) = visit.one(&shared.goods.on_prescription) else { return Err(Over::Refused) };
    let body = json!({ "patient": visit.who().subject, "vnr": vnr, "packages": 2, "dosage": "one a day" });
    let request = Request::post("/pharmacy/prescriptions", &shared.prescriber, visit.key("prescribe"), body);
    let written = visit.command(&PRESCRIBE, &request).await?;
    let Some(id) = written.body["id"].as_str() else { return Err(visit.garbled(&PRESCRIBE)) };
    let line = json!([{ "sku": vnr, "quantity": 1, "prescription": id }]);
    let (number, order) = reserve(visit, "pharmacy", line).await?;
    visit.step_aside();
    let path = format!("/pharmacy/orders/{}", order["id"].as_str().unwrap_or_default());
    let mut now = order.clone();
    while state(&now) != "advised" {
        if !visit.look_again().await {
            if shared.must_end() {
                visit.meter.labelled(&UNFINISHED, &format!("pharmacy: {}", state(&now)));
            }
            return Err(Over::Refused);
        }
        if let Ok(answer) = visit.ask(&FOLLOW, &Request::get(&path, &visit.token())).await {
            now = answer.body;
        }
    }
    confirm(visit, "pharmacy", number, &order).await
}

async fn basket(visit: &mut Visit) -> Result<(), Over> {
    let shared = visit.shared.clone();
    let goods = [
        ("pharmacy", &shared.goods.self_care),
        ("grocery", &shared.goods.groceries),
        ("furniture", &shared.goods.furniture),
    ];
    let lines: Vec<Value> = goods
        .into_iter()
        .filter_map(|(shop, of)| Some(json!({ "shop": shop, "sku": visit.one(of)?, "quantity": 1 })))
        .collect();
    let lines = Value::Array(lines);
    let quote = json!({ "lines": lines, "deliver_to": address() });
    let quote = Request::post("/reseller/quotes", &visit.token(), visit.key("quote"), quote);
    let quoted = visit.ask(&QUOTE, &quote).await?.body;
    let Some(agreed) = cents(&quoted, "total") else { return Err(visit.garbled(&QUOTE)) };
    if quoted["short"].as_array().is_some_and(|short| !short.is_empty()) {
        visit.meter.labelled(&TURNED_DOWN, "quote: not all of it is there");
        return Err(Over::Refused);
    }
    let body = json!({
        "lines": lines, "deliver_to": address(), "agreed": quoted["total"],
        "payment": { "method": "demo-card", "token": "demo-card" },
    });
    let request = Request::post("/reseller/orders", &visit.token(), visit.key("basket"), body);
    let order = placed(visit, &BASKET, &request, RESELLER).await?;
    let (Some(id), Some(total)) = (order["id"].as_str(), cents(&order, "total")) else {
        return Err(visit.garbled(&BASKET));
    };
    if total != agreed {
        visit.meter.labelled(&MONEY_WRONG, "reseller: another total than was agreed");
    }
    visit.meter.labelled(&ORDERS, RESELLER);
    let lines = units(&lines, &["shop", "sku"]);
    shared.ledger.basket(Basket { id: id.to_owned(), customer: visit.customer, lines, total });
    shared.ledger.told(visit.customer, RESELLER);
    visit.step_aside();
    follow(visit, id).await;
    Ok(())
}

/// Looks at an order until its end; one that has none in time is the check's.
async fn follow(visit: &mut Visit, id: &str) {
    while visit.look_again().await {
        let request = Request::get(format!("/reseller/orders/{id}"), &visit.token());
        let Ok(answer) = visit.ask(&FOLLOW, &request).await else { continue };
        if is_over(&answer.body) {
            if state(&answer.body) == "delivered" {
                visit.meter.time(&DELIVERY, visit.since_planned());
                visit.meter.count(&DELIVERED, 1);
            }
            return;
        }
    }
}
