//! Actions of orders, done through the other actors' services. Each is safe to repeat: its idempotency key says order, step
//! and part.

use serde::{Deserialize, Serialize};

use super::Reseller;
use super::book::{charge_name, refund_name};
use super::payment::PaymentError;
use super::quote::{PlannedPart, Shopper};
use super::saga::{Action, Fact, Part, PartLine, PartState, Retry, Saga, ShipmentNews, Shop, ShopNews};
use crate::address::Address;
use crate::auth::Scope;
use crate::clock::Timestamp;
use crate::context::Actor;
use crate::language::Language;
use crate::money::Money;
use crate::peer::{Identity, PeerError};

/// What is needed of a shop's order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ShopOrder {
    pub(super) id: String,
    pub(super) seller: String,
    pub(super) state: String,
    pub(super) total: Money,
    pub(super) expires_at: Timestamp,
}

impl From<ShopOrder> for ShopNews {
    fn from(order: ShopOrder) -> Self {
        let ShopOrder { id, seller, state, total, expires_at } = order;
        Self { id, state, total: total.minor, seller, expires_at: Some(expires_at) }
    }
}

/// What is needed of a warehouse's shipment.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct WarehouseShipment {
    pub(super) id: String,
    pub(super) reference: String,
    pub(super) state: String,
    #[serde(default)]
    pub(super) parcel: Option<String>,
}

impl From<WarehouseShipment> for ShipmentNews {
    fn from(shipment: WarehouseShipment) -> Self {
        let WarehouseShipment { id, state, parcel, reference: _ } = shipment;
        Self { id, state, parcel }
    }
}

/// What is needed of a courier's parcel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct CourierParcel {
    pub(super) number: String,
    #[serde(default)]
    pub(super) reference: String,
    pub(super) state: String,
}

#[derive(Serialize)]
struct HoldBody<'a> {
    lines: Vec<HoldLine<'a>>,
    reference: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    deliver_to: Option<&'a Address>,
}

#[derive(Serialize)]
struct HoldLine<'a> {
    sku: &'a str,
    quantity: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    prescription: Option<&'a str>,
}

#[derive(Serialize)]
struct ConfirmBody {
    payment: String,
}

#[derive(Serialize)]
struct CancelBody<'a> {
    reason: &'a str,
}

#[derive(Serialize)]
struct ReceiptBody {
    reference: String,
    lines: Vec<ReceiptLine>,
}

#[derive(Serialize)]
struct ReceiptLine {
    item: String,
    name: String,
    quantity: i64,
    weight_g: i64,
    volume_ml: i64,
    cold_chain: bool,
}

#[derive(Serialize)]
struct ShipmentBody<'a> {
    reference: String,
    deliver_to: &'a Address,
    lines: Vec<ShipmentLine>,
    value: Money,
}

#[derive(Serialize)]
struct ShipmentLine {
    item: String,
    quantity: i64,
}

/// Answers that only matter by being there.
#[derive(Deserialize)]
struct Accepted {}

/// The warehouse's code of a shop's goods.
fn item(shop: Shop, line: &PartLine) -> String {
    format!("{}.{}", shop.as_str(), line.sku)
}

/// What a peer's error means for an action.
fn failed(action: &Action, error: PeerError) -> Fact {
    match error {
        PeerError::Refused(problem) => {
            let why = if problem.detail.is_empty() { problem.title } else { problem.detail };
            Fact::Refused(action.clone(), why)
        }
        PeerError::Unavailable(_) => Fact::Unanswered(action.clone()),
        PeerError::Garbled(detail) => {
            tracing::error!(action = action.word(), detail, "an answer cannot be read");
            Fact::Unanswered(action.clone())
        }
    }
}

