//! Which orders of a batch are taken: all of an order or nothing of it, in the order of arrival. No storage, no HTTP.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::Timestamp;
use crate::id::Sku;
use crate::money::Money;

use super::limit::{LINES, QUANTITY};
use super::model::{NewOrder, Order, OrderLine, total_of, vat_of};
use super::{Product, Rejection, Round};

/// What is there of one product at one place, and what this batch takes of it.
#[derive(Debug, Clone)]
pub(super) struct Shelf {
    pub(super) location: &'static str,
    pub(super) sku: Sku,
    /// Neither sold nor kept for anybody when the batch began. 0 until it is loaded.
    pub(super) available: i64,
    /// What the orders of this batch take: never more than `available`.
    pub(super) taken: i64,
    /// Absent if it is not sold here.
    pub(super) product: Option<Arc<Product>>,
}

/// All shelves that a batch of orders reaches for, each once.
#[derive(Debug, Default)]
pub(super) struct Shelves {
    pub(super) all: Vec<Shelf>,
    /// For every line of every order in turn, its shelf.
    lines: Vec<usize>,
}

impl Shelves {
    /// The shelves of these orders, still empty.
    pub(super) fn of(orders: &[NewOrder]) -> Self {
        let mut known: HashMap<(&str, &str), usize> = HashMap::with_capacity(orders.len());
        let mut shelves = Self::default();
        for order in orders {
            for line in &order.lines {
                let place = *known.entry((order.location, line.sku.as_str())).or_insert_with(|| {
                    let (location, sku) = (order.location, line.sku.clone());
                    shelves.all.push(Shelf { location, sku, available: 0, taken: 0, product: None });
                    shelves.all.len() - 1
                });
                shelves.lines.push(place);
            }
        }
        shelves
    }
}

/// What is the same for all orders of a shop.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    pub(super) shop: &'static str,
    pub(super) seller: String,
    pub(super) ttl: Duration,
}

/// Decides all orders. One outcome for each, in their order.
pub(super) fn decide<R: Round>(
    frame: &Frame,
    orders: &[NewOrder],
    shelves: &mut Shelves,
    round: &mut R,
    now: Timestamp,
) -> Vec<Result<Order, Rejection>> {
    let mut from = 0;
    let Shelves { all, lines } = shelves;
    let decide = |order: &NewOrder| {
        let to = (from + order.lines.len()).min(lines.len());
        let places = &lines[from..to];
        from = to;
        let mut reached = 0;
        let outcome = take(order, places, all, round, &mut reached).and_then(|lines| finish(frame, order, lines, now));
        if outcome.is_err() {
            for (line, &place) in order.lines.iter().zip(places).take(reached) {
                all[place].taken -= line.quantity;
            }
        }
        round.settle(&order.id, outcome.is_ok());
        outcome
    };
    orders.iter().map(decide).collect()
}

/// Takes every line from its shelf and prices it; `reached` tells how many lines have taken something.
fn take<R: Round>(
    order: &NewOrder,
    places: &[usize],
    shelves: &mut [Shelf],
    round: &mut R,
    reached: &mut usize,
) -> Result<Vec<OrderLine>, Rejection> {
    if order.lines.is_empty() || order.lines.len() > LINES {
        return Err(Rejection::Invalid { pointer: "/lines".to_owned(), detail: "must be 1 to 100 lines" });
    }
    let mut lines = Vec::with_capacity(order.lines.len());
    for (index, (line, &place)) in order.lines.iter().zip(places).enumerate() {
        if !(1..=QUANTITY).contains(&line.quantity) {
            let pointer = format!("/lines/{index}/quantity");
            return Err(Rejection::Invalid { pointer, detail: "must be 1 to 10000" });
        }
        let shelf = &mut shelves[place];
        let Some(product) = shelf.product.clone() else {
            return Err(Rejection::UnknownProduct { line: index, sku: line.sku.clone() });
        };
        let available = shelf.available - shelf.taken;
        if line.quantity > available {
            return Err(Rejection::OutOfStock { line: index, sku: line.sku.clone(), available });
        }
        shelf.taken += line.quantity;
        *reached = index + 1;
        let price = round.price(order, index, &product)?;
        lines.push(OrderLine {
            sku: line.sku.clone(),
            name: product.name.get(order.language).to_owned(),
            quantity: line.quantity,
            unit_price: price.unit,
            discount: price.discount,
            total: price.total(line.quantity)?,
            vat_rate: product.vat_rate,
            promotion: price.promotion,
            prescription: line.prescription.clone(),
        });
    }
    Ok(lines)
}

