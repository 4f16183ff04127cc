//! What must be true after a run, whatever the load was. Pure: what was promised and what is there, in; what is wrong, out.

use std::collections::{BTreeMap, HashSet};

use serde_json::Value;

use super::ledger::{Basket, Known, Placed};
use super::series::{LOST_ORDERS, MONEY_WRONG, OVERSOLD, UNFINISHED};
use crate::measure::Series;

/// One broken rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wrong {
    /// What it counts as.
    pub(crate) series: &'static Series,
    /// What is wrong, the same words for the same kind of fault.
    pub(crate) what: String,
}

fn wrong(series: &'static Series, what: impl Into<String>) -> Wrong {
    Wrong { series, what: what.into() }
}

/// The state of an order, for people and rules.
pub(crate) fn state(view: &Value) -> &str {
    view["state"].as_str().unwrap_or("without a state")
}

/// An amount in cents; none if there is no such amount.
pub(crate) fn cents(view: &Value, name: &str) -> Option<i64> {
    view[name]["minor"].as_i64()
}

/// Units of an order's lines, added up by what these fields say; lines without them have no part.
pub(crate) fn units(lines: &Value, by: &[&str]) -> BTreeMap<String, i64> {
    let mut units = BTreeMap::new();
    for line in lines.as_array().into_iter().flatten() {
        let names: Option<Vec<&str>> = by.iter().map(|field| line[*field].as_str()).collect();
        if let Some(names) = names {
            *units.entry(names.join(".")).or_default() += line["quantity"].as_i64().unwrap_or_default();
        }
    }
    units
}

/// The lines of an order or its parts.
fn each<'a>(view: &'a Value, name: &str) -> &'a [Value] {
    view[name].as_array().map_or(&[], Vec::as_slice)
}

/// An amount of all of them; none if one does not say.
fn sum(of: &[Value], name: &str) -> Option<i64> {
    of.iter().try_fold(0_i64, |sum, one| sum.checked_add(cents(one, name)?))
}

/// Whether a line costs its pieces less its discount.
fn adds_up(line: &Value) -> bool {
    let whole =
        cents(line, "unit_price").zip(line["quantity"].as_i64()).and_then(|(one, count)| one.checked_mul(count));
    let off = cents(line, "discount").unwrap_or_default();
    off >= 0 && whole.and_then(|whole| whole.checked_sub(off)).is_some_and(|total| cents(line, "total") == Some(total))
}

/// An order at a shop that was answered with success, and what the shop says of it now; `None` if there is none.
pub(crate) fn order(placed: &Placed, found: Option<&Value>) -> Vec<Wrong> {
    let shop = placed.shop;
    let Some(found) = found else { return vec![wrong(&LOST_ORDERS, format!("{shop}: not there"))] };
    let mut all = Vec::new();
    let state = state(found);
    let paid = matches!(state, "confirmed" | "dispatched");
    let fits = match placed.known {
        Known::Confirmed => paid,
        Known::Reserved => matches!(state, "reserved" | "advice" | "advised" | "expired" | "cancelled"),
        Known::Unsure => paid || matches!(state, "reserved" | "advised" | "expired" | "cancelled"),
    };
    if !fits {
        all.push(wrong(&LOST_ORDERS, format!("{shop}: {state} though it was {}", placed.known.word())));
    }
    if found["id"].as_str() != Some(&placed.id) {
        all.push(wrong(&LOST_ORDERS, format!("{shop}: another order than was asked for")));
    }
    if units(&found["lines"], &["sku"]) != placed.lines {
        all.push(wrong(&LOST_ORDERS, format!("{shop}: other goods than were ordered")));
    }
    if cents(found, "total") != Some(placed.total) {
        all.push(wrong(&MONEY_WRONG, format!("{shop}: another total than was answered")));
    }
    let lines = each(found, "lines");
    if sum(lines, "total") != cents(found, "total") {
        all.push(wrong(&MONEY_WRONG, format!("{shop}: lines that are not the total")));
    }
    if !lines.iter().all(adds_up) {
        all.push(wrong(&MONEY_WRONG, format!("{shop}: a line that is not its pieces less its discount")));
    }
    all
}

impl Known {
    fn word(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Unsure => "asked to be paid",
            Self::Confirmed => "confirmed",
        }
    }
}

/// Whether nothing will become of a reseller's order any more.
pub(crate) fn is_over(view: &Value) -> bool {
    matches!(state(view), "delivered" | "cancelled")
}