impl Reseller {
    /// Does an action. Returns what came of it.
    pub(super) async fn perform(&self, id: &str, saga: &Saga, action: &Action) -> Vec<Fact> {
        let done = match *action {
            Action::Hold(at) => self.hold(id, saga, at).await,
            Action::Confirm(at) => self.confirm(id, saga, at).await,
            Action::Release(at) => return self.release(id, saga, at, action).await,
            Action::Look(at) => return self.look(saga, at, action).await,
            Action::Receive(at) => self.receive(id, saga, at).await,
            Action::Ship(at) => self.ship(id, saga, at).await,
            Action::LookShipment(at) => return self.look_shipment(saga, at, action).await,
            Action::Replan(at) => return vec![self.replan(saga, at, action).await],
            Action::Charge => return vec![self.charge(id, saga).await],
            Action::Void => return vec![self.void(id).await],
            Action::Refund(at, amount) => return vec![self.refund(id, saga, at, amount).await],
            Action::GiveUp | Action::GiveUpPart(_) => return vec![Fact::TimeUp(action.clone())],
        };
        vec![done.unwrap_or_else(|error| failed(action, error))]
    }

    /// As whom the reseller orders: for the customer, with no more than the customer's own rights.
    fn for_customer(saga: &Saga, shop: Shop) -> Identity {
        let mut scopes = vec![Scope::OrderWrite];
        match shop {
            Shop::Pharmacy => scopes.extend([Scope::RxOrder, Scope::RxRead]),
            Shop::Grocery | Shop::Furniture if saga.restricted => scopes.push(Scope::CatalogRestricted),
            Shop::Grocery | Shop::Furniture => {}
        }
        Identity { from: Actor::Reseller, scopes, on_behalf_of: Some(saga.customer.clone()) }
    }

    fn as_itself(scopes: Vec<Scope>) -> Identity {
        Identity { from: Actor::Reseller, scopes, on_behalf_of: None }
    }

    async fn hold(&self, id: &str, saga: &Saga, at: usize) -> Result<Fact, PeerError> {
        let part = &saga.parts[at];
        let line = |line| {
            let PartLine { sku, quantity, prescription, .. }: &PartLine = line;
            HoldLine { sku, quantity: *quantity, prescription: prescription.as_deref() }
        };
        let deliver_to = Some(&saga.deliver_to).filter(|_| !part.shop.through_warehouse());
        let body = HoldBody { lines: part.lines.iter().map(line).collect(), reference: id, deliver_to };
        let key = format!("{id}:hold:{}-{at}-{}", part.shop.as_str(), part.lapsed);
        let identity = Self::for_customer(saga, part.shop);
        let order: ShopOrder = self.peer(part.shop).post("/orders", &key, &body, &identity).await?;
        Ok(Fact::Shop(at, order.into()))
    }

    async fn confirm(&self, id: &str, saga: &Saga, at: usize) -> Result<Fact, PeerError> {
        let part = &saga.parts[at];
        let path = format!("/orders/{}/confirm", part.order.as_deref().unwrap_or_default());
        let key = format!("{id}:confirm:{}-{at}", part.shop.as_str());
        let body = ConfirmBody { payment: charge_name(id) };
        let identity = Self::for_customer(saga, part.shop);
        let order: ShopOrder = self.peer(part.shop).post(&path, &key, &body, &identity).await?;
        Ok(Fact::Shop(at, order.into()))
    }

    /// Takes a part back. If the answer to its hold never came, the hold is asked for again with the same key, which brings
    /// that answer; then it can be cancelled.
    async fn release(&self, id: &str, saga: &Saga, at: usize, action: &Action) -> Vec<Fact> {
        let part = &saga.parts[at];
        let Some(order) = &part.order else {
            return vec![self.hold(id, saga, at).await.unwrap_or_else(|error| failed(action, error))];
        };
        let key = format!("{id}:cancel:{}-{at}", part.shop.as_str());
        let body = CancelBody { reason: "the customer's order is undone" };
        let identity = Self::for_customer(saga, part.shop);
        let path = format!("/orders/{order}/cancel");
        match self.peer(part.shop).post::<_, ShopOrder>(&path, &key, &body, &identity).await {
            Ok(order) => vec![Fact::Shop(at, order.into())],
            // Sent already, or ended already: the shop says which.
            Err(PeerError::Refused(_)) => self.look(saga, at, action).await,
            Err(error) => vec![failed(action, error)],
        }
    }

