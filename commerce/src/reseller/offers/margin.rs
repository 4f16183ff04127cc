//! What the customer pays for what a shop asks.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::money::{Money, MoneyError};
use crate::reseller::saga::Shop;

/// Where prices end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// At the cent.
    Cent,
    /// At the next five cents upwards, as Finnish cash has it.
    #[default]
    FiveCents,
}

/// The reseller's margins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Margins {
    /// Basis points.
    pub default: i64,
    /// Basis points of categories that differ.
    pub of_category: BTreeMap<String, i64>,
    /// Where prices end.
    pub rounding: Rounding,
}

impl Margins {
    /// The customer's price. A medicine's is the pharmacy's: it is regulated, and the pharmacy is the seller.
    ///
    /// # Errors
    /// [`MoneyError::Overflow`].
    pub(crate) fn price(&self, shop: Shop, category: &str, cost: Money) -> Result<Money, MoneyError> {
        if !shop.through_warehouse() {
            return Ok(cost);
        }
        let points = self.of_category.get(category).copied().unwrap_or(self.default);
        let price = cost.plus(cost.share(points)?)?;
        match self.rounding {
            Rounding::Cent => Ok(price),
            Rounding::FiveCents => {
                let above = price.minor.rem_euclid(5);
                price.plus(Money { minor: (5 - above) % 5, ..price })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::{Margins, Rounding};
    use crate::money::Money;
    use crate::reseller::saga::Shop;

    fn margins(rounding: Rounding) -> Margins {
        Margins { default: 1_000, of_category: BTreeMap::from([("sofa".to_owned(), 2_000)]), rounding }
    }

    #[test]
    fn categories_and_medicines_differ() {
        let price = |shop, category| margins(Rounding::FiveCents).price(shop, category, Money::eur(1_001)).unwrap();
        assert_eq!(price(Shop::Furniture, "lamp"), Money::eur(1_105));
        assert_eq!(price(Shop::Furniture, "sofa"), Money::eur(1_205));
        assert_eq!(price(Shop::Pharmacy, "sofa"), Money::eur(1_001));
        assert_eq!(margins(Rounding::Cent).price(Shop::Grocery, "", Money::eur(1_001)), Ok(Money::eur(1_101)));
    }

    proptest! {
        #[test]
        fn never_below_cost_and_less_than_five_cents_above_exact(cost in 0_i64..1_000_000_000) {
            let exact = margins(Rounding::Cent).price(Shop::Grocery, "", Money::eur(cost)).unwrap();
            let round = margins(Rounding::FiveCents).price(Shop::Grocery, "", Money::eur(cost)).unwrap();
            prop_assert!(exact.minor >= cost && round.minor % 5 == 0);
            prop_assert!((0..5).contains(&(round.minor - exact.minor)));
        }
    }
}
