//! How long plans take, on made-up baskets that are the same in every run.

use std::time::{Duration, Instant};

use serde::Serialize;

use super::{Basket, Choice, Demand, Method, Shipping};

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct SourcingTimes {
    /// Baskets planned, one after the other.
    pub(crate) baskets: usize,
    /// Microseconds that half of them took at most.
    pub(crate) p50_us: u128,
    /// Microseconds that all but one in a hundred took at most.
    pub(crate) p99_us: u128,
    /// Microseconds of the slowest.
    pub(crate) max_us: u128,
    /// Plans that are proven to be the cheapest.
    pub(crate) optimal: usize,
    /// What all plans cost, in minor units.
    pub(crate) total: i64,
    /// What the plans of the greedy fallback cost.
    pub(crate) greedy_total: i64,
}

/// Plans baskets of so many lines that so many shops compete for; the solver may take `limit` for each.
pub(crate) fn measure(lines: usize, shops: usize, baskets: usize, limit: Duration) -> SourcingTimes {
    let mut times = Vec::with_capacity(baskets);
    let (mut optimal, mut total, mut greedy_total) = (0, 0, 0);
    for basket in made_up(lines, shops).take(baskets) {
        let begun = Instant::now();
        let plan = basket.solve(limit);
        times.push(begun.elapsed().as_micros());
        optimal += usize::from(plan.method == Method::Optimal);
        total += plan.total;
        greedy_total += basket.greedy().total;
    }
    times.sort_unstable();
    let rank =
        |percent: usize| times.get((times.len() * percent).div_ceil(100).max(1) - 1).copied().unwrap_or_default();
    let (p50_us, p99_us, max_us) = (rank(50), rank(99), rank(100));
    SourcingTimes { baskets: times.len(), p50_us, p99_us, max_us, optimal, total, greedy_total }
}

/// Every shop has every line at a price around the list price, and some have too few.
fn made_up(lines: usize, shops: usize) -> impl Iterator<Item = Basket> {
    let mut seed = 7_u64;
    let mut random = move |from: i64, to: i64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        from + i64::try_from(seed >> 33).unwrap_or(0) % (to - from)
    };
    std::iter::repeat_with(move || {
        let terms =
            (0..shops).map(|_| Shipping { fee: random(300, 1_500), free_from: Some(random(5_000, 20_000)) }).collect();
        let demands = (0..lines).map(|_| {
            let list = random(100, 5_000);
            let choice = |shop| {
                let cost = list * random(80, 125) / 100;
                Choice { shop, price: cost * 115 / 100, cost, available: random(0, 12) }
            };
            let choices = (0..shops).map(choice).collect();
            Demand { quantity: random(1, 10), choices }
        });
        let lines = demands.collect();
        Basket { shops: terms, lines }
    })
}
