//! Promotions as part of taking orders, in the writer's transaction.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde_json::{Map, json};

use crate::clock::Timestamp;
use crate::id::{OrderId, Sku};
use crate::money::Money;
use crate::shop::{self, LinePrice, NewOrder, Order, Product, Rejection, Round, Rules, Shown};
use crate::store::{Database, StoreError, Tx};

use super::model::{Choice, PRIOR, Promotion, choose, lowest_prior};
use super::store;

/// The rules of the grocery: promotions, all of them in its database.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Promotions;

/// Promotions while one batch of orders is decided. Their `used` goes up as orders are taken.
#[derive(Debug, Default)]
pub(crate) struct PromotionRound {
    now: Timestamp,
    promotions: Vec<Promotion>,
    by_sku: HashMap<Sku, Vec<usize>>,
    /// What customers have had, by promotion and customer.
    had: HashMap<(usize, String), i64>,
    /// What orders of this batch take.
    taken: BTreeMap<(usize, String), i64>,
    /// The same of the order that is being decided.
    pending: Vec<(usize, String, i64)>,
}

impl Rules for Promotions {
    type Round = PromotionRound;

    async fn load(&self, tx: &mut Tx, orders: &[NewOrder]) -> Result<PromotionRound, StoreError> {
        let now = tx.now();
        let skus: BTreeSet<&Sku> = orders.iter().flat_map(|order| order.lines.iter().map(|line| &line.sku)).collect();
        let promotions = store::holding(tx, skus.into_iter(), now).await?;
        let mut round = PromotionRound { now, promotions, ..PromotionRound::default() };
        if round.promotions.is_empty() {
            return Ok(round);
        }
        for (index, promotion) in round.promotions.iter().enumerate() {
            round.by_sku.entry(promotion.sku.clone()).or_default().push(index);
        }
        let mut who: BTreeSet<(&str, &str)> = BTreeSet::new();
        for order in orders {
            for index in order.lines.iter().filter_map(|line| round.by_sku.get(&line.sku)).flatten() {
                who.insert((round.promotions[*index].id.as_str(), &order.customer));
            }
        }
        let who: Vec<_> = who.into_iter().collect();
        let places: HashMap<String, usize> =
            round.promotions.iter().enumerate().map(|(index, promotion)| (promotion.id.to_string(), index)).collect();
        for (promotion, customer, used) in store::had(tx, &who).await? {
            if let Some(&index) = places.get(&promotion) {
                round.had.insert((index, customer), used);
            }
        }
        Ok(round)
    }

    async fn release(&self, tx: &mut Tx, orders: &[Order]) -> Result<(), StoreError> {
        let mut all: BTreeMap<&str, i64> = BTreeMap::new();
        let mut by_customer: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for order in orders {
            for line in &order.lines {
                let Some(promotion) = line.promotion.as_deref() else { continue };
                *all.entry(promotion).or_default() -= line.quantity;
                *by_customer.entry((promotion, &order.customer)).or_default() -= line.quantity;
            }
        }
        count(tx, &all, &by_customer).await
    }

    async fn shown(&self, db: &Database, products: &[Product], now: Timestamp) -> Result<Vec<Shown>, StoreError> {
        let promotions = store::since(db, products.iter().map(|product| &product.sku), now, now).await?;
        let reduced: BTreeSet<&Sku> = promotions.iter().map(|promotion| &promotion.sku).collect();
        if reduced.is_empty() {
            return Ok(products.iter().map(|product| Shown::list(product.price)).collect());
        }
        let since = promotions.iter().map(|promotion| promotion.starts_at).min().unwrap_or(now).before(PRIOR);
        let others = store::since(db, reduced.iter().copied(), since, now).await?;
        let reduced: Vec<_> = reduced.into_iter().collect();
        let prices = shop::prices(db, &reduced, since).await?;
        products.iter().map(|product| show(product, &promotions, &others, &prices, now)).collect()
    }
}

