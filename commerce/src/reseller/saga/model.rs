//! What an order consists of.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::address::Address;
use crate::clock::Timestamp;
use crate::money::{CurrencyCode, Money};
use crate::reseller::limit::{FIRST_LOOK, FIRST_RETRY, LAST_LOOK, LAST_RETRY};

/// A shop the reseller buys from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Shop {
    /// The grocery.
    Grocery,
    /// The furniture shop.
    Furniture,
    /// The pharmacy: orders are relayed, it stays the seller.
    Pharmacy,
}

impl Shop {
    /// All of them.
    pub(crate) const ALL: [Self; 3] = [Self::Grocery, Self::Furniture, Self::Pharmacy];

    /// The word in paths, databases and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Grocery => "grocery",
            Self::Furniture => "furniture",
            Self::Pharmacy => "pharmacy",
        }
    }

    /// The shop of such a word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|shop| shop.as_str() == word)
    }

    /// Whether its goods go through our warehouse. The pharmacy sends its own parcels.
    pub(crate) fn through_warehouse(self) -> bool {
        self != Self::Pharmacy
    }
}

/// Where an order stands, as its customer sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = ResellerOrderState)]
pub(crate) enum OrderState {
    /// Taken in; the shops are being asked.
    Placed,
    /// A pharmacist's advice is needed first.
    WaitingAdvice,
    /// All shops keep the goods; the payment is next.
    Held,
    /// Paid; the shops are being told.
    Paid,
    /// All shops have confirmed.
    Confirmed,
    /// Goods are on their way to our warehouse.
    Collecting,
    /// Parcels are on their way to the door.
    Shipping,
    /// At the door. Parts may have been refunded.
    Delivered,
    /// Being undone.
    Cancelling,
    /// Nothing is kept, everything paid was refunded.
    Cancelled,
}

impl OrderState {
    /// The word in databases and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Placed => "placed",
            Self::WaitingAdvice => "waiting_advice",
            Self::Held => "held",
            Self::Paid => "paid",
            Self::Confirmed => "confirmed",
            Self::Collecting => "collecting",
            Self::Shipping => "shipping",
            Self::Delivered => "delivered",
            Self::Cancelling => "cancelling",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Where one part of an order stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum PartState {
    /// To be held at the shop.
    Wanted,
    /// The shop keeps it, but its pharmacist must advise first.
    Advice,
    /// The shop keeps it.
    Held,
    /// The shop has confirmed it.
    Confirmed,
    /// The shop has sent it.
    Dispatched,
    /// It is in our warehouse.
    Received,
    /// It is in a shipment to the door.
    Shipping,
    /// At the door.
    Delivered,
    /// The shop is being asked to take it back.
    Undoing,
    /// Not bought after all.
    Undone,
    /// Another part took its place.
    Replaced,
    /// Lost on the way.
    Lost,
    /// Came back from the door.
    Returned,
}

impl PartState {
    /// The word in databases and JSON.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Wanted => "wanted",
            Self::Advice => "advice",
            Self::Held => "held",
            Self::Confirmed => "confirmed",
            Self::Dispatched => "dispatched",
            Self::Received => "received",
            Self::Shipping => "shipping",
            Self::Delivered => "delivered",
            Self::Undoing => "undoing",
            Self::Undone => "undone",
            Self::Replaced => "replaced",
            Self::Lost => "lost",
            Self::Returned => "returned",
        }
    }

    /// Nothing more happens to it.
    pub(crate) fn is_final(self) -> bool {
        matches!(self, Self::Delivered | Self::Undone | Self::Replaced | Self::Lost | Self::Returned)
    }

    /// On its way to the customer, or there.
    pub(crate) fn is_live(self) -> bool {
        !matches!(self, Self::Undoing | Self::Undone | Self::Replaced | Self::Lost | Self::Returned)
    }

    /// Sent by its shop: too late to take it back.
    pub(crate) fn is_sent(self) -> bool {
        matches!(self, Self::Dispatched | Self::Received | Self::Shipping | Self::Delivered)
    }
}

/// A line as one shop sells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PartLine {
    /// Index of the customer's line.
    pub line: usize,
    /// The shop's code.
    pub sku: String,
    /// What it is, in the customer's language.
    pub name: String,
    /// Pieces.
    pub quantity: i64,
    /// Minor units the customer pays for one.
    pub price: i64,
    /// Minor units the shop asks for one.
    pub cost: i64,
    /// VAT inside the price, basis points.
    pub vat_rate: i64,
    /// The prescription it needs.
    pub prescription: Option<String>,
    /// Whether other shops may stand in.
    pub gtin: Option<String>,
    /// Grams of one.
    pub weight_g: i64,
    /// Millilitres of one.
    pub volume_ml: i64,
    /// Must be kept cold.
    pub cold_chain: bool,
}

