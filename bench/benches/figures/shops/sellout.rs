//! A thousand units at a special price, one to a customer, and a hundred times as many customers: who gets one, and how long it
//! takes until everybody knows.

use std::sync::Arc;
use std::time::Duration;

use bench::{Failure, Shopper, Until, request};
use serde_json::json;

use super::Effort;
use super::goal::Goals;
use super::shop::{Shop, skus};

const UNITS: usize = 1_000;
const CALLERS: usize = 512;
/// Connections on which customers get their tokens before it begins.
const DOORS: usize = 32;

pub(crate) async fn run(effort: Effort, goals: &mut Goals) -> Result<(), Failure> {
    let shop = Shop::start().await?;
    let tokens = enter(shop.port, effort.buyers).await?;
    let staff = shop.token("operator", "demo-staff").await?;
    let promoted = shop.get("/api/v1/grocery/promotions", &staff).await?.json()?.to_string();
    let sku = skus(shop.port, "grocery", &staff, 100).await?.into_iter().find(|sku| !promoted.contains(sku));
    let sku = sku.ok_or("every product has a promotion")?;
    let sale = json!({
        "name": { "en": "Flash sale" }, "sku": sku, "reduction": { "off": 5000 }, "quota": UNITS, "per_customer": 1,
        "starts_at": "2020-01-01T00:00:00Z", "ends_at": "2100-01-01T00:00:00Z",
    });
    let sale = shop.post("/api/v1/grocery/promotions", &staff, "sale", &sale).await?;
    let body = json!({ "lines": [{ "sku": sku, "quantity": 1 }] }).to_string();
    let order = move |number: usize| request("POST", "/api/v1/grocery/orders", &tokens[number], "order", &body);
    let loaded = shop.load(CALLERS, Until::Requests(effort.buyers), order).await?;
    loaded.check()?;
    let tally = &loaded.tally;
    let (won, late, time) = (tally.good.len(), tally.late, tally.time);
    println!("{UNITS} units at a special price, {} customers with a token each, {CALLERS} at a time", effort.buyers);
    println!(
        "  {won} got one, {late} heard that it is sold out, {} had to ask again: {time:.1?}, {:.0} answers/s  ({})",
        tally.busy,
        tally.asked(),
        loaded.cores()
    );
    // A gate's smaller crowd has less time.
    goals.at_most("seconds", time.as_secs_f64(), 15.0 * effort.buyers as f64 / 100_000.0);
    let id = sale["id"].as_str().ok_or("no promotion")?;
    let sale = shop.get(&format!("/api/v1/grocery/promotions/{id}"), &staff).await?.json()?;
    let books = shop.get("/api/v1/grocery/audit", &staff).await?.json()?;
    if won == UNITS && won + late == effort.buyers && sale["used"] == UNITS && books["whole"] == true {
        Ok(())
    } else {
        Err(format!("not sold as promised: {won} + {late} of {}; {sale}; {books}", effort.buyers).into())
    }
}

/// A token for each customer.
async fn enter(port: u16, buyers: usize) -> Result<Arc<Vec<String>>, Failure> {
    let mut doors = Vec::with_capacity(DOORS);
    for door in 0..DOORS {
        doors.push(tokio::spawn(async move {
            let mut shopper = Shopper::connect_within(port, Duration::from_secs(5)).await?;
            let mut tokens = Vec::new();
            for buyer in (door..buyers).step_by(DOORS) {
                let body = format!(r#"{{"role":"customer","subject":"demo-buyer-{buyer}"}}"#);
                let answer = shopper.ask(&request("POST", "/api/v1/demo/token", "", "", &body)).await?.json()?;
                tokens.push(answer["token"].as_str().ok_or("no token")?.to_owned());
            }
            Ok::<_, Failure>(tokens)
        }));
    }
    let mut tokens = Vec::with_capacity(buyers);
    for door in doors {
        tokens.extend(door.await??);
    }
    Ok(Arc::new(tokens))
}
