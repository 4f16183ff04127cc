//! What the furniture shop adds to the order book: discounts.

use std::collections::HashMap;

use serde_json::Map;

use super::discount::{best, lowest_prior};
use super::limit::PRIOR;
use super::store::{self, Discounts};
use crate::clock::Timestamp;
use crate::id::{OrderId, Sku};
use crate::money::Money;
use crate::shop::{LinePrice, NewOrder, Product, Rejection, Round, Rules, Shown, prices};
use crate::store::{Database, StoreError, Tx};

/// Prices by discounts; the best one counts.
#[derive(Debug, Clone, Copy)]
pub(crate) struct FurnitureRules;

/// The discounts that are on while a batch of orders is decided.
#[derive(Debug)]
pub(crate) struct Sale {
    discounts: Discounts,
    now: Timestamp,
}

impl Rules for FurnitureRules {
    type Round = Sale;

    async fn load(&self, tx: &mut Tx, orders: &[NewOrder]) -> Result<Sale, StoreError> {
        let mut skus: Vec<_> = orders.iter().flat_map(|order| &order.lines).map(|line| &line.sku).collect();
        skus.sort_unstable();
        skus.dedup();
        Ok(Sale { now: tx.now(), discounts: store::on_now(tx, &skus).await? })
    }

    async fn shown(&self, db: &Database, products: &[Product], now: Timestamp) -> Result<Vec<Shown>, StoreError> {
        let skus: Vec<_> = products.iter().map(|product| &product.sku).collect();
        let discounts = store::lately(db, &skus, now).await?;
        let reduced = |product: &Product| {
            let (discount, price) = best(product.price.minor, discounts.get(&product.sku)?, now)?;
            Some((discount.starts_at, price))
        };
        let reductions: Vec<_> = products.iter().map(reduced).collect();
        let oldest = reductions.iter().flatten().map(|(start, _)| *start).min();
        let mut histories: HashMap<Sku, Vec<(Timestamp, i64)>> = HashMap::new();
        if let Some(oldest) = oldest {
            let on_sale: Vec<_> =
                skus.iter().zip(&reductions).filter(|(_, r)| r.is_some()).map(|(sku, _)| *sku).collect();
            for (sku, since, minor) in prices(db, &on_sale, oldest.before(PRIOR)).await? {
                histories.entry(sku).or_default().push((since, minor));
            }
        }
        Ok(products
            .iter()
            .zip(reductions)
            .map(|(product, reduction)| {
                let Some((start, minor)) = reduction else { return Shown::list(product.price) };
                let history = histories.get(&product.sku).map_or(&[][..], Vec::as_slice);
                let others = discounts.get(&product.sku).map_or(&[][..], Vec::as_slice);
                let was = lowest_prior(history, others, start).unwrap_or(product.price.minor);
                let money = |minor| Money { minor, currency: product.price.currency };
                Shown { price: money(minor), was: Some(money(was)), extra: Map::new() }
            })
            .collect())
    }
}

impl Round for Sale {
    fn price(&mut self, order: &NewOrder, line: usize, product: &Product) -> Result<LinePrice, Rejection> {
        let list = LinePrice::list(product.price);
        let on = self.discounts.get(&product.sku).map_or(&[][..], Vec::as_slice);
        let Some((discount, price)) = best(product.price.minor, on, self.now) else { return Ok(list) };
        let quantity = order.lines.get(line).map_or(0, |line| line.quantity);
        let off = Money { minor: product.price.minor - price, currency: product.price.currency }.times(quantity)?;
        Ok(LinePrice { discount: off, promotion: Some(discount.id.clone()), ..list })
    }

    fn settle(&mut self, _: &OrderId, _: bool) {}

    async fn save(self, _: &mut Tx) -> Result<(), StoreError> {
        Ok(())
    }
}