impl PartLine {
    /// Minor units of all pieces. Within 64 bits by the limits of quantity and price.
    pub(crate) fn total(&self) -> i64 {
        self.price.saturating_mul(self.quantity)
    }
}

/// How often something was tried in vain, and when the next try is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Retry {
    /// Tries so far.
    pub tries: u32,
    /// Not before.
    pub at: Timestamp,
}

impl Retry {
    /// After one more try in vain: waits double from `first` to `last`.
    pub(crate) fn again(self, now: Timestamp, first: Duration, last: Duration) -> Self {
        let wait = first.saturating_mul(1_u32.checked_shl(self.tries.min(16)).unwrap_or(u32::MAX)).min(last);
        Self { tries: self.tries.saturating_add(1), at: now.after(wait) }
    }

    /// After a part of the system did not answer.
    pub(crate) fn unanswered(self, now: Timestamp) -> Self {
        self.again(now, FIRST_RETRY, LAST_RETRY)
    }

    /// After there was no news.
    pub(crate) fn no_news(self, now: Timestamp) -> Self {
        self.again(now, FIRST_LOOK, LAST_LOOK)
    }
}

/// What one shop sells of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Who sells it.
    pub shop: Shop,
    /// Its name as the seller of record.
    pub seller: String,
    /// The lines.
    pub lines: Vec<PartLine>,
    /// Minor units the customer pays for its shipping.
    pub shipping: i64,
    /// Where it stands.
    pub state: PartState,
    /// The order at the shop, once there is one.
    pub order: Option<String>,
    /// Whether the shop may have been asked for a hold whose answer is not known.
    pub asked: bool,
    /// Holds asked for so far that ran out.
    pub lapsed: u32,
    /// Until when the shop keeps it unconfirmed.
    pub expires_at: Option<Timestamp>,
    /// Since when it stands where it stands.
    pub since: Timestamp,
    /// When to try again.
    pub retry: Retry,
    /// When to ask the shop for news.
    pub look: Retry,
    /// Minor units paid back for it.
    pub refunded: Option<i64>,
    /// How often it was bought again after a loss.
    pub reships: u32,
}

impl Part {
    /// Minor units the customer pays for it.
    pub(crate) fn amount(&self) -> i64 {
        self.lines.iter().fold(self.shipping, |sum, line| sum.saturating_add(line.total()))
    }

    /// Minor units the shop should ask for the goods.
    pub(crate) fn cost(&self) -> i64 {
        self.lines.iter().fold(0, |sum, line| sum.saturating_add(line.cost.saturating_mul(line.quantity)))
    }

    /// Minor units to be paid back for how it ended. Medicines that come back cannot be sold again and are not refunded,
    /// nor is the shipping that was done.
    pub(crate) fn owed(&self) -> i64 {
        match self.state {
            PartState::Undone | PartState::Lost => self.amount(),
            PartState::Returned if self.shop.through_warehouse() => self.amount().saturating_sub(self.shipping),
            _ => 0,
        }
    }

    /// Whether it needs a pharmacist's advice.
    pub(crate) fn needs_advice(&self) -> bool {
        self.lines.iter().any(|line| line.prescription.is_some())
    }

    /// Whether something in it must be kept cold on the way.
    pub(crate) fn cold_chain(&self) -> bool {
        self.lines.iter().any(|line| line.cold_chain)
    }

    /// Moves it.
    pub(crate) fn become_state(&mut self, state: PartState, now: Timestamp) {
        if self.state != state {
            self.state = state;
            self.since = now;
            self.retry = Retry::default();
            self.look = Retry::default().no_news(now);
        }
    }
}

/// How the payment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Payment {
    /// Not asked for.
    Unpaid,
    /// The provider may have been asked; its answer is not known.
    Charging,
    /// Paid.
    Paid,
    /// Refused, or given up before it was made.
    Refused,
}

/// What the warehouse sends of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shipment {
    /// The warehouse's number, once it is known.
    pub id: Option<String>,
    /// Indices of the parts in it.
    pub parts: Vec<usize>,
    /// The warehouse's word for where it stands.
    pub state: String,
    /// When to try again.
    pub retry: Retry,
    /// When to ask the warehouse for news.
    pub look: Retry,
}

