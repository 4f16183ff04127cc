//! What the shops have promised: every order that was answered with success, for the check after the load.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Who sells what others have.
pub(crate) const RESELLER: &str = "reseller";

/// What was promised, by everybody.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Books>);

/// Its content.
#[derive(Debug, Default)]
pub(crate) struct Books {
    /// Orders at shops.
    pub(crate) orders: Vec<Placed>,
    /// Orders at the reseller.
    pub(crate) baskets: Vec<Basket>,
    /// Orders that may have been placed though no answer came, by customer and place.
    pub(crate) unsure: HashMap<(usize, &'static str), u64>,
    /// Rows of the furniture catalogue at one state of it.
    pub(crate) rows: HashMap<i64, u64>,
}

/// An order at a shop.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) shop: &'static str,
    pub(crate) id: String,
    /// Number of the customer.
    pub(crate) customer: usize,
    /// Units that were asked for, by product.
    pub(crate) lines: BTreeMap<String, i64>,
    /// Units that were given at the price of a promotion, by its id, as it was answered.
    pub(crate) promotions: BTreeMap<String, i64>,
    /// What it costs, in cents, as it was answered.
    pub(crate) total: i64,
    pub(crate) known: Known,
}

/// How far an order came, as far as its customer knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// Goods are kept; it was not asked to be paid, or that was refused.
    Reserved,
    /// Whether it is paid is not known: no answer came.
    Unsure,
    /// Paid.
    Confirmed,
}

/// An order at the reseller.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Basket {
    pub(crate) id: String,
    /// Number of the customer.
    pub(crate) customer: usize,
    /// Units that were asked for, by shop and product.
    pub(crate) lines: BTreeMap<String, i64>,
    /// What it costs, in cents, as it was answered.
    pub(crate) total: i64,
}

/// Orders that customers know to be theirs, by customer and place.
pub(crate) type Lists<'a> = BTreeMap<(usize, &'static str), HashSet<&'a str>>;

impl Books {
    /// Units of a promotion that were given to orders that are paid, and to all that are or may be there.
    pub(crate) fn given(&self, promotion: &str) -> (i64, i64) {
        let (mut paid, mut most) = (0, 0);
        for order in &self.orders {
            let units = order.promotions.get(promotion).copied().unwrap_or_default();
            most += units;
            if order.known == Known::Confirmed {
                paid += units;
            }
        }
        // A customer gets one.
        let unsure: u64 = self.unsure.iter().filter(|((_, at), _)| *at == "grocery").map(|(_, count)| count).sum();
        (paid, most.saturating_add_unsigned(unsure))
    }

    /// Lists of orders that must be complete: of every customer, everywhere he ordered.
    pub(crate) fn lists(&self) -> Lists<'_> {
        let mut lists = Lists::new();
        for order in &self.orders {
            lists.entry((order.customer, order.shop)).or_default().insert(order.id.as_str());
        }
        for basket in &self.baskets {
            lists.entry((basket.customer, RESELLER)).or_default().insert(basket.id.as_str());
        }
        for place in self.unsure.keys() {
            lists.entry(*place).or_default();
        }
        lists
    }
}

impl Ledger {
    pub(crate) fn books(&self) -> MutexGuard<'_, Books> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A shop's order was answered with success; its number in this ledger.
    pub(crate) fn placed(&self, order: Placed) -> usize {
        let mut books = self.books();
        books.orders.push(order);
        books.orders.len() - 1
    }

    /// An order came this far.
    pub(crate) fn came(&self, number: usize, known: Known) {
        if let Some(order) = self.books().orders.get_mut(number) {
            order.known = known;
        }
    }

    /// The reseller's order was answered with success.
    pub(crate) fn basket(&self, basket: Basket) {
        self.books().baskets.push(basket);
    }

    /// Something is being ordered: until [`Ledger::told`] it may have been placed, whatever becomes of who waits for the answer.
    pub(crate) fn asking(&self, customer: usize, at: &'static str) {
        *self.books().unsure.entry((customer, at)).or_default() += 1;
    }

    /// It is known what became of that.
    pub(crate) fn told(&self, customer: usize, at: &'static str) {
        let mut books = self.books();
        let left = books.unsure.get(&(customer, at)).copied().unwrap_or_default().saturating_sub(1);
        if left > 0 {
            books.unsure.insert((customer, at), left)
        } else {
            books.unsure.remove(&(customer, at))
        };
    }

    /// A catalogue was read: whether every reader of the same state had as many rows.
    pub(crate) fn rows_agree(&self, snapshot: i64, rows: u64) -> bool {
        *self.books().rows.entry(snapshot).or_insert(rows) == rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(id: &str, known: Known) -> Placed {
        let promotions = BTreeMap::from([("p".to_owned(), 1)]);
        Placed { shop: "grocery", id: id.to_owned(), customer: 1, lines: BTreeMap::new(), promotions, total: 0, known }
    }

    #[test]
    fn what_was_asked_and_not_answered_may_have_been_placed() {
        let ledger = Ledger::default();
        ledger.asking(1, "grocery");
        ledger.asking(1, "grocery");
        ledger.asking(2, RESELLER);
        ledger.told(1, "grocery");
        ledger.told(2, RESELLER);
        let books = std::mem::take(&mut *ledger.books());
        assert_eq!(books.unsure, HashMap::from([((1, "grocery"), 1)]));
        assert_eq!(books.lists(), Lists::from([((1, "grocery"), HashSet::new())]));
    }

    #[test]
    fn what_is_paid_was_given_and_what_is_not_may_have_been() {
        let ledger = Ledger::default();
        for (id, known) in [("a", Known::Confirmed), ("b", Known::Reserved), ("c", Known::Unsure)] {
            ledger.placed(order(id, known));
        }
        ledger.asking(3, "grocery");
        ledger.asking(3, RESELLER);
        let books = std::mem::take(&mut *ledger.books());
        assert_eq!(books.given("p"), (1, 4));
        assert_eq!(books.given("q"), (0, 1));
        assert_eq!(books.lists()[&(1, "grocery")], HashSet::from(["a", "b", "c"]));
    }
}
