//! The plan that is always there: cheapest shops first, then fewer shops where that saves money.

use super::{Basket, Method, Sourcing};

impl Basket {
    /// Starts with every line at its cheapest shops and closes one shop after another as long as that makes it cheaper.
    /// At most shops² tries of one pass over the basket.
    pub(super) fn greedy(&self) -> Sourcing {
        let mut open = vec![true; self.shops.len()];
        let mut best = self.cheapest(&open);
        loop {
            let without = |shop: usize| {
                let mut fewer = open.clone();
                fewer[shop] = false;
                self.priced(self.allotted(&fewer), Method::Greedy).map(|plan| (plan, shop))
            };
            let tries = (0..open.len()).filter(|&shop| open[shop]).filter_map(without);
            match tries.min_by_key(|(plan, _)| plan.total) {
                Some((plan, shop)) if plan.total < best.total => {
                    open[shop] = false;
                    best = plan;
                }
                _ => return best,
            }
        }
    }

    fn cheapest(&self, open: &[bool]) -> Sourcing {
        // With all shops open this covers all that can be covered; sums outside 64 bits are kept out by the limits.
        self.priced(self.allotted(open), Method::Greedy).unwrap_or_else(|| Sourcing {
            take: self.lines.iter().map(|line| vec![0; line.choices.len()]).collect(),
            short: self.lines.iter().map(|line| line.quantity).collect(),
            shipping: vec![0; self.shops.len()],
            total: 0,
            method: Method::Greedy,
        })
    }

    /// Each line from its cheapest open shops.
    fn allotted(&self, open: &[bool]) -> Vec<Vec<i64>> {
        let allot = |line: &super::Demand| {
            let mut order: Vec<usize> = (0..line.choices.len()).filter(|&at| open[line.choices[at].shop]).collect();
            order.sort_by_key(|&at| line.choices[at].price);
            let mut amounts = vec![0; line.choices.len()];
            let mut wanted = line.quantity;
            for at in order {
                amounts[at] = wanted.min(line.choices[at].available).max(0);
                wanted -= amounts[at];
            }
            amounts
        };
        self.lines.iter().map(allot).collect()
    }
}