/// A parcel on its way to the door.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = ResellerParcel)]
pub(crate) struct Parcel {
    /// Its number: follow it with this, without logging in.
    pub number: String,
    /// Where it stands, in the couriers' words.
    pub state: String,
    /// What is in it.
    pub what: String,
    /// Indices of the parts in it.
    #[serde(default)]
    #[schema(ignore)]
    pub parts: Vec<usize>,
}

/// One line of the history the customer sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// A stable word for what happened.
    pub step: &'static str,
    /// The same in words.
    pub detail: String,
}

/// What the reseller decided once for all orders.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Policy {
    /// How long shops and payment may take to answer.
    pub hold_timeout: Duration,
    /// How long a shop may take from its confirmation to its dispatch.
    pub collect_timeout: Duration,
    /// Buys lost goods again, once, instead of paying them back.
    pub reship: bool,
    /// Undoes the whole order if a shop gives up its part after the payment.
    pub all_or_nothing: bool,
    /// Basis points that the shop's price may exceed the customer's before a hold is given back.
    pub loss: i64,
}

/// An order and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Saga {
    /// The customer's subject.
    pub customer: String,
    /// Whether the customer may buy restricted goods.
    pub restricted: bool,
    /// When it was placed.
    pub placed_at: Timestamp,
    /// The currency of all amounts.
    pub currency: CurrencyCode,
    /// Where to. Personal data.
    pub deliver_to: Address,
    /// How it is paid, and the provider's token for it.
    pub method: String,
    /// The token; forgotten when the payment is settled.
    pub token: Option<String>,
    /// What each shop sells of it. Only ever appended to.
    pub parts: Vec<Part>,
    /// The payment.
    pub payment: Payment,
    /// Minor units charged.
    pub paid: i64,
    /// When to try the payment again.
    pub retry: Retry,
    /// What the warehouse sends.
    pub shipments: Vec<Shipment>,
    /// What is on its way.
    pub parcels: Vec<Parcel>,
    /// Whether other shops were asked once.
    pub replanned: bool,
    /// The part for which other shops are to be asked now.
    pub replan: Option<usize>,
    /// Until when it must be held and paid.
    pub deadline: Timestamp,
    /// Why it is undone.
    pub reason: Option<String>,
}

impl Saga {
    /// Minor units the customer pays for all of it. A replaced part's amount moved to the parts in its place.
    pub(crate) fn total(&self) -> i64 {
        let counted = self.parts.iter().filter(|part| part.state != PartState::Replaced);
        counted.fold(0, |sum, part| sum.saturating_add(part.amount()))
    }

    /// Minor units paid back.
    pub(crate) fn refunded(&self) -> i64 {
        self.parts.iter().filter_map(|part| part.refunded).fold(0, i64::saturating_add)
    }

    /// So many minor units in the order's currency.
    pub(crate) fn money(&self, minor: i64) -> Money {
        Money { minor, currency: self.currency }
    }

    /// Whether anything is left to do or to wait for.
    pub(crate) fn is_done(&self) -> bool {
        let settled = |part: &Part| part.state.is_final() && (self.payment != Payment::Paid || part.is_settled());
        self.payment != Payment::Charging && self.replan.is_none() && self.parts.iter().all(settled)
    }

    /// The parts still on their way to the customer, or there.
    pub(crate) fn live(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.state.is_live())
    }

    /// Where the order stands: follows from its parts and the payment.
    pub(crate) fn state(&self) -> OrderState {
        if self.replan.is_some() {
            return OrderState::Placed;
        }
        if self.live().next().is_none() {
            return if self.is_done() { OrderState::Cancelled } else { OrderState::Cancelling };
        }
        let all = |least: PartState| self.live().all(|part| part.state >= least);
        if self.payment != Payment::Paid {
            return match () {
                () if self.live().any(|part| part.state == PartState::Advice) => OrderState::WaitingAdvice,
                () if all(PartState::Held) => OrderState::Held,
                () => OrderState::Placed,
            };
        }
        let on_the_way = |part: &Part| !part.shop.through_warehouse() || part.state >= PartState::Shipping;
        match () {
            () if all(PartState::Delivered) => {
                if self.is_done() {
                    OrderState::Delivered
                } else {
                    OrderState::Shipping
                }
            }
            () if !all(PartState::Confirmed) => OrderState::Paid,
            () if self.live().all(|part| part.state.is_sent() && on_the_way(part)) => OrderState::Shipping,
            () if self.live().any(|part| part.state.is_sent()) => OrderState::Collecting,
            () => OrderState::Confirmed,
        }
    }
}

impl Part {
    /// Whether what is owed for it was paid back.
    pub(crate) fn is_settled(&self) -> bool {
        self.owed() == 0 || self.refunded.is_some()
    }
}