/// What a reader sees of a product: the best price that one unit can be had for.
fn show(
    product: &Product,
    holding: &[Promotion],
    others: &[Promotion],
    prices: &[(Sku, Timestamp, i64)],
    now: Timestamp,
) -> Result<Shown, StoreError> {
    let odd = |error: crate::money::MoneyError| StoreError::Value(error.to_string());
    let mine: Vec<&Promotion> = holding.iter().filter(|promotion| promotion.sku == product.sku).collect();
    let (index, price) = match choose(product.price, 1, &mine, |_| 0, now).map_err(odd)? {
        Choice::Take { index, price } => (index, price),
        Choice::List => return Ok(Shown::list(product.price)),
        Choice::Refuse { .. } => {
            let extra = Map::from_iter([("sold_out_promotion".to_owned(), json!(true))]);
            return Ok(Shown { extra, ..Shown::list(product.price) });
        }
    };
    let promotion = mine[index];
    let list: Vec<_> = prices
        .iter()
        .filter(|(sku, ..)| *sku == product.sku)
        .map(|(_, since, minor)| (*since, Money { minor: *minor, ..product.price }))
        .collect();
    let others: Vec<_> = others.iter().filter(|other| other.sku == product.sku && other.id != promotion.id).collect();
    let was = lowest_prior(&list, &others, promotion.starts_at).map_err(odd)?;
    let mut about = json!({ "id": promotion.id, "name": promotion.name, "ends_at": promotion.ends_at });
    if let Some(quota) = promotion.quota {
        about["left"] = json!(quota - promotion.used);
    }
    if let Some(limit) = promotion.per_customer {
        about["per_customer"] = json!(limit);
    }
    about["list_price"] = json!(product.price);
    Ok(Shown { price, was, extra: Map::from_iter([("promotion".to_owned(), about)]) })
}

impl PromotionRound {
    fn had(&self, index: usize, customer: &str) -> i64 {
        let key = (index, customer.to_owned());
        let pending = self.pending.iter().filter(|(at, who, _)| *at == index && who == customer);
        let pending: i64 = pending.map(|(.., units)| units).sum();
        let of = |map: Option<&i64>| map.copied().unwrap_or(0);
        of(self.had.get(&key)) + of(self.taken.get(&key)) + pending
    }
}

impl Round for PromotionRound {
    fn price(&mut self, order: &NewOrder, line: usize, product: &Product) -> Result<LinePrice, Rejection> {
        let Some(places) = self.by_sku.get(&product.sku) else { return Ok(LinePrice::list(product.price)) };
        let promotions: Vec<&Promotion> = places.iter().map(|&place| &self.promotions[place]).collect();
        let quantity = order.lines[line].quantity;
        let had = |index: usize| self.had(places[index], &order.customer);
        match choose(product.price, quantity, &promotions, had, self.now)? {
            Choice::List => Ok(LinePrice::list(product.price)),
            Choice::Refuse { left, exhausted } => {
                Err(Rejection::Promotion { line, sku: product.sku.clone(), asked: quantity, left, exhausted })
            }
            Choice::Take { index, price } => {
                let place = places[index];
                let discount = product.price.minus(price)?.times(quantity)?;
                let promotion = &mut self.promotions[place];
                promotion.used += quantity;
                let id = promotion.id.to_string();
                self.pending.push((place, order.customer.clone(), quantity));
                Ok(LinePrice { unit: product.price, discount, promotion: Some(id) })
            }
        }
    }

    fn settle(&mut self, _: &OrderId, taken: bool) {
        for (place, customer, units) in self.pending.drain(..) {
            if taken {
                *self.taken.entry((place, customer)).or_default() += units;
            } else {
                self.promotions[place].used -= units;
            }
        }
    }

    async fn save(self, tx: &mut Tx) -> Result<(), StoreError> {
        let mut all: BTreeMap<&str, i64> = BTreeMap::new();
        let mut by_customer: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        for ((place, customer), units) in &self.taken {
            let id = self.promotions[*place].id.as_str();
            *all.entry(id).or_default() += units;
            by_customer.insert((id, customer), *units);
        }
        count(tx, &all, &by_customer).await
    }
}

async fn count(
    tx: &mut Tx,
    all: &BTreeMap<&str, i64>,
    by_customer: &BTreeMap<(&str, &str), i64>,
) -> Result<(), StoreError> {
    if all.is_empty() {
        return Ok(());
    }
    let all: Vec<_> = all.iter().map(|(id, units)| (*id, *units)).collect();
    let by_customer: Vec<_> = by_customer.iter().map(|((id, customer), units)| (*id, *customer, *units)).collect();
    store::count(tx, &all, &by_customer).await
}