/// An order at the reseller and what it is now; `None` if there is none.
pub(crate) fn basket(placed: &Basket, found: Option<&Value>) -> Vec<Wrong> {
    let Some(found) = found else { return vec![wrong(&LOST_ORDERS, "reseller: not there")] };
    if !is_over(found) {
        return vec![wrong(&UNFINISHED, format!("reseller: {}", state(found)))];
    }
    let mut all = Vec::new();
    let amount = |name| cents(found, name).unwrap_or_default();
    let (total, paid, refunded) = (amount("total"), amount("paid"), amount("refunded"));
    let (lines, parts) = (each(found, "lines"), each(found, "sub_orders"));
    if units(&found["lines"], &["shop", "sku"]) != placed.lines {
        all.push(wrong(&LOST_ORDERS, "reseller: other goods than were ordered"));
    }
    if total != placed.total {
        all.push(wrong(&MONEY_WRONG, "reseller: another total than was answered"));
    }
    if sum(parts, "total") != Some(total) {
        all.push(wrong(&MONEY_WRONG, "reseller: parts that are not the total"));
    }
    let with_shipping =
        sum(lines, "total").zip(sum(parts, "shipping")).and_then(|(goods, fees)| goods.checked_add(fees));
    if with_shipping != Some(total) || !lines.iter().all(adds_up) {
        all.push(wrong(&MONEY_WRONG, "reseller: lines and shipping that are not the total"));
    }
    let moved = |kind: &str| {
        let movements = each(found, "movements").iter().filter(|one| one["kind"] == kind);
        movements.map(|one| cents(one, "amount").unwrap_or_default()).sum::<i64>()
    };
    if (moved("charge"), moved("refund")) != (paid, refunded) {
        all.push(wrong(&MONEY_WRONG, "reseller: movements that are not what was paid and refunded"));
    }
    let kept: i64 = parts.iter().map(kept).sum();
    match state(found) {
        "cancelled" if paid != refunded => all.push(wrong(&MONEY_WRONG, "reseller: cancelled and not paid back")),
        "delivered" if paid - refunded != kept => {
            all.push(wrong(&MONEY_WRONG, "reseller: kept another amount than for what was delivered"));
        }
        _ => {}
    }
    if state(found) == "delivered" && each(found, "parcels").is_empty() {
        all.push(wrong(&LOST_ORDERS, "reseller: delivered without a parcel"));
    }
    all
}

/// What is paid for a part of a delivered order: all of it if it came; of what came back the way, and medicines, which cannot
/// be sold again.
fn kept(part: &Value) -> i64 {
    let amount = |name| cents(part, name).unwrap_or_default();
    match (state(part), part["shop"].as_str()) {
        ("delivered", _) | ("returned", Some("pharmacy")) => amount("total"),
        ("returned", _) => amount("shipping"),
        _ => 0,
    }
}

/// A parcel of a delivered order, as its courier tells of it.
pub(crate) fn parcel(in_order: &Value, found: Option<&Value>) -> Vec<Wrong> {
    let Some(found) = found else { return vec![wrong(&LOST_ORDERS, "courier: no such parcel")] };
    if state(found) == state(in_order) {
        return Vec::new();
    }
    vec![wrong(&LOST_ORDERS, format!("courier: a parcel {} that the reseller calls {}", state(found), state(in_order)))]
}

/// A promotion: how many units there are, how many customers have paid for, how many they may have been promised at most, and
/// how many its book says.
pub(crate) fn promotion(quota: i64, paid: i64, most: i64, used: i64) -> Vec<Wrong> {
    let mut all = Vec::new();
    if used > quota || paid > quota {
        all.push(wrong(&OVERSOLD, "promotion: given to more than there were"));
    }
    if !(paid..=most).contains(&used) {
        all.push(wrong(&OVERSOLD, "promotion: its book is not what its customers were promised"));
    }
    all
}

/// A shop's own audit.
pub(crate) fn audit(shop: &str, view: &Value) -> Vec<Wrong> {
    if view["whole"] == true { Vec::new() } else { vec![wrong(&OVERSOLD, format!("{shop}: its books do not add up"))] }
}

