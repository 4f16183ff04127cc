//! The plans' rules on random baskets, and their time.

use std::time::Duration;

use proptest::prelude::*;

use super::{Basket, Choice, Demand, Method, Planner, Shipping, measure};

const LIMIT: Duration = Duration::from_millis(200);

fn basket(lines: std::ops::Range<usize>, shops: usize, most: i64) -> impl Strategy<Value = Basket> {
    let shipping =
        (0_i64..2_000, proptest::option::of(500_i64..8_000)).prop_map(|(fee, free_from)| Shipping { fee, free_from });
    let choice = move |shop| {
        (1_i64..3_000, 0_i64..400, 0..=most).prop_map(move |(cost, margin, available)| Choice {
            shop,
            price: cost + margin,
            cost,
            available,
        })
    };
    let choices = (0..shops).map(|shop| proptest::option::weighted(0.8, choice(shop))).collect::<Vec<_>>();
    let demand = (1..=most, choices)
        .prop_map(|(quantity, choices)| Demand { quantity, choices: choices.into_iter().flatten().collect() });
    (proptest::collection::vec(shipping, shops), proptest::collection::vec(demand, lines))
        .prop_map(|(shops, lines)| Basket { shops, lines })
}

/// The cheapest total by trying everything.
fn brute(basket: &Basket) -> i64 {
    fn fill(basket: &Basket, take: &mut Vec<Vec<i64>>, best: &mut i64) {
        if take.len() == basket.lines.len() {
            if let Some(plan) = basket.priced(take.clone(), Method::Optimal) {
                *best = plan.total.min(*best);
            }
            return;
        }
        let line = &basket.lines[take.len()];
        let mut amounts = vec![0; line.choices.len()];
        loop {
            take.push(amounts.clone());
            fill(basket, take, best);
            take.pop();
            let Some(at) = (0..amounts.len()).find(|&at| amounts[at] < line.choices[at].available) else { return };
            amounts[at] += 1;
            amounts[..at].fill(0);
        }
    }
    let mut best = i64::MAX;
    fill(basket, &mut Vec::new(), &mut best);
    best
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn equals_brute_force(basket in basket(1..4, 3, 2)) {
        let plan = basket.solve(LIMIT);
        prop_assert_eq!(plan.total, brute(&basket), "{:?}", plan);
    }

    #[test]
    fn covers_all_that_can_be_had(basket in basket(1..21, 5, 40)) {
        let plan = basket.solve(LIMIT);
        let mut goods = 0;
        for ((line, take), short) in basket.lines.iter().zip(&plan.take).zip(&plan.short) {
            let stock: i64 = line.choices.iter().map(|choice| choice.available).sum();
            prop_assert_eq!(*short, (line.quantity - stock).max(0));
            prop_assert_eq!(take.iter().sum::<i64>() + short, line.quantity);
            for (choice, amount) in line.choices.iter().zip(take) {
                prop_assert!((0..=choice.available).contains(amount));
                goods += amount * choice.price;
            }
        }
        prop_assert_eq!(plan.total, goods + plan.shipping.iter().sum::<i64>());
        prop_assert!(plan.total <= basket.greedy().total);
        // Without time there is still a plan, and no time to prove anything.
        let hasty = basket.solve(Duration::ZERO);
        prop_assert!(hasty.total <= basket.greedy().total);
    }
}

#[test]
fn a_dearer_shop_with_free_shipping_wins() {
    let shops = vec![Shipping { fee: 900, free_from: None }, Shipping { fee: 900, free_from: Some(2_000) }];
    let choices = vec![
        Choice { shop: 0, price: 1_000, cost: 1_000, available: 9 },
        Choice { shop: 1, price: 1_100, cost: 1_000, available: 9 },
    ];
    let basket = Basket { shops, lines: vec![Demand { quantity: 2, choices }] };
    let plan = basket.solve(LIMIT);
    assert_eq!((plan.take, plan.shipping, plan.total), (vec![vec![0, 2]], vec![0, 0], 2_200));
}

#[test]
fn nothing_to_choose_needs_no_solver() {
    let choices = vec![Choice { shop: 0, price: 10, cost: 10, available: 1 }];
    let basket = Basket {
        shops: vec![Shipping { fee: 5, free_from: None }],
        lines: vec![Demand { quantity: 3, choices }, Demand { quantity: 1, choices: Vec::new() }],
    };
    let plan = basket.solve(LIMIT);
    assert_eq!((plan.method, plan.total, plan.short), (Method::Forced, 15, vec![2, 1]));
}

#[tokio::test]
async fn a_busy_planner_is_greedy() {
    let planner = Planner::new(Duration::from_millis(5));
    let _all = planner.all_threads().await;
    let choices = (0..2).map(|shop| Choice { shop, price: 10, cost: 10, available: 1 }).collect();
    let basket =
        Basket { shops: vec![Shipping { fee: 5, free_from: None }; 2], lines: vec![Demand { quantity: 1, choices }] };
    assert_eq!(planner.plan(basket).await.method, Method::Greedy);
}

/// Twenty lines over five shops, the figure of the README: median under 20 ms even in a debug build (where the dependencies
/// are optimized and this crate is not).
#[test]
fn twenty_lines_over_five_shops_in_time() {
    let times = measure(20, 5, 20, Duration::from_millis(20));
    println!("{times:?}");
    assert!(times.p50_us < 20_000 && times.p50_us <= times.p99_us && times.p99_us <= times.max_us, "{times:?}");
    assert!(times.baskets == 20 && times.optimal > 0 && times.total <= times.greedy_total, "{times:?}");
}
