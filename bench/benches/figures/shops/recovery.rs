//! The process is killed under load: how soon it serves again, and whether every confirmed order is there.

use std::collections::HashSet;

use bench::{Failure, Shopper, request};
use serde_json::json;

use super::Effort;
use super::goal::Goals;
use super::orders::{Orders, audit};
use super::shop::Shop;

const CALLERS: usize = 64;

pub(crate) async fn run(effort: Effort, goals: &mut Goals) -> Result<(), Failure> {
    let shop = Shop::start().await?;
    let staff = shop.token("operator", "demo-staff").await?;
    let orders = std::sync::Arc::new(Orders::prepare(shop.port).await?);
    let callers: Vec<_> = (0..CALLERS)
        .map(|caller| {
            let (orders, port) = (orders.clone(), shop.port);
            tokio::spawn(async move { buy(port, &orders, caller).await })
        })
        .collect();
    tokio::time::sleep(effort.time).await;
    let place = shop.kill().await?;
    let mut confirmed = HashSet::new();
    for caller in callers {
        confirmed.extend(caller.await?);
    }
    let (shop, down) = Shop::again(place).await?;
    let body = json!({ "lines": [{ "sku": orders.sku(), "quantity": 1 }] });
    let begun = std::time::Instant::now();
    shop.post("/api/v1/furniture/orders", orders.customer(0), "after", &body).await?;
    let ready = down + begun.elapsed();
    audit(&shop, confirmed.len()).await?;
    let found = confirmed_orders(&shop, &staff).await?;
    let missing = confirmed.difference(&found).count();
    println!(
        "killed under load with {} orders confirmed: takes orders again after {ready:.2?}, {missing} missing",
        confirmed.len()
    );
    goals.at_most("seconds", ready.as_secs_f64(), 2.0);
    if missing == 0 && !confirmed.is_empty() { Ok(()) } else { Err("confirmed orders are missing".into()) }
}

/// Orders and pays until the server is gone. The orders whose payment was answered.
async fn buy(port: u16, orders: &Orders, caller: usize) -> Vec<String> {
    let mut confirmed = Vec::new();
    let Ok(mut shopper) = Shopper::connect(port).await else { return confirmed };
    for number in (caller..).step_by(CALLERS) {
        let Ok(answer) = shopper.ask(&orders.request(number)).await else { return confirmed };
        let Ok(order) = answer.json() else { return confirmed };
        let Some(id) = order["id"].as_str() else { return confirmed };
        let path = format!("/api/v1/furniture/orders/{id}/confirm");
        let confirm =
            request("POST", &path, orders.customer(number), &format!("pay-{number}"), r#"{"payment":"demo"}"#);
        match shopper.ask(&confirm).await {
            Ok(answer) if answer.status == 200 => confirmed.push(id.to_owned()),
            _ => return confirmed,
        }
    }
    confirmed
}

/// All orders of the shop that are confirmed.
async fn confirmed_orders(shop: &Shop, staff: &str) -> Result<HashSet<String>, Failure> {
    let mut shopper = Shopper::connect(shop.port).await?;
    let (mut found, mut cursor) = (HashSet::new(), String::new());
    loop {
        let path = format!("/api/v1/furniture/orders?state=confirmed&limit=200{cursor}");
        let page = shopper.ask(&request("GET", &path, staff, "", "")).await?.json()?;
        let items = page["items"].as_array().ok_or("no items")?;
        found.extend(items.iter().filter_map(|item| item["id"].as_str().map(str::to_owned)));
        let Some(next) = page["next"].as_str() else { return Ok(found) };
        cursor = format!("&cursor={next}");
    }
}
