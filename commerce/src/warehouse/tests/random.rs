//! Whatever is done in whatever order: the books hold, nothing expired leaves, and no number is used twice.

use std::collections::HashSet;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use super::{World, fresh, id, shipment, world};
use crate::id::check_digit;

#[derive(Debug, Clone)]
enum Act {
    Receive { item: u8, quantity: i64, lot: u8, days: i64 },
    Order { lines: Vec<(u8, i64)>, partial: bool },
    Pick { which: usize, missing: Option<i64> },
    Step { which: usize, step: &'static str },
    Count { row: usize, counted: i64 },
    Wait { days: u64 },
}

fn act() -> impl Strategy<Value = Act> {
    let lines = proptest::collection::vec((0_u8..3, 1_i64..6), 1..3);
    prop_oneof![
        3 => (0_u8..3, 1_i64..9, 0_u8..3, 1_i64..6).prop_map(|(item, quantity, lot, days)| Act::Receive { item, quantity, lot, days }),
        4 => (lines, any::<bool>()).prop_map(|(lines, partial)| Act::Order { lines, partial }),
        5 => (0_usize..20, proptest::option::weighted(0.3, 0_i64..3)).prop_map(|(which, missing)| Act::Pick { which, missing }),
        6 => (0_usize..20, prop_oneof![Just("pack"), Just("ship"), Just("cancel")]).prop_map(|(which, step)| Act::Step { which, step }),
        2 => (0_usize..9, 0_i64..12).prop_map(|(row, counted)| Act::Count { row, counted }),
        1 => (0_u64..2).prop_map(|days| Act::Wait { days }),
    ]
}

fn item(number: u8) -> String {
    format!("grocery.THING-{number}")
}

/// Does it if it can be done; refusals are part of the game, failures are not.
async fn play(world: &World, orders: &mut Vec<Value>, act: &Act) {
    let (path, body) = match act {
        Act::Receive { item: number, quantity, lot, days } => {
            // A lot expires when it expires, whenever it comes.
            let goods = fresh(&item(*number), *quantity, &format!("L{lot}-{days}"), *days);
            ("/receipts".to_owned(), json!({ "reference": crate::id::new_uuid(), "lines": [goods] }))
        }
        Act::Order { lines, partial } => {
            let lines: Vec<_> = lines.iter().map(|(number, quantity)| (item(*number), *quantity)).collect();
            let lines: Vec<_> = lines.iter().map(|(item, quantity)| (item.as_str(), *quantity)).collect();
            let mut body = shipment(&lines);
            body["partial"] = json!(partial);
            orders.push(world.done("/shipments", &body).await);
            return;
        }
        Act::Pick { which, missing } => {
            let Some(order) = orders.get(*which % orders.len().max(1)) else { return };
            let path = format!("/shipments/{}/pick", id(order));
            let picks = world.get(&format!("{path}s")).await;
            let short = missing.and_then(|missing| Some((picks.get(0)?, missing)));
            let found = short.map(|(pick, missing)| {
                let quantity = (pick["quantity"].as_i64().unwrap() - missing).max(0);
                json!({ "line": pick["line"], "stock": pick["stock"], "quantity": quantity })
            });
            (path, json!({ "found": found.into_iter().collect::<Vec<_>>() }))
        }
        Act::Step { which, step } => {
            let Some(order) = orders.get(*which % orders.len().max(1)) else { return };
            let body = if *step == "cancel" { json!({ "reason": "random" }) } else { json!({}) };
            (format!("/shipments/{}/{step}", id(order)), body)
        }
        Act::Count { row, counted } => {
            let stock = world.get("/stock").await;
            let Some(row) = stock["items"].get(*row) else { return };
            let body = json!({ "item": row["item"], "lot": row["lot"], "bin": row["bin"], "counted": counted, "reason": "random" });
            ("/counts".to_owned(), body)
        }
        Act::Wait { days } => return world.pass(days * 86_400 + 60).await,
    };
    let (status, answer) = world.post(&path, &body).await;
    assert!(!status.is_server_error(), "{path} {body}: {answer}");
}

async fn check(world: &World, orders: &[Value]) -> Result<(), TestCaseError> {
    world.holds().await;
    let shipments = world.get("/shipments?limit=200").await;
    let shipments = shipments["items"].as_array().unwrap();
    prop_assert_eq!(shipments.len(), orders.len());
    let mut numbers = HashSet::new();
    for shipment in shipments {
        if let Some(sscc) = shipment["sscc"].as_str() {
            prop_assert!(sscc.len() == 18 && sscc[17..] == check_digit(&sscc[..17]).to_string(), "{}", sscc);
            prop_assert!(numbers.insert(sscc.to_owned()), "{} twice", sscc);
        }
        for line in shipment["lines"].as_array().unwrap() {
            let [quantity, reserved, picked, shipped] =
                ["quantity", "reserved", "picked", "shipped"].map(|member| line[member].as_i64().unwrap());
            prop_assert!(picked <= reserved && reserved <= quantity && shipped <= quantity, "{}", line);
            let whole = shipment["partial"] == true || reserved == quantity;
            let state = shipment["state"].as_str().unwrap();
            prop_assert!(!matches!(state, "reserved" | "picking" | "packed") || whole, "{}", shipment);
            prop_assert!(state != "packed" || picked == reserved, "{}", shipment);
            prop_assert!(state != "shipped" || shipped > 0 || shipment["partial"] == true, "{}", shipment);
        }
    }
    for order in orders {
        for pick in world.get(&format!("/shipments/{}/picks", id(order))).await.as_array().unwrap() {
            // What has expired is taken off the shelf by the next round, and a walk does not bring it.
            prop_assert!(
                pick["quantity"].as_i64().unwrap() > 0 && pick["bin"].as_str().unwrap().starts_with('K'),
                "{}",
                pick
            );
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 60, ..ProptestConfig::default() })]

    #[test]
    fn the_books_hold(acts in proptest::collection::vec(act(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        runtime.block_on(async {
            let world = world(0).await;
            let mut orders = Vec::new();
            for act in &acts {
                play(&world, &mut orders, act).await;
            }
            check(&world, &orders).await
        })?;
    }
}