    async fn look(&self, saga: &Saga, at: usize, action: &Action) -> Vec<Fact> {
        let part = &saga.parts[at];
        let path = format!("/orders/{}", part.order.as_deref().unwrap_or_default());
        let identity = Self::for_customer(saga, part.shop);
        let mut facts = match self.peer(part.shop).get::<ShopOrder>(&path, &identity).await {
            Ok(order) => vec![Fact::Shop(at, order.into())],
            Err(error) => return vec![failed(action, error)],
        };
        let own = |parcel: &&super::saga::Parcel| parcel.parts == [at];
        for parcel in saga.parcels.iter().filter(own) {
            facts.extend(self.look_parcel(&parcel.number).await);
        }
        facts
    }

    async fn look_parcel(&self, number: &str) -> Option<Fact> {
        let courier = self.context().peers.get(Actor::Courier);
        let path = format!("/parcels/{number}");
        let parcel: CourierParcel = courier.get(&path, &Self::as_itself(Vec::new())).await.ok()?;
        Some(Fact::Parcel(parcel.number, parcel.state, None))
    }

    async fn receive(&self, id: &str, saga: &Saga, at: usize) -> Result<Fact, PeerError> {
        let part = &saga.parts[at];
        let line = |line: &PartLine| ReceiptLine {
            item: item(part.shop, line),
            name: line.name.clone(),
            quantity: line.quantity,
            weight_g: line.weight_g,
            volume_ml: line.volume_ml,
            cold_chain: line.cold_chain,
        };
        let body = ReceiptBody { reference: format!("{id}.{at}"), lines: part.lines.iter().map(line).collect() };
        let key = format!("{id}:receive:{}-{at}", part.shop.as_str());
        let warehouse = self.context().peers.get(Actor::Warehouse);
        let identity = Self::as_itself(vec![Scope::StockWrite]);
        warehouse.post::<_, Accepted>("/receipts", &key, &body, &identity).await?;
        Ok(Fact::Received(at))
    }

    async fn ship(&self, id: &str, saga: &Saga, at: usize) -> Result<Fact, PeerError> {
        let parts = saga.shipments[at].parts.iter().map(|part| &saga.parts[*part]);
        let mut lines: Vec<ShipmentLine> = Vec::new();
        let mut value = 0_i64;
        for (part, line) in parts.flat_map(|part| part.lines.iter().map(move |line| (part, line))) {
            value = value.saturating_add(line.total());
            let item = item(part.shop, line);
            match lines.iter_mut().find(|known| known.item == item) {
                Some(known) => known.quantity += line.quantity,
                None => lines.push(ShipmentLine { item, quantity: line.quantity }),
            }
        }
        let value = saga.money(value);
        let body = ShipmentBody { reference: format!("{id}.{at}"), deliver_to: &saga.deliver_to, lines, value };
        let warehouse = self.context().peers.get(Actor::Warehouse);
        let identity = Self::as_itself(vec![Scope::StockWrite]);
        let sent: WarehouseShipment =
            warehouse.post("/shipments", &format!("{id}:ship:{at}"), &body, &identity).await?;
        Ok(Fact::Shipment(at, sent.into()))
    }

