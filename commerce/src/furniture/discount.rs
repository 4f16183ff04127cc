//! Discounts as rules: what a product costs while they are on, and what it cost before. Time is an argument.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limit::PRIOR;
use crate::clock::Timestamp;
use crate::money::{CurrencyCode, Money};

/// What is taken off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Cut {
    /// Basis points of the price, 1 to 10000: 2000 is 20 %.
    Percent(i64),
    /// Cents, 1 to 100000000.
    Amount(i64),
}

/// A discount of one product.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Discount {
    /// Its name.
    pub(super) id: String,
    /// What is taken off.
    pub(super) cut: Cut,
    /// From when it is on.
    pub(super) starts_at: Timestamp,
    /// Until when, this moment not included.
    pub(super) ends_at: Timestamp,
}

impl Discount {
    /// Whether it is on at a moment.
    pub(super) fn is_on(&self, at: Timestamp) -> bool {
        self.starts_at <= at && at < self.ends_at
    }

    /// What is paid instead of `list`: never less than nothing, never more than `list`.
    pub(super) fn price(&self, list: i64) -> i64 {
        let off = match self.cut {
            // Cents are far from the ends of the range; what would leave it is all of the price.
            Cut::Percent(points) => Money { minor: list, currency: CurrencyCode::EUR }
                .share(points.clamp(0, 10_000))
                .map_or(list, |off| off.minor),
            Cut::Amount(minor) => minor.max(0),
        };
        list.saturating_sub(off).clamp(0, list.max(0))
    }
}

/// The discount that makes a product cheapest at a moment, and what it then costs. None if nothing makes it cheaper. Discounts
/// do not add up; of two that are equal the older counts.
pub(super) fn best<'a>(
    list: i64,
    discounts: impl IntoIterator<Item = &'a Discount>,
    at: Timestamp,
) -> Option<(&'a Discount, i64)> {
    let on = discounts.into_iter().filter(|discount| discount.is_on(at));
    let priced = on.map(|discount| (discount, discount.price(list))).filter(|(_, price)| *price < list);
    priced.min_by(|(a, price_a), (b, price_b)| price_a.cmp(price_b).then_with(|| a.id.cmp(&b.id)))
}

/// The lowest price in the 30 days before a reduction begins (Directive 98/6/EC, article 6a): over list prices and earlier
/// discounts alike. `history` holds list prices and since when, oldest first. None if there was no price before.
pub(super) fn lowest_prior(history: &[(Timestamp, i64)], discounts: &[Discount], start: Timestamp) -> Option<i64> {
    let from = start.before(PRIOR);
    // Prices change only at these moments, so the lowest of them is the lowest of all.
    let changes = history.iter().map(|(since, _)| *since);
    let edges = discounts.iter().flat_map(|discount| [discount.starts_at, discount.ends_at]);
    let moments = changes.chain(edges).filter(|at| (from..start).contains(at)).chain([from]);
    let price_at = |at: Timestamp| {
        let list = history.iter().rev().find(|(since, _)| *since <= at)?.1;
        Some(best(list, discounts, at).map_or(list, |(_, price)| price))
    };
    moments.filter(|at| *at < start).filter_map(price_at).min()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Cut, Discount, best, lowest_prior};
    use crate::clock::Timestamp;

    const DAY: i64 = 24 * 3600 * 1000;

    fn discount(id: &str, cut: Cut, days: std::ops::Range<i64>) -> Discount {
        let (starts_at, ends_at) = (Timestamp(days.start * DAY), Timestamp(days.end * DAY));
        Discount { id: id.to_owned(), cut, starts_at, ends_at }
    }

    #[test]
    fn the_window_is_half_open() {
        let sale = discount("a", Cut::Percent(1000), 10..20);
        assert_eq!(best(1000, [&sale], Timestamp(10 * DAY - 1)), None);
        assert_eq!(best(1000, [&sale], Timestamp(10 * DAY)), Some((&sale, 900)));
        assert_eq!(best(1000, [&sale], Timestamp(20 * DAY - 1)), Some((&sale, 900)));
        assert_eq!(best(1000, [&sale], Timestamp(20 * DAY)), None);
    }

    #[test]
    fn a_price_raised_just_before_a_sale_is_not_the_prior_price() {
        // 100 for long, 150 for ten days, then "a third off".
        let history = [(Timestamp(0), 100), (Timestamp(90 * DAY), 150)];
        let sale = discount("sale", Cut::Amount(50), 100..110);
        assert_eq!(lowest_prior(&history, std::slice::from_ref(&sale), sale.starts_at), Some(100));
        // Thirty days later it would be.
        assert_eq!(lowest_prior(&history, &[], Timestamp(121 * DAY)), Some(150));
        // A sale within the window counts, one before it does not.
        let earlier = discount("earlier", Cut::Percent(5000), 92..94);
        assert_eq!(lowest_prior(&history, &[earlier.clone(), sale.clone()], sale.starts_at), Some(75));
        assert_eq!(lowest_prior(&history, &[earlier], Timestamp(140 * DAY)), Some(150));
        assert_eq!(lowest_prior(&[(sale.starts_at, 100)], &[], sale.starts_at), None);
    }

    fn any_discount() -> impl Strategy<Value = Discount> {
        let cut = prop_oneof![(0_i64..12_000).prop_map(Cut::Percent), (0_i64..3000).prop_map(Cut::Amount)];
        ("[a-z]{3}", cut, 0_i64..100, 1_i64..40)
            .prop_map(|(id, cut, start, days)| discount(&id, cut, start..start + days))
    }

    proptest! {
        #[test]
        fn the_best_price_is_the_lowest_and_never_negative(
            list in 0_i64..5000,
            discounts in proptest::collection::vec(any_discount(), 0..8),
            at in 0_i64..140,
        ) {
            let at = Timestamp(at * DAY);
            let price = best(list, &discounts, at).map_or(list, |(_, price)| price);
            prop_assert!((0..=list).contains(&price));
            for discount in &discounts {
                prop_assert!(!discount.is_on(at) || price <= discount.price(list));
            }
            // Adding one never makes it dearer.
            let fewer = best(list, discounts.iter().skip(1), at).map_or(list, |(_, price)| price);
            prop_assert!(price <= fewer);
        }

        #[test]
        fn the_prior_price_is_the_lowest_of_every_moment(
            prices in proptest::collection::vec((0_i64..100, 1_i64..5000), 1..6),
            discounts in proptest::collection::vec(any_discount(), 0..5),
            start in 1_i64..120,
        ) {
            let mut history: Vec<_> = prices.into_iter().map(|(day, price)| (Timestamp(day * DAY), price)).collect();
            history.sort_by_key(|(since, _)| *since);
            history.dedup_by_key(|(since, _)| *since);
            let start = Timestamp(start * DAY);
            // Day by day, the slow way: everything in this test changes at midnight.
            let mut slow: Option<i64> = None;
            for day in (start.0 / DAY - 30)..(start.0 / DAY) {
                let at = Timestamp(day * DAY);
                let Some((_, list)) = history.iter().rev().find(|(since, _)| *since <= at) else { continue };
                let price = discounts.iter().filter(|d| d.is_on(at)).map(|d| d.price(*list)).min().unwrap_or(*list);
                slow = Some(slow.map_or(price, |lowest| lowest.min(price)));
            }
            prop_assert_eq!(lowest_prior(&history, &discounts, start), slow);
        }
    }
}
