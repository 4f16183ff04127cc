//! What one shop adds to the order book: prices, admission, and what it shows.

use std::future::Future;

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::id::OrderId;
use crate::money::Money;
use crate::store::{Database, StoreError, Tx};

use super::model::{LinePrice, NewOrder, Order, Step};
use super::{Product, Rejection};

/// A shop's own rules. A cheap handle: cloned with every order.
pub(crate) trait Rules: Clone + Send + Sync + 'static {
    /// What the rules know and note while one batch of orders is decided.
    type Round: Round;

    /// Loads what is needed to price these orders: a few statements for all of them.
    fn load(&self, tx: &mut Tx, orders: &[NewOrder]) -> impl Future<Output = Result<Self::Round, StoreError>> + Send;

    /// Gives back what the lines of cancelled or expired orders had taken, beside the stock. A few statements for all.
    fn release(&self, _tx: &mut Tx, _orders: &[Order]) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// These orders have just taken a step, by hand or by time. A few statements for all.
    fn stepped(
        &self,
        _tx: &mut Tx,
        _orders: &[Order],
        _step: Step,
    ) -> impl Future<Output = Result<(), StoreError>> + Send {
        std::future::ready(Ok(()))
    }

    /// What the products cost a reader now, one for each in the same order.
    fn shown(
        &self,
        _db: &Database,
        products: &[Product],
        _now: Timestamp,
    ) -> impl Future<Output = Result<Vec<Shown>, StoreError>> + Send {
        std::future::ready(Ok(products.iter().map(|product| Shown::list(product.price)).collect()))
    }
}

/// The rules while one batch of orders is decided, in the order of their arrival.
pub(crate) trait Round: Send {
    /// The price of one line, or why there is none. What the line takes is noted until [`Round::settle`] tells.
    ///
    /// # Errors
    /// The order is not taken.
    fn price(&mut self, order: &NewOrder, line: usize, product: &Product) -> Result<LinePrice, Rejection>;

    /// The order is taken, or not: then what its lines took is given back.
    fn settle(&mut self, order: &OrderId, taken: bool);

    /// Writes what the orders took.
    fn save(self, tx: &mut Tx) -> impl Future<Output = Result<(), StoreError>> + Send;
}

/// What a reader sees of a product's price.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Shown {
    /// The price of one now.
    pub(crate) price: Money,
    /// If it is reduced: the lowest price of the 30 days before.
    pub(crate) was: Option<Money>,
    /// Fields of the shop's own.
    pub(crate) extra: Map<String, Value>,
}

impl Shown {
    /// The list price, not reduced.
    pub(crate) fn list(price: Money) -> Self {
        Self { price, was: None, extra: Map::new() }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{LinePrice, NewOrder, OrderId, Product, Rejection, Round, Rules, StoreError, Tx};

    /// List prices and nothing else.
    #[derive(Debug, Clone, Copy, Default)]
    pub(crate) struct ListPrices;

    impl Rules for ListPrices {
        type Round = Self;

        async fn load(&self, _: &mut Tx, _: &[NewOrder]) -> Result<Self, StoreError> {
            Ok(Self)
        }
    }

    impl Round for ListPrices {
        fn price(&mut self, _: &NewOrder, _: usize, product: &Product) -> Result<LinePrice, Rejection> {
            Ok(LinePrice::list(product.price))
        }

        fn settle(&mut self, _: &OrderId, _: bool) {}

        async fn save(self, _: &mut Tx) -> Result<(), StoreError> {
            Ok(())
        }
    }
}
