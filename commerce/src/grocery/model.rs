//! Promotions: what they take off, who gets them, and what was the price before. No storage, no HTTP; time is an argument.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{PromotionId, Sku};
use crate::language::Localized;
use crate::money::{Money, MoneyError};

/// How far back the lowest prior price looks (Directive 98/6/EC, article 6a).
pub(super) const PRIOR: Duration = Duration::from_secs(30 * 24 * 3600);

/// What a promotion takes off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Reduction {
    /// One costs this, not negative, instead of the list price.
    Price(Money),
    /// So many basis points off the list price, 1 to 10000.
    Off(i64),
}

impl Reduction {
    /// What one costs, if that is less than the list price.
    ///
    /// # Errors
    /// Amounts that cannot be combined.
    pub(super) fn price(self, list: Money) -> Result<Option<Money>, MoneyError> {
        let price = match self {
            Self::Price(price) => price,
            Self::Off(points) => list.minus(list.share(points)?)?,
        };
        let less = price.currency == list.currency && price.minor >= 0 && price.minor < list.minor;
        Ok(less.then_some(price))
    }
}

/// What happens to an order that wants more than a promotion has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Beyond {
    /// It is refused: nobody pays more than what he saw.
    #[default]
    Refuse,
    /// It pays the next better price.
    ListPrice,
}

/// A promotion of one product.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Promotion {
    /// Its name for machines.
    pub(crate) id: PromotionId,
    /// Its name for people.
    pub(crate) name: Localized,
    /// What is cheaper.
    pub(crate) sku: Sku,
    /// By how much.
    pub(crate) reduction: Reduction,
    /// From when.
    pub(crate) starts_at: Timestamp,
    /// Until when.
    pub(crate) ends_at: Timestamp,
    /// Units for everybody together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) quota: Option<i64>,
    /// Units for each customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) per_customer: Option<i64>,
    /// What happens to orders beyond these.
    pub(crate) beyond: Beyond,
    /// Units in orders that are open or were dispatched.
    pub(crate) used: i64,
    /// Counts its changes; the ETag.
    pub(crate) version: i64,
}

impl Promotion {
    /// Whether it holds at this time.
    pub(super) fn holds_at(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Units left, for everybody and for a customer who has had so many; `i64::MAX` without a limit.
    pub(super) fn left(&self, had: i64) -> (i64, i64) {
        let all = self.quota.map_or(i64::MAX, |quota| (quota - self.used).max(0));
        let mine = self.per_customer.map_or(i64::MAX, |limit| (limit - had).max(0));
        (all, mine)
    }
}

/// Which price a line gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Choice {
    /// The list price.
    List,
    /// That of the promotion at this index.
    Take {
        /// Which one.
        index: usize,
        /// What one costs.
        price: Money,
    },
    /// None: promotions that refuse what is beyond them have too few left.
    Refuse {
        /// How many could be had.
        left: i64,
        /// Whether that holds for everybody.
        exhausted: bool,
    },
}

/// The lowest price that has enough left for the whole line; promotions do not add up. `had` tells what the customer has had of
/// the promotion at an index.
///
/// # Errors
/// Amounts that cannot be combined.
pub(super) fn choose(
    list: Money,
    quantity: i64,
    promotions: &[&Promotion],
    had: impl Fn(usize) -> i64,
    now: Timestamp,
) -> Result<Choice, MoneyError> {
    let mut best: Option<(Money, usize)> = None;
    let mut refusal: Option<(i64, bool)> = None;
    for (index, promotion) in promotions.iter().enumerate().filter(|(_, promotion)| promotion.holds_at(now)) {
        let Some(price) = promotion.reduction.price(list)? else { continue };
        let (all, mine) = promotion.left(had(index));
        let left = all.min(mine);
        if quantity <= left {
            let better =
                best.is_none_or(|(other, at)| (price.minor, &promotion.id) < (other.minor, &promotions[at].id));
            if better {
                best = Some((price, index));
            }
        } else if promotion.beyond == Beyond::Refuse && refusal.is_none_or(|(most, _)| left > most) {
            refusal = Some((left, all < quantity));
        }
    }
    Ok(match (best, refusal) {
        (Some((price, index)), _) => Choice::Take { index, price },
        (None, Some((left, exhausted))) => Choice::Refuse { left, exhausted },
        (None, None) => Choice::List,
    })
}

