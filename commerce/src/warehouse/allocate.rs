//! Which units of which lots a shipment gets: first expired first out, oldest shipment first.

use std::collections::HashMap;

use crate::clock::Timestamp;

/// The free units of one lot in one bin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Lot {
    /// The stock row.
    pub(crate) stock: i64,
    /// From when on nobody may have it; never if absent.
    pub(crate) expires_at: Option<Timestamp>,
    /// Units that nobody has reserved.
    pub(crate) free: i64,
}

/// What one line still lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    pub(crate) line: i64,
    pub(crate) item: String,
    pub(crate) quantity: i64,
}

/// A shipment that lacks units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    pub(crate) shipment: String,
    /// Whether it takes what is there. Otherwise it takes all that it lacks, or nothing.
    pub(crate) partial: bool,
    pub(crate) wants: Vec<Want>,
}

/// Units of a stock row for a line of a shipment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// Index of the demand.
    pub(crate) demand: usize,
    pub(crate) line: i64,
    pub(crate) item: String,
    pub(crate) stock: i64,
    pub(crate) quantity: i64,
}

/// What may be given away: free units by item, soonest expiry first, without what has expired.
#[derive(Debug, Default)]
pub(crate) struct Shelves {
    lots: HashMap<String, Vec<Lot>>,
}

impl Shelves {
    /// Sorts out the lots of all items as they are `now`.
    pub(crate) fn new(lots: impl IntoIterator<Item = (String, Lot)>, now: Timestamp) -> Self {
        let mut shelves = Self::default();
        for (item, lot) in lots {
            if lot.free > 0 && !expired(lot.expires_at, now) {
                shelves.lots.entry(item).or_default().push(lot);
            }
        }
        for lots in shelves.lots.values_mut() {
            // Of lots that expire together, or never, the one that came first.
            lots.sort_by_key(|lot| (lot.expires_at.unwrap_or(Timestamp(i64::MAX)), lot.stock));
        }
        shelves
    }

    fn free(&self, item: &str) -> i64 {
        self.lots.get(item).map_or(0, |lots| lots.iter().map(|lot| lot.free).sum())
    }

    /// Gives units to the demands in their order.
    pub(crate) fn allocate(&mut self, demands: &[Demand]) -> Vec<Grant> {
        let mut grants = Vec::new();
        for (index, demand) in demands.iter().enumerate() {
            if demand.partial || self.covers(&demand.wants) {
                for want in &demand.wants {
                    self.take(index, want, &mut grants);
                }
            }
        }
        grants
    }

    /// Whether all of it is there; two lines of one item share its units.
    fn covers(&self, wants: &[Want]) -> bool {
        let mut sums: HashMap<&str, i64> = HashMap::new();
        for want in wants {
            let sum = sums.entry(&want.item).or_default();
            *sum = sum.saturating_add(want.quantity);
        }
        sums.into_iter().all(|(item, sum)| sum <= self.free(item))
    }

    fn take(&mut self, demand: usize, want: &Want, grants: &mut Vec<Grant>) {
        let mut lacking = want.quantity;
        for lot in self.lots.get_mut(&want.item).into_iter().flatten() {
            let quantity = lot.free.min(lacking);
            if quantity > 0 {
                lot.free -= quantity;
                lacking -= quantity;
                let Want { line, item, .. } = want.clone();
                grants.push(Grant { demand, line, item, stock: lot.stock, quantity });
            }
        }
    }
}

