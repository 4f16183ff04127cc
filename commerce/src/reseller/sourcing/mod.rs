//! Which shop each line of a basket comes from: the cheapest way to cover all of it.
//!
//! Pure. A mixed integer program decides over whole quantities; its answer is priced again in exact cents and never taken
//! if it breaks a rule or is dearer than the greedy answer.

mod greedy;
mod measure;
mod planner;
mod solver;
#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub(crate) use measure::measure;
pub(crate) use planner::Planner;

/// What a shop asks for bringing its goods, in minor units.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shipping {
    /// Asked once if anything is bought there.
    pub fee: i64,
    /// Nothing is asked from this cost of goods on.
    pub free_from: Option<i64>,
}

/// One way to get one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Choice {
    /// Index into [`Basket::shops`].
    pub shop: usize,
    /// What the customer pays for one, in minor units.
    pub price: i64,
    /// What the shop asks for one: counts towards its free shipping.
    pub cost: i64,
    /// How many there are. Of this line alone: two lines never share stock.
    pub available: i64,
}

/// One line of the basket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Demand {
    /// How many are wanted: 0 or more.
    pub quantity: i64,
    /// Where they can come from.
    pub choices: Vec<Choice>,
}

impl Demand {
    /// How many can be had at all: the rest is short whatever the plan.
    fn coverable(&self) -> i64 {
        let stock: i64 = self.choices.iter().map(|choice| choice.available.max(0)).sum();
        stock.min(self.quantity)
    }
}

/// What is wanted, and from whom it can come. Prices, fees and quantities are within the limits of
/// [`limit`](crate::reseller::limit), so sums fit in 64 bits and in the solver's fractions without loss.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Basket {
    /// Terms of each shop.
    pub shops: Vec<Shipping>,
    /// The lines.
    pub lines: Vec<Demand>,
}

/// How a plan was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Method {
    /// There was nothing to choose.
    Forced,
    /// Proven to be the cheapest.
    Optimal,
    /// The best the solver found until its time was up.
    TimeLimit,
    /// The solver failed or was too slow or too busy: cheapest shops first, then fewer shops where that saves money.
    Greedy,
}

/// Where everything comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sourcing {
    /// Per line and choice: how many.
    pub take: Vec<Vec<i64>>,
    /// Per line: how many cannot be had anywhere.
    pub short: Vec<i64>,
    /// Per shop: what its shipping costs.
    pub shipping: Vec<i64>,
    /// All goods and shipping, as the customer pays them.
    pub total: i64,
    /// How it was found.
    pub method: Method,
}

impl Basket {
    /// The cheapest plan the solver finds within `limit`, else the greedy one.
    ///
    /// Takes about as long as `limit` at worst: call it where blocking is allowed.
    pub(crate) fn solve(&self, limit: Duration) -> Sourcing {
        let greedy = self.greedy();
        if self.lines.iter().all(|line| line.choices.len() <= 1) {
            return Sourcing { method: Method::Forced, ..greedy };
        }
        match solver::solve(self, &greedy, limit) {
            Some(plan) if plan.total <= greedy.total => plan,
            _ => greedy,
        }
    }

    /// Prices quantities exactly. `None` if they break a rule: negative, over stock, or not all that can be covered.
    fn priced(&self, take: Vec<Vec<i64>>, method: Method) -> Option<Sourcing> {
        let mut costs = vec![0_i64; self.shops.len()];
        let mut used = vec![false; self.shops.len()];
        let mut short = Vec::with_capacity(self.lines.len());
        let mut total = 0_i64;
        for (line, amounts) in self.lines.iter().zip(&take) {
            let mut covered = 0_i64;
            for (choice, &amount) in line.choices.iter().zip(amounts) {
                if amount < 0 || amount > choice.available.max(0) {
                    return None;
                }
                covered += amount;
                total = total.checked_add(choice.price.checked_mul(amount)?)?;
                costs[choice.shop] = costs[choice.shop].checked_add(choice.cost.checked_mul(amount)?)?;
                used[choice.shop] |= amount > 0;
            }
            if covered != line.coverable() {
                return None;
            }
            short.push(line.quantity - covered);
        }
        let fee = |shop: usize| match self.shops[shop] {
            Shipping { free_from: Some(from), .. } if costs[shop] >= from => 0,
            Shipping { fee, .. } => fee * i64::from(used[shop]),
        };
        let shipping: Vec<i64> = (0..self.shops.len()).map(fee).collect();
        let total = shipping.iter().try_fold(total, |sum, fee| sum.checked_add(*fee))?;
        Some(Sourcing { take, short, shipping, total, method })
    }
}