/// The lowest price that was asked in the 30 days before `start`, from list prices (by time, the first may be older) and other
/// promotions of the product; none if it was not sold before.
///
/// # Errors
/// Amounts that cannot be combined.
pub(super) fn lowest_prior(
    list: &[(Timestamp, Money)],
    others: &[&Promotion],
    start: Timestamp,
) -> Result<Option<Money>, MoneyError> {
    let from = start.before(PRIOR);
    let mut lowest: Option<Money> = None;
    for (index, &(since, price)) in list.iter().enumerate() {
        let until = list.get(index + 1).map_or(start, |&(next, _)| next).min(start);
        let since = since.max(from);
        if since >= until {
            continue;
        }
        let held = others.iter().filter(|other| other.starts_at.max(since) < other.ends_at.min(until));
        let mut asked = price;
        for other in held {
            if let Some(reduced) = other.reduction.price(price)?.filter(|reduced| reduced.minor < asked.minor) {
                asked = reduced;
            }
        }
        if lowest.is_none_or(|lowest| asked.minor < lowest.minor) {
            lowest = Some(asked);
        }
    }
    Ok(lowest)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::{Beyond, Choice, Promotion, Reduction, choose, lowest_prior};
    use crate::clock::Timestamp;
    use crate::id::{PromotionId, Sku};
    use crate::language::Localized;
    use crate::money::Money;

    pub(crate) fn promotion(reduction: Reduction, from: i64, to: i64) -> Promotion {
        Promotion {
            id: PromotionId::new(),
            name: Localized::default(),
            sku: Sku::parse("A").unwrap(),
            reduction,
            starts_at: Timestamp(from),
            ends_at: Timestamp(to),
            quota: None,
            per_customer: None,
            beyond: Beyond::Refuse,
            used: 0,
            version: 1,
        }
    }

    #[test]
    fn json_is_plain() {
        let json = serde_json::to_value(Reduction::Off(2500)).unwrap();
        assert_eq!(json, serde_json::json!({ "off": 2500 }));
        let json = serde_json::to_value(Reduction::Price(Money::eur(99))).unwrap();
        assert_eq!(json, serde_json::json!({ "price": { "minor": 99, "currency": "EUR" } }));
    }

    #[test]
    fn the_last_units_go_to_who_asks_for_no_more() {
        let mut cheap = promotion(Reduction::Price(Money::eur(50)), 0, 10);
        cheap.quota = Some(3);
        let mut dear = promotion(Reduction::Price(Money::eur(80)), 0, 10);
        dear.beyond = Beyond::ListPrice;
        let ask = |quantity, promotions: &[&Promotion], now| {
            choose(Money::eur(100), quantity, promotions, |_| 0, Timestamp(now)).unwrap()
        };
        assert_eq!(ask(3, &[&dear, &cheap], 9), Choice::Take { index: 1, price: Money::eur(50) });
        assert_eq!(ask(4, &[&dear, &cheap], 9), Choice::Take { index: 0, price: Money::eur(80) });
        assert_eq!(ask(4, &[&cheap], 9), Choice::Refuse { left: 3, exhausted: true });
        assert_eq!(ask(4, &[&cheap], 10), Choice::List);
        dear.per_customer = Some(1);
        assert_eq!(ask(2, &[&dear], 9), Choice::List);
    }

    #[test]
    fn prior_prices_end_where_the_promotion_begins() {
        let day = 24 * 3600 * 1000;
        let at = |days: i64, cents| (Timestamp(days * day), Money::eur(cents));
        let list = [at(0, 50), at(10, 100), at(45, 120), at(60, 10)];
        let lowest = |others: &[&Promotion], start: i64| lowest_prior(&list, others, Timestamp(start * day)).unwrap();
        assert_eq!(lowest(&[], 50), Some(Money::eur(100)));
        assert_eq!(lowest(&[], 39), Some(Money::eur(50)));
        assert_eq!(lowest(&[], 0), None);
        let other = promotion(Reduction::Off(5000), 46 * day, 47 * day);
        assert_eq!(lowest(&[&other], 50), Some(Money::eur(60)));
        assert_eq!(lowest(&[&other], 46), Some(Money::eur(100)));
    }

    prop_compose! {
        fn any_promotion()(
            price in 0_i64..150, off in proptest::option::of(0_i64..=10_000), from in 0_i64..10, length in 0_i64..10,
            quota in proptest::option::of(0_i64..10), limit in proptest::option::of(0_i64..10), used in 0_i64..10,
            refuse: bool,
        ) -> Promotion {
            let reduction = off.map_or_else(|| Reduction::Price(Money::eur(price)), Reduction::Off);
            let mut promotion = promotion(reduction, from, from + length);
            promotion.used = used.min(quota.unwrap_or(i64::MAX));
            promotion.quota = quota;
            promotion.per_customer = limit;
            promotion.beyond = if refuse { Beyond::Refuse } else { Beyond::ListPrice };
            promotion
        }
    }

    proptest! {
        #[test]
        fn the_customer_gets_the_best_price(
            promotions in proptest::collection::vec(any_promotion(), 0..6),
            had in proptest::collection::vec(0_i64..5, 6),
            quantity in 1_i64..10, now in 0_i64..20,
        ) {
            let list = Money::eur(100);
            let refs: Vec<_> = promotions.iter().collect();
            let choice = choose(list, quantity, &refs, |index| had[index], Timestamp(now)).unwrap();
            let fits = |index: usize| {
                let promotion = &promotions[index];
                let enough = promotion.quota.is_none_or(|quota| promotion.used + quantity <= quota)
                    && promotion.per_customer.is_none_or(|limit| had[index] + quantity <= limit);
                let reduced = promotion.reduction.price(list).unwrap()?;
                (enough && promotion.holds_at(Timestamp(now))).then_some(reduced.minor)
            };
            let best = (0..promotions.len()).filter_map(fits).min();
            match choice {
                Choice::Take { index, price } => {
                    prop_assert_eq!(fits(index), Some(price.minor));
                    prop_assert_eq!(best, Some(price.minor));
                    prop_assert!(price.minor < list.minor);
                }
                Choice::List => prop_assert_eq!(best, None),
                Choice::Refuse { left, .. } => {
                    prop_assert_eq!(best, None);
                    prop_assert!((0..quantity).contains(&left));
                    prop_assert!(promotions.iter().any(|p| p.beyond == Beyond::Refuse && p.holds_at(Timestamp(now))));
                }
            }
        }

        #[test]
        fn prior_price_is_one_that_was_asked(
            prices in proptest::collection::vec((1_i64..100, 1_i64..1000), 1..8),
            others in proptest::collection::vec(any_promotion(), 0..3),
            start in 0_i64..500,
        ) {
            let mut time = 0;
            let list: Vec<_> = prices.iter().map(|&(gap, cents)| {
                let entry = (Timestamp(time), Money::eur(cents));
                time += gap;
                entry
            }).collect();
            let refs: Vec<_> = others.iter().collect();
            let lowest = lowest_prior(&list, &refs, Timestamp(start)).unwrap();
            // Moment by moment, as a customer would have seen it.
            let mut seen: Option<i64> = None;
            for now in 0..start {
                let (_, price) = list.iter().rev().find(|(since, _)| since.0 <= now).unwrap();
                let best = others.iter().filter(|other| other.holds_at(Timestamp(now)))
                    .filter_map(|other| other.reduction.price(*price).unwrap()).map(|money| money.minor).min();
                let asked = best.unwrap_or(price.minor);
                seen = Some(seen.map_or(asked, |seen| seen.min(asked)));
            }
            prop_assert_eq!(lowest.map(|money| money.minor), seen);
        }
    }
}
