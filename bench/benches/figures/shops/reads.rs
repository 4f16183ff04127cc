//! Product pages read over and over: two hundred in turn, and one.

use bench::{Failure, Until, request};

use super::Effort;
use super::goal::Goals;
use super::shop::{Shop, skus};

const CALLERS: usize = 128;
const PRODUCTS: usize = 200;

pub(crate) async fn run(effort: Effort, goals: &mut Goals) -> Result<(), Failure> {
    let shop = Shop::start().await?;
    let page = |sku: &String| request("GET", &format!("/api/v1/furniture/products/{sku}"), "", "", "");
    let pages: Vec<_> = skus(shop.port, "furniture", "", PRODUCTS).await?.iter().map(page).collect();
    let hot = pages.first().cloned().unwrap_or_default();
    println!("product reads, {CALLERS} callers");
    let mut many =
        shop.load(CALLERS, Until::Time(effort.time), move |number| pages[number % pages.len()].clone()).await?;
    many.print(&format!("{PRODUCTS} products in turn"))?;
    goals.at_least("reads a second", many.tally.rate(), 40_000.0);
    goals.at_most("ms at p99", many.tally.percentile(99).as_secs_f64() * 1000.0, 20.0);
    let mut one = shop.load(CALLERS, Until::Time(effort.time), move |_| hot.clone()).await?;
    one.print("one product")
}