fn finish(frame: &Frame, order: &NewOrder, lines: Vec<OrderLine>, now: Timestamp) -> Result<Order, Rejection> {
    let currency = lines.first().map_or(Money::eur(0).currency, |line| line.total.currency);
    Ok(Order {
        id: order.id.clone(),
        shop: frame.shop.to_owned(),
        seller: frame.seller.clone(),
        location: order.location.to_owned(),
        customer: order.customer.clone(),
        reference: order.reference.clone(),
        state: order.state,
        total: total_of(currency, &lines)?,
        vat: vat_of(currency, &lines)?,
        lines,
        payment: None,
        reason: None,
        parcel: None,
        created_at: now,
        expires_at: now.after(frame.ttl),
        version: 1,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::{Frame, Shelves, decide};
    use crate::clock::Timestamp;
    use crate::id::{OrderId, Sku};
    use crate::language::{Language, Localized};
    use crate::money::Money;
    use crate::shop::model::{NewLine, NewOrder, OrderState};
    use crate::shop::rules::tests::ListPrices;
    use crate::shop::{Product, Rejection};

    fn product(sku: &Sku) -> Product {
        Product {
            sku: sku.clone(),
            version: 1,
            updated_at: Timestamp(0),
            change: 1,
            price: Money::eur(250),
            vat_rate: 1350,
            gtin: None,
            category: "test".to_owned(),
            weight_g: 0,
            volume_ml: 0,
            cold_chain: false,
            name: Localized::from([(Language::En, "Thing")]),
            description: Localized::default(),
            attributes: BTreeMap::new(),
        }
    }

    fn order(lines: &[(usize, i64)]) -> NewOrder {
        let line = |&(sku, quantity): &(usize, i64)| NewLine {
            sku: Sku::parse(&format!("S{sku}")).unwrap(),
            quantity,
            prescription: None,
        };
        NewOrder {
            id: OrderId::new(),
            location: "main",
            customer: "demo".to_owned(),
            reference: None,
            deliver_to: None,
            language: Language::En,
            lines: lines.iter().map(line).collect(),
            state: OrderState::Reserved,
        }
    }

    proptest! {
        #[test]
        fn never_more_than_there_is(
            stock in proptest::collection::vec(0_i64..20, 4),
            // The fifth product does not exist; quantities may be nonsense.
            wanted in proptest::collection::vec(proptest::collection::vec((0_usize..5, -1_i64..8), 0..5), 0..60),
        ) {
            let orders: Vec<_> = wanted.iter().map(|lines| order(lines)).collect();
            let mut shelves = Shelves::of(&orders);
            for shelf in &mut shelves.all {
                let index: usize = shelf.sku.as_str()[1..].parse().unwrap();
                if let Some(&available) = stock.get(index) {
                    shelf.available = available;
                    shelf.product = Some(Arc::new(product(&shelf.sku)));
                }
            }
            let frame = Frame { shop: "test", seller: "Test".to_owned(), ttl: Duration::from_secs(1) };
            let outcomes = decide(&frame, &orders, &mut shelves, &mut ListPrices, Timestamp(0));
            prop_assert_eq!(outcomes.len(), orders.len());
            let mut open: BTreeMap<&str, i64> = BTreeMap::new();
            for (outcome, asked) in outcomes.iter().zip(&orders) {
                match outcome {
                    Ok(taken) => {
                        prop_assert_eq!(taken.lines.len(), asked.lines.len());
                        let sum: i64 = taken.lines.iter().map(|line| line.quantity * 250).sum();
                        prop_assert_eq!(taken.total, Money::eur(sum));
                        for line in &taken.lines {
                            *open.entry(line.sku.as_str()).or_default() += line.quantity;
                        }
                    }
                    // Refused only for a reason that held at its turn.
                    Err(Rejection::OutOfStock { line, available, .. }) => {
                        prop_assert!(*available >= 0 && asked.lines[*line].quantity > *available);
                    }
                    Err(Rejection::UnknownProduct { line, .. }) => {
                        prop_assert_eq!(asked.lines[*line].sku.as_str(), "S4");
                    }
                    Err(Rejection::Invalid { .. }) => {
                        prop_assert!(asked.lines.is_empty() || asked.lines.iter().any(|line| line.quantity < 1));
                    }
                    Err(other) => prop_assert!(false, "{}", other),
                }
            }
            for shelf in &shelves.all {
                prop_assert!(shelf.taken >= 0 && shelf.taken <= shelf.available);
                prop_assert_eq!(shelf.taken, open.get(shelf.sku.as_str()).copied().unwrap_or(0));
            }
        }
    }
}
