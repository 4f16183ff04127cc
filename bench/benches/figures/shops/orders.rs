//! Orders of three lines, each on the disk before it is answered; and far more callers than can be served.

use bench::{Failure, Until, request};
use serde_json::{Value, json};

use super::Effort;
use super::goal::Goals;
use super::shop::{Loaded, Shop, skus, token};

const CALLERS: usize = 256;
/// Four times as many, and as many as are let in at a time.
const FULL_HOUSE: usize = CALLERS * 4;
/// Those of the storm: of them 1024 are let in at a time, and the others ask every fifty milliseconds.
const CROWD: usize = 4096;
const CUSTOMERS: usize = 64;
const PRODUCTS: usize = 200;

pub(crate) async fn run(effort: Effort, goals: &mut Goals) -> Result<(), Failure> {
    println!("orders of three lines, durable");
    let shop = Shop::start().await?;
    let mut loaded = order(&shop, CALLERS, effort).await?;
    loaded.print(&format!("{CALLERS} callers"))?;
    goals.at_least("orders a second", loaded.tally.rate(), 10_000.0);
    goals.at_least("orders a second, one day,", loaded.tally.rate(), 16_000.0);
    goals.at_most("ms at p99", loaded.tally.percentile(99).as_secs_f64() * 1000.0, 100.0);
    audit(&shop, loaded.tally.good.len()).await?;
    let peak = loaded.tally.rate();
    let shop = Shop::start().await?;
    let mut loaded = order(&shop, FULL_HOUSE, effort).await?;
    loaded.print(&format!("{FULL_HOUSE} callers"))?;
    goals.at_least("% of the peak", loaded.tally.rate() / peak * 100.0, 80.0);
    audit(&shop, loaded.tally.good.len()).await?;
    if effort.storm { storm(effort, peak, goals).await } else { Ok(()) }
}

/// More callers than the server lets in, who ask again soon after they are refused, so that it is asked for four times as many orders
/// as it can take: what still gets through, on cores that those callers use too.
async fn storm(effort: Effort, peak: f64, goals: &mut Goals) -> Result<(), Failure> {
    let shop = Shop::start().await?;
    let mut loaded = order(&shop, CROWD, effort).await?;
    loaded.print(&format!("{CROWD} callers"))?;
    let (asked, share) = (loaded.tally.asked(), loaded.tally.rate() / peak * 100.0);
    println!("    {share:.0} % of the peak while asked for {:.1} times as many: {asked:.0} requests/s", asked / peak);
    goals.at_least("% of the peak", share, 80.0);
    audit(&shop, loaded.tally.good.len()).await
}

async fn order(shop: &Shop, callers: usize, effort: Effort) -> Result<Loaded, Failure> {
    let orders = Orders::prepare(shop.port).await?;
    shop.load(callers, Until::Time(effort.time), move |number| orders.request(number)).await
}

/// Orders of many customers for many products, of which there are plenty.
pub(crate) struct Orders {
    customers: Vec<String>,
    skus: Vec<String>,
}

impl Orders {
    pub(crate) async fn prepare(port: u16) -> Result<Self, Failure> {
        let staff = token(port, "operator", "demo-staff").await?;
        let mut customers = Vec::with_capacity(CUSTOMERS);
        for number in 0..CUSTOMERS {
            customers.push(token(port, "customer", &format!("demo-{number}")).await?);
        }
        let skus = skus(port, "furniture", "", PRODUCTS).await?;
        for sku in &skus {
            restock(port, "furniture", sku, &staff).await?;
        }
        Ok(Self { customers, skus })
    }

    /// One of the products.
    pub(crate) fn sku(&self) -> &str {
        &self.skus[0]
    }

    /// The token of whoever makes this order.
    pub(crate) fn customer(&self, number: usize) -> &str {
        &self.customers[number % self.customers.len()]
    }

    pub(crate) fn request(&self, number: usize) -> Vec<u8> {
        let line = |offset: usize| {
            let sku = &self.skus[(number * 3 + offset) % self.skus.len()];
            format!(r#"{{"sku":"{sku}","quantity":1}}"#)
        };
        let body = format!(r#"{{"lines":[{},{},{}]}}"#, line(0), line(1), line(2));
        request("POST", "/api/v1/furniture/orders", self.customer(number), &format!("order-{number}"), &body)
    }
}

/// Puts a million on the shelf.
pub(crate) async fn restock(port: u16, shop: &str, sku: &str, staff: &str) -> Result<Value, Failure> {
    let path = format!("/api/v1/{shop}/products/{sku}/restock");
    super::shop::post(port, &path, staff, &format!("restock-{sku}"), &json!({ "quantity": 1_000_000 })).await
}

/// The shop's own books: reserved is what open orders hold, and no order that was answered is missing.
pub(crate) async fn audit(shop: &Shop, answered: usize) -> Result<(), Failure> {
    let staff = shop.token("operator", "demo-staff").await?;
    let books = shop.get("/api/v1/furniture/audit", &staff).await?.json()?;
    let orders = books["orders"].as_u64().ok_or("no count of orders")?;
    if books["whole"] == true && orders >= answered as u64 {
        Ok(())
    } else {
        Err(format!("the books do not add up: {answered} answered, {books}").into())
    }
}