/// A customer's list of orders at one place, held against those that were answered; `unsure` may be more.
pub(crate) fn list(at: &str, promised: &HashSet<&str>, listed: &HashSet<String>, unsure: u64) -> Vec<Wrong> {
    let missing = promised.iter().filter(|id| !listed.contains(**id)).count();
    let more = listed.iter().filter(|id| !promised.contains(id.as_str())).count() as u64;
    let missing = (0..missing).map(|_| wrong(&LOST_ORDERS, format!("{at}: not in the customer's list")));
    let more = (unsure..more).map(|_| wrong(&MONEY_WRONG, format!("{at}: an order that nobody placed")));
    missing.chain(more).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn names(all: &[Wrong]) -> Vec<&'static str> {
        all.iter().map(|one| one.series.name).collect()
    }

    fn placed(known: Known) -> Placed {
        let lines = BTreeMap::from([("A".to_owned(), 3), ("B".to_owned(), 1)]);
        Placed {
            shop: "grocery",
            id: "o1".to_owned(),
            customer: 0,
            lines,
            promotions: BTreeMap::new(),
            total: 300,
            known,
        }
    }

    fn money(minor: i64) -> Value {
        json!({ "minor": minor, "currency": "EUR" })
    }

    /// Three of A, one euro off, and one of B.
    fn found(state: &str) -> Value {
        json!({ "id": "o1", "state": state, "total": money(300), "lines": [
            { "sku": "A", "quantity": 3, "unit_price": money(100), "discount": money(100), "total": money(200) },
            { "sku": "B", "quantity": 1, "unit_price": money(100), "discount": money(0), "total": money(100) },
        ] })
    }

    fn with(view: &Value, pointer: &str, value: impl Into<Value>) -> Value {
        let mut view = view.clone();
        *view.pointer_mut(pointer).unwrap() = value.into();
        view
    }

    #[test]
    fn a_confirmed_order_stays_so() {
        for state in ["confirmed", "dispatched"] {
            assert_eq!(order(&placed(Known::Confirmed), Some(&found(state))), []);
            assert_eq!(order(&placed(Known::Unsure), Some(&found(state))), []);
            assert_eq!(names(&order(&placed(Known::Reserved), Some(&found(state)))), ["lost_orders"]);
        }
        for state in ["reserved", "cancelled", "expired", "?"] {
            assert_eq!(names(&order(&placed(Known::Confirmed), Some(&found(state)))), ["lost_orders"]);
        }
        assert_eq!(order(&placed(Known::Reserved), Some(&found("expired"))), []);
        assert_eq!(names(&order(&placed(Known::Confirmed), None)), ["lost_orders"]);
    }

    #[test]
    fn an_order_keeps_its_goods_and_its_price() {
        let changed = |pointer, value: Value| {
            names(&order(&placed(Known::Confirmed), Some(&with(&found("confirmed"), pointer, value))))
        };
        assert_eq!(changed("/id", "o2".into()), ["lost_orders"]);
        assert_eq!(changed("/lines/1/sku", "C".into()), ["lost_orders"]);
        assert_eq!(changed("/lines/1/quantity", 2.into()), ["lost_orders", "money_wrong"]);
        assert_eq!(changed("/lines/0/discount/minor", 99.into()), ["money_wrong"]);
        assert_eq!(changed("/lines/0/total/minor", 201.into()), ["money_wrong", "money_wrong"]);
        assert_eq!(changed("/total/minor", 301.into()), ["money_wrong", "money_wrong"]);
        assert_eq!(changed("/lines", json!([])), ["lost_orders", "money_wrong"]);
        // Nothing is dearer by a discount.
        let below = with(&with(&found("confirmed"), "/lines/0/discount/minor", -50), "/lines/0/unit_price/minor", 50);
        assert_eq!(names(&order(&placed(Known::Confirmed), Some(&below))), ["money_wrong"]);
    }

    /// An order at the reseller whose every part has one product, and a euro for its way.
    fn view(state: &str, parts: &[(&str, &str, i64)], refunded: i64) -> Value {
        let total: i64 = parts.iter().map(|(.., total)| total).sum();
        let part = |(shop, state, total): &(&str, &str, i64)| json!({ "shop": shop, "state": state, "total": money(*total), "shipping": money(100) });
        let line = |(shop, _, total): &(&str, &str, i64)| json!({ "shop": shop, "sku": "A", "quantity": 1, "unit_price": money(total - 100), "total": money(total - 100) });
        json!({
            "id": "b1", "state": state, "total": money(total), "paid": money(total), "refunded": money(refunded),
            "lines": parts.iter().map(line).collect::<Vec<_>>(),
            "sub_orders": parts.iter().map(part).collect::<Vec<_>>(),
            "movements": [{ "kind": "charge", "amount": money(total) }, { "kind": "refund", "amount": money(refunded) }],
            "parcels": [{ "number": "p1", "state": "delivered" }],
        })
    }

    fn bought(view: &Value) -> Basket {
        let lines = units(&view["lines"], &["shop", "sku"]);
        Basket { id: "b1".to_owned(), customer: 0, lines, total: cents(view, "total").unwrap() }
    }

    fn judged(view: &Value) -> Vec<&'static str> {
        names(&basket(&bought(view), Some(view)))
    }

    #[test]
    fn a_basket_ends_whole_or_undone_and_its_money_adds_up() {
        let (sofa, bread, pills) = ("furniture", "grocery", "pharmacy");
        let whole = view("delivered", &[(sofa, "delivered", 500), (bread, "delivered", 200)], 0);
        assert!(judged(&whole).is_empty());
        assert!(judged(&view("delivered", &[(sofa, "delivered", 500), (bread, "lost", 200)], 200)).is_empty());
        assert!(judged(&view("delivered", &[(sofa, "returned", 500), (pills, "returned", 200)], 400)).is_empty());
        assert!(judged(&view("cancelled", &[(sofa, "undone", 500)], 500)).is_empty());
        let unpaid = with(&view("cancelled", &[(sofa, "undone", 500)], 0), "/paid", money(0));
        assert!(judged(&with(&unpaid, "/movements", json!([]))).is_empty());
        for wrong in [
            view("delivered", &[(sofa, "delivered", 500), (bread, "lost", 200)], 0),
            view("delivered", &[(sofa, "delivered", 500)], 1),
            view("cancelled", &[(sofa, "undone", 500)], 0),
            with(&whole, "/movements", json!([])),
            with(&whole, "/sub_orders/0/total", money(499)),
            with(&whole, "/sub_orders/0/shipping", money(99)),
            with(&whole, "/lines/0/total", money(401)),
        ] {
            assert!(judged(&wrong).contains(&"money_wrong"), "{wrong}");
            assert!(!judged(&wrong).contains(&"lost_orders"), "{wrong}");
        }
        let dearer = Basket { total: 699, ..bought(&whole) };
        assert_eq!(names(&basket(&dearer, Some(&whole))), ["money_wrong"]);
    }

    #[test]
    fn a_basket_comes_to_its_end_with_all_that_was_in_it() {
        let whole = view("delivered", &[("furniture", "delivered", 500)], 0);
        assert_eq!(judged(&view("collecting", &[("furniture", "held", 500)], 0)), ["unfinished"]);
        assert_eq!(judged(&with(&whole, "/parcels", json!([]))), ["lost_orders"]);
        let other = basket(&bought(&whole), Some(&with(&whole, "/lines/0/sku", "B")));
        assert_eq!(names(&other), ["lost_orders"]);
        assert_eq!(names(&basket(&bought(&whole), None)), ["lost_orders"]);
        let told = |state: &str| json!({ "state": state });
        assert!(parcel(&told("delivered"), Some(&told("delivered"))).is_empty());
        assert_eq!(names(&parcel(&told("delivered"), Some(&told("lost")))), ["lost_orders"]);
        assert_eq!(names(&parcel(&told("delivered"), None)), ["lost_orders"]);
    }

    #[test]
    fn books_that_do_not_add_up_are_oversold() {
        assert!(audit("grocery", &json!({ "whole": true })).is_empty());
        assert_eq!(names(&audit("grocery", &json!({ "whole": false }))), ["oversold"]);
        assert_eq!(names(&audit("grocery", &Value::Null)), ["oversold"]);
    }

    proptest! {
        #[test]
        fn a_promotion_is_whole_exactly_if_its_book_is_within_what_is_known(
            quota in 0..50i64, paid in 0..60i64, more in 0..10i64, used in 0..60i64,
        ) {
            let whole = paid <= quota && used <= quota && used >= paid && used <= paid + more;
            prop_assert_eq!(promotion(quota, paid, paid + more, used).is_empty(), whole);
        }

        #[test]
        fn lists_miss_nothing_and_have_no_more(promised in 0..20usize, missing in 0..5usize, more in 0..5u64, unsure in 0..5u64) {
            let ids: Vec<String> = (0..promised).map(|number| format!("o{number}")).collect();
            let listed = ids.iter().skip(missing).cloned().chain((0..more).map(|number| format!("x{number}"))).collect();
            let all = list("grocery", &ids.iter().map(String::as_str).collect(), &listed, unsure);
            let lost = all.iter().filter(|one| one.series == &LOST_ORDERS).count();
            prop_assert_eq!((lost, all.len() - lost), (missing.min(promised), more.saturating_sub(unsure) as usize));
        }
    }
}
