//! The history in words a person understands. No addresses, no codes of shops' insides.

use super::model::{Entry, OrderState, Part, Shop};
use crate::money::Money;

/// Reasons for which an order or a part of it is undone.
pub(super) const TOO_LONG: &str = "it took too long to get everything together";
pub(super) const NOT_SENT: &str = "the shop did not send it in time";
pub(super) const UNPAID: &str = "the payment was refused";
pub(super) const SHOP_CANCELLED: &str = "a shop cancelled its part";
pub(super) const DEARER: &str = "the price has gone up";

fn entry(step: &'static str, detail: String) -> Entry {
    Entry { step, detail }
}

/// A part's shop as people call it.
fn shop(part: &Part) -> &str {
    match (part.seller.as_str(), part.shop) {
        ("", Shop::Grocery) => "The grocery",
        ("", Shop::Furniture) => "The furniture shop",
        ("", Shop::Pharmacy) => "The pharmacy",
        (seller, _) => seller,
    }
}

/// What some parts hold: `3 x Sofa, 1 x Cheese`.
pub(super) fn what<'a>(parts: impl Iterator<Item = &'a Part>) -> String {
    let lines = parts.flat_map(|part| &part.lines).map(|line| format!("{} x {}", line.quantity, line.name));
    lines.collect::<Vec<_>>().join(", ")
}

/// One part's content.
fn goods(part: &Part) -> String {
    what(std::iter::once(part))
}

pub(crate) fn placed(amount: Money) -> Entry {
    entry("placed", format!("We have your order over {amount} and ask the shops to keep the goods for you."))
}

pub(super) fn held(part: &Part) -> Entry {
    let tail = if part.needs_advice() { " A pharmacist will advise you first." } else { "" };
    entry("held", format!("{} keeps for you: {}.{tail}", shop(part), goods(part)))
}

pub(super) fn advised() -> Entry {
    entry("advised", "The pharmacist has given advice.".to_owned())
}

pub(super) fn failed(part: &Part, why: &str) -> Entry {
    entry("shop_failed", format!("{} cannot give us: {} ({why}).", shop(part), goods(part)))
}

pub(super) fn replanned(parts: &[Part]) -> Entry {
    let lines: Vec<String> = parts.iter().map(|part| format!("{}: {}", shop(part), goods(part))).collect();
    entry("replanned", format!("Other shops stand in, at the same price to you. {}.", lines.join("; ")))
}

pub(super) fn paid(amount: Money) -> Entry {
    entry("paid", format!("You paid {amount}."))
}

pub(super) fn payment_refused() -> Entry {
    entry("payment_refused", "The payment was refused. Nothing was charged.".to_owned())
}

pub(super) fn never_charged() -> Entry {
    entry("not_charged", "Nothing was charged.".to_owned())
}

pub(super) fn confirmed(part: &Part) -> Entry {
    entry("shop_confirmed", format!("{} has confirmed: {}.", shop(part), goods(part)))
}

pub(super) fn sent(part: &Part, too_late: bool) -> Entry {
    let head = if too_late { "Too late to take it back: " } else { "" };
    let to = if part.shop.through_warehouse() { "to our warehouse" } else { "to you in a parcel of its own" };
    entry("shop_sent", format!("{head}{} has sent {to}: {}.", shop(part), goods(part)))
}

pub(super) fn received(part: &Part) -> Entry {
    entry("received", format!("In our warehouse: {}.", goods(part)))
}

pub(super) fn shop_gave_up(part: &Part) -> Entry {
    entry("shop_cancelled", format!("{} no longer keeps for you: {}.", shop(part), goods(part)))
}

pub(super) fn released(part: &Part) -> Entry {
    let content = if part.lines.is_empty() { "its goods".to_owned() } else { goods(part) };
    entry("released", format!("{} has taken back: {content}.", shop(part)))
}

pub(super) fn undoing(why: &str) -> Entry {
    entry("cancelling", format!("The order is being cancelled: {why}."))
}

pub(super) fn refunded(part: &Part, amount: Money) -> Entry {
    entry("refunded", format!("We paid back {amount} for: {}.", goods(part)))
}

pub(super) fn bought_again(part: &Part) -> Entry {
    entry("bought_again", format!("Lost on the way; we buy it again at no cost to you: {}.", goods(part)))
}

pub(super) fn shipment(state: &str) -> Option<Entry> {
    let detail = match state {
        "packed" => "Your parcel is packed.",
        "shipped" => "Your parcel has left our warehouse.",
        "short" => "Some of the goods could not be found in our warehouse.",
        "cancelled" => "Our warehouse cannot send the parcel.",
        _ => return None,
    };
    Some(entry("shipment", detail.to_owned()))
}

pub(super) fn parcel(number: &str, state: &str) -> Entry {
    let detail = match state {
        "booked" => "is announced to the courier",
        "accepted" => "is with the courier",
        "in_transit" => "is on its way",
        "out_for_delivery" => "comes to your door today",
        "delayed" => "is late",
        "delivered" => "was delivered",
        "lost" => "was lost on the way",
        "returned" => "could not be delivered and came back",
        "cancelled" => "was called back",
        _ => "has news",
    };
    entry("parcel", format!("Parcel {number} {detail}."))
}

/// What a new state means, where the facts before it do not say it already.
pub(super) fn of_state(state: OrderState) -> Option<Entry> {
    match state {
        OrderState::Confirmed => Some(entry("confirmed", "All shops have confirmed your order.".to_owned())),
        OrderState::Delivered => {
            Some(entry("delivered", "Everything that could be delivered is at your door.".to_owned()))
        }
        OrderState::Cancelled => {
            Some(entry("cancelled", "The order is cancelled; nothing is kept and nothing is owed.".to_owned()))
        }
        OrderState::Placed
        | OrderState::WaitingAdvice
        | OrderState::Held
        | OrderState::Paid
        | OrderState::Collecting
        | OrderState::Shipping
        | OrderState::Cancelling => None,
    }
}