    async fn look_shipment(&self, saga: &Saga, at: usize, action: &Action) -> Vec<Fact> {
        let path = format!("/shipments/{}", saga.shipments[at].id.as_deref().unwrap_or_default());
        let warehouse = self.context().peers.get(Actor::Warehouse);
        let identity = Self::as_itself(vec![Scope::StockRead]);
        let mut facts = match warehouse.get::<WarehouseShipment>(&path, &identity).await {
            Ok(shipment) => vec![Fact::Shipment(at, shipment.into())],
            Err(error) => return vec![failed(action, error)],
        };
        for parcel in saga.parcels.iter().filter(|parcel| parcel.parts == saga.shipments[at].parts) {
            facts.extend(self.look_parcel(&parcel.number).await);
        }
        facts
    }

    async fn charge(&self, id: &str, saga: &Saga) -> Fact {
        let total = saga.total();
        let token = saga.token.as_deref().unwrap_or_default();
        match self.provider().charge(&charge_name(id), saga.money(total), token).await {
            Ok(()) => Fact::Charged(total),
            Err(PaymentError::Refused(why)) => Fact::Refused(Action::Charge, why),
            Err(PaymentError::Unavailable(_)) => Fact::Unanswered(Action::Charge),
        }
    }

    async fn void(&self, id: &str) -> Fact {
        match self.provider().void(&charge_name(id)).await {
            Ok(Some(taken)) => Fact::Charged(taken),
            Ok(None) => Fact::Voided,
            Err(_) => Fact::Unanswered(Action::Void),
        }
    }

    async fn refund(&self, id: &str, saga: &Saga, at: usize, amount: i64) -> Fact {
        let money = saga.money(amount);
        match self.provider().refund(&refund_name(id, at), &charge_name(id), money).await {
            Ok(()) => Fact::Refunded(at, amount),
            Err(error) => {
                tracing::error!(order = id, %error, "a refund was not made");
                Fact::Unanswered(Action::Refund(at, amount))
            }
        }
    }

    /// Finds shops in place of one that does not keep what it offered. The customer pays what was agreed: the stand-ins may
    /// cost the reseller more, up to what it is ready to lose.
    async fn replan(&self, saga: &Saga, at: usize, action: &Action) -> Fact {
        let part = &saga.parts[at];
        let shopper = Shopper { restricted: saga.restricted, language: Language::default() };
        let refused = || Fact::Refused(action.clone(), "no other shop has it".to_owned());
        let quote = match self.other_shops(&part.lines, part.shop, shopper).await {
            Ok(Some(quote)) => quote,
            Ok(None) => return refused(),
            Err(_) => return Fact::Unanswered(action.clone()),
        };
        let (goods, shipping) = (part.amount().saturating_sub(part.shipping), part.shipping);
        let cost = |planned: &PlannedPart| {
            planned.shipping + planned.lines.iter().map(|line| line.cost * line.quantity).sum::<i64>()
        };
        let costs: i64 = quote.parts.iter().map(cost).sum();
        let loss = i128::from(goods) * i128::from(self.policy().loss) / 10_000;
        if i128::from(costs) > i128::from(goods) + i128::from(shipping) + loss {
            return refused();
        }
        let now = self.now();
        let stand_in = |(place, planned): (usize, PlannedPart)| {
            let mut stand_in = new_part(planned, now);
            stand_in.shipping = if place == 0 { shipping } else { 0 };
            for line in &mut stand_in.lines {
                let agreed = part.lines.iter().find(|agreed| agreed.line == line.line);
                line.price = agreed.map_or(line.price, |agreed| agreed.price);
            }
            stand_in
        };
        Fact::Replanned(at, quote.parts.into_iter().enumerate().map(stand_in).collect())
    }
}

/// A part that is to be held.
pub(super) fn new_part(planned: PlannedPart, now: Timestamp) -> Part {
    let PlannedPart { shop, seller, lines, shipping } = planned;
    Part {
        shop,
        seller,
        lines,
        shipping,
        state: PartState::Wanted,
        order: None,
        asked: false,
        lapsed: 0,
        expires_at: None,
        since: now,
        retry: Retry::default(),
        look: Retry::default(),
        refunded: None,
        reships: 0,
    }
}