/// Whether a lot may no longer be given to anybody.
pub(crate) fn expired(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| end <= now)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::{Demand, Lot, Shelves, Want, expired};
    use crate::clock::Timestamp;

    const NOW: Timestamp = Timestamp(100);

    fn want(line: i64, item: &str, quantity: i64) -> Want {
        Want { line, item: item.to_owned(), quantity }
    }

    fn demand(partial: bool, wants: Vec<Want>) -> Demand {
        Demand { shipment: String::new(), partial, wants }
    }

    fn lot(stock: i64, expires_at: Option<i64>, free: i64) -> (String, Lot) {
        ("milk".to_owned(), Lot { stock, expires_at: expires_at.map(Timestamp), free })
    }

    #[test]
    fn soonest_expiry_goes_first_and_expired_never() {
        let lots = [lot(1, None, 5), lot(2, Some(300), 5), lot(3, Some(100), 5), lot(4, Some(200), 5)];
        let grants = Shelves::new(lots, NOW).allocate(&[demand(false, vec![want(0, "milk", 12)])]);
        let given: Vec<_> = grants.iter().map(|grant| (grant.stock, grant.quantity)).collect();
        assert_eq!(given, [(4, 5), (2, 5), (1, 2)]);
    }

    #[test]
    fn all_or_nothing_counts_lines_of_one_item_together() {
        let lines = vec![want(0, "milk", 3), want(1, "milk", 3)];
        let mut shelves = Shelves::new([lot(1, None, 5)], NOW);
        assert!(shelves.allocate(&[demand(false, lines.clone())]).is_empty());
        let grants = shelves.allocate(&[demand(true, lines)]);
        assert_eq!(grants.iter().map(|grant| grant.quantity).collect::<Vec<_>>(), [3, 2]);
    }

    fn lots() -> impl Strategy<Value = Vec<(String, Lot)>> {
        let lot = ("[ab]", proptest::option::of(50_i64..200), 0_i64..9);
        proptest::collection::vec(lot, 0..12).prop_map(|lots| {
            let number = |(stock, (item, expires_at, free)): (usize, (String, Option<i64>, i64))| {
                let stock = i64::try_from(stock).unwrap();
                (item, Lot { stock, expires_at: expires_at.map(Timestamp), free })
            };
            lots.into_iter().enumerate().map(number).collect()
        })
    }

    fn demands() -> impl Strategy<Value = Vec<Demand>> {
        let wants = proptest::collection::vec(("[ab]", 1_i64..9), 1..4).prop_map(|wants| {
            let line =
                |(line, (item, quantity)): (usize, (String, i64))| want(i64::try_from(line).unwrap(), &item, quantity);
            wants.into_iter().enumerate().map(line).collect::<Vec<_>>()
        });
        proptest::collection::vec((any::<bool>(), wants).prop_map(|(partial, wants)| demand(partial, wants)), 0..6)
    }

    proptest! {
        #[test]
        fn nobody_gets_what_is_not_there(lots in lots(), demands in demands()) {
            let grants = Shelves::new(lots.clone(), NOW).allocate(&demands);
            let lots: HashMap<i64, (String, Lot)> = lots.into_iter().map(|(item, lot)| (lot.stock, (item, lot))).collect();
            let mut taken: HashMap<i64, i64> = HashMap::new();
            let mut got: HashMap<(usize, i64), i64> = HashMap::new();
            for grant in &grants {
                let (item, lot) = &lots[&grant.stock];
                prop_assert!(grant.quantity > 0 && *item == grant.item && !expired(lot.expires_at, NOW));
                // Nothing that expires sooner was left on the shelf at that moment.
                for (stock, (other, earlier)) in &lots {
                    let sooner = other == item && earlier.expires_at.is_some() && !expired(earlier.expires_at, NOW)
                        && lot.expires_at.is_none_or(|end| earlier.expires_at < Some(end));
                    prop_assert!(!sooner || taken.get(stock).copied().unwrap_or(0) == earlier.free);
                }
                *taken.entry(grant.stock).or_default() += grant.quantity;
                *got.entry((grant.demand, grant.line)).or_default() += grant.quantity;
            }
            for (stock, taken) in taken {
                prop_assert!(taken <= lots[&stock].1.free);
            }
            for (index, demand) in demands.iter().enumerate() {
                let has = |want: &Want| got.get(&(index, want.line)).copied().unwrap_or(0);
                prop_assert!(demand.wants.iter().all(|want| has(want) <= want.quantity));
                let whole = demand.wants.iter().all(|want| has(want) == want.quantity);
                let nothing = demand.wants.iter().all(|want| has(want) == 0);
                prop_assert!(demand.partial || whole || nothing);
            }
        }
    }
}
