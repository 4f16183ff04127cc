//! Orders as their customers place, see and cancel them.

use std::time::Duration;

use axum::http::StatusCode;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Reseller;
use super::book::{HistoryEntry, Stored, advance, history, history_in, insert, load};
use super::limit::MAX_LINES;
use super::payment::{LedgerEntry, of_order, of_order_in};
use super::perform::new_part;
use super::quote::{LineView, Quote, Shopper, WantedLine, vat_of};
use super::saga::{Fact, OrderState, Parcel, PartState, Payment, Retry, Saga, Shop, placed};
use crate::address::Address;
use crate::auth::{Caller, Scope};
use crate::clock::Timestamp;
use crate::id::OrderId;
use crate::language::Language;
use crate::money::{Money, VatLine};
use crate::problem::Problem;
use crate::store::{Once, StoreError, Tx};

/// How an order is to be paid.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewPayment {
    /// `demo-card` is the only one there is.
    #[garde(custom(known_method))]
    #[schema(pattern = "^demo-card$", example = "demo-card")]
    pub(crate) method: String,
    /// The provider's token. `demo-card` is accepted, all others are refused.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200, example = "demo-card")]
    pub(crate) token: String,
}

impl std::fmt::Debug for NewPayment {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NewPayment").field("method", &self.method).finish_non_exhaustive()
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what the derive calls")]
fn known_method(method: &str, _: &()) -> garde::Result {
    if method == "demo-card" { Ok(()) } else { Err(garde::Error::new("the only method is demo-card")) }
}

/// A basket to be bought.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewOrder {
    /// What is wanted.
    #[garde(length(min = 1, max = MAX_LINES), dive)]
    #[schema(min_items = 1, max_items = 50)]
    pub(crate) lines: Vec<WantedLine>,
    /// Where to.
    #[garde(dive)]
    pub(crate) deliver_to: Address,
    /// How it is paid.
    #[garde(dive)]
    pub(crate) payment: NewPayment,
    /// What the customer has agreed to pay, as a quote said. If prices have changed since, nothing is ordered.
    #[serde(default)]
    #[garde(skip)]
    pub(crate) agreed: Option<Money>,
}

/// Why an order is cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CancelOrder {
    /// In the customer's words.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) reason: String,
}

/// What one shop sells of an order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct SubOrderView {
    /// The shop.
    pub(crate) shop: Shop,
    /// Its number of it, once it keeps the goods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    /// Where it stands.
    pub(crate) state: PartState,
    /// Its goods and shipping, as the customer pays them.
    pub(crate) total: Money,
    /// Of that: shipping.
    pub(crate) shipping: Money,
    /// The seller of record.
    pub(crate) seller: String,
    /// What was paid back for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refunded: Option<Money>,
}

/// One order and all that belongs to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderView {
    /// Its number.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) state: OrderState,
    /// What was ordered.
    pub(crate) lines: Vec<LineView>,
    /// Who sells what of it.
    pub(crate) sub_orders: Vec<SubOrderView>,
    /// What is on its way.
    pub(crate) parcels: Vec<Parcel>,
    /// All of it, VAT included.
    pub(crate) total: Money,
    /// The VAT inside.
    pub(crate) vat: Vec<VatLine>,
    /// How the payment stands.
    pub(crate) payment: Payment,
    /// What was charged.
    pub(crate) paid: Money,
    /// What was paid back.
    pub(crate) refunded: Money,
    /// Some was paid back, but not all.
    pub(crate) partly_refunded: bool,
    /// Charges and refunds one by one.
    pub(crate) movements: Vec<LedgerEntry>,
    /// Why it is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
    /// Where to.
    pub(crate) deliver_to: Address,
    /// What has happened.
    pub(crate) history: Vec<HistoryEntry>,
    /// When it was placed.
    pub(crate) created_at: Timestamp,
    /// Counts its changes: the ETag.
    pub(crate) version: i64,
}

/// One order in a list.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OrderSummary {
    /// Its number.
    pub(crate) id: String,
    /// Where it stands.
    pub(crate) state: OrderState,
    /// All of it, VAT included.
    pub(crate) total: Money,
    /// Some was paid back, but not all.
    pub(crate) partly_refunded: bool,
    /// When it was placed.
    pub(crate) created_at: Timestamp,
    /// Counts its changes.
    pub(crate) version: i64,
}

fn partly_refunded(saga: &Saga) -> bool {
    (1..saga.paid).contains(&saga.refunded())
}

impl OrderSummary {
    /// Of an order.
    pub(crate) fn new(order: &Stored) -> Self {
        Self {
            id: order.id.clone(),
            state: order.saga.state(),
            total: order.saga.money(order.saga.total()),
            partly_refunded: partly_refunded(&order.saga),
            created_at: order.created_at,
            version: order.version,
        }
    }
}

impl OrderView {
    /// As it is at the end of this transaction: what a repeat of the request gets, too, however far the order is by then.
    async fn in_transaction(tx: &mut Tx, order: Stored, shipping_vat: i64) -> Result<Self, StoreError> {
        let entries = history_in(tx, &order.id).await?;
        let movements = of_order_in(tx, &order.id).await?;
        Ok(Self::new(order, entries, movements, shipping_vat))
    }

    fn new(order: Stored, history: Vec<HistoryEntry>, movements: Vec<LedgerEntry>, shipping_vat: i64) -> Self {
        let Stored { id, saga, version, created_at } = order;
        let counted = || saga.parts.iter().filter(|part| part.state != PartState::Replaced && !part.lines.is_empty());
        let all = counted().flat_map(|part| part.lines.iter().map(|line| (part.shop, line)));
        let lines: Vec<LineView> = all.map(|(shop, line)| LineView::new(shop, line, saga.currency)).collect();
        let amounts = lines.iter().map(|line| (line.vat_rate, line.total.minor));
        let fees = counted().map(|part| (shipping_vat, part.shipping));
        let vat = vat_of(amounts.chain(fees), saga.currency);
        let sub_orders = counted().map(|part| SubOrderView {
            shop: part.shop,
            id: part.order.clone(),
            state: part.state,
            total: saga.money(part.amount()),
            shipping: saga.money(part.shipping),
            seller: part.seller.clone(),
            refunded: part.refunded.map(|minor| saga.money(minor)),
        });
        Self {
            state: saga.state(),
            sub_orders: sub_orders.collect(),
            total: saga.money(saga.total()),
            payment: saga.payment,
            paid: saga.money(saga.paid),
            refunded: saga.money(saga.refunded()),
            partly_refunded: partly_refunded(&saga),
            parcels: saga.parcels,
            reason: saga.reason,
            deliver_to: saga.deliver_to,
            id,
            lines,
            vat,
            movements,
            history,
            created_at,
            version,
        }
    }
}

/// The order of a basket that can be had in full.
fn saga_of(quote: Quote, body: NewOrder, customer: String, restricted: bool, now: Timestamp, hold: Duration) -> Saga {
    Saga {
        customer,
        restricted,
        placed_at: now,
        currency: quote.currency,
        deliver_to: body.deliver_to,
        method: body.payment.method,
        token: Some(body.payment.token),
        parts: quote.parts.into_iter().map(|planned| new_part(planned, now)).collect(),
        payment: Payment::Unpaid,
        paid: 0,
        retry: Retry::default(),
        shipments: Vec::new(),
        parcels: Vec::new(),
        replanned: false,
        replan: None,
        deadline: now.after(hold),
        reason: None,
    }
}

impl Reseller {
    /// Places an order. What cannot be bought at all is refused here; what fails later undoes the order.
    ///
    /// # Errors
    /// The quote fails, something is short, it costs something else than agreed, or storage fails.
    pub(crate) async fn place(
        &self,
        once: &Once,
        body: NewOrder,
        caller: &Caller,
        language: Language,
    ) -> Result<OrderView, Problem> {
        let restricted = caller.may(Scope::CatalogRestricted);
        let shopper = Shopper { restricted, language };
        // A repeat of a request that was worked on gets its first answer, whatever the shops have by now.
        let quote = self.quote(&body.lines, shopper).await.and_then(whole);
        let (customer, hold) = (caller.subject.clone(), self.policy().hold_timeout);
        let shipping_vat = self.settings().shipping_vat;
        let order = self.db().write::<OrderView, Problem, _>(Some(once), move |tx| {
            Box::pin(async move {
                let agreed = body.agreed;
                let saga = saga_of(quote?, body, customer, restricted, tx.now(), hold);
                let total = saga.money(saga.total());
                if agreed.is_some_and(|agreed| agreed != total) {
                    return Err(price_changed(total));
                }
                let id = OrderId::new().to_string();
                let order = insert(tx, id, saga, placed(total)).await?;
                Ok(OrderView::in_transaction(tx, order, shipping_vat).await?)
            })
        });
        let order = order.await?;
        self.faults().step("reseller.placed");
        Ok(order)
    }

    /// An order as its customer sees it.
    ///
    /// # Errors
    /// There is none of this number, or it is somebody else's.
    pub(crate) async fn view(&self, id: &str, customer: &str) -> Result<OrderView, Problem> {
        let order = self.own(id, customer).await?;
        let entries = history(self.db(), id, 0).await?;
        let movements = of_order(self.db(), id).await?;
        Ok(OrderView::new(order, entries, movements, self.settings().shipping_vat))
    }

    /// An order of this customer.
    ///
    /// # Errors
    /// There is none of this number, or it is somebody else's.
    pub(crate) async fn own(&self, id: &str, customer: &str) -> Result<Stored, Problem> {
        let order = load(self.db(), id).await?.filter(|order| order.saga.customer == customer);
        order.ok_or_else(|| Problem::not_found("there is no such order"))
    }

    /// Cancels an order, if nothing of it was sent yet.
    ///
    /// # Errors
    /// It is not the customer's, or it is too late.
    pub(crate) async fn cancel(
        &self,
        once: &Once,
        id: String,
        body: CancelOrder,
        customer: String,
    ) -> Result<OrderView, Problem> {
        self.own(&id, &customer).await?;
        let (policy, shipping_vat) = (*self.policy(), self.settings().shipping_vat);
        let cancelled = self.db().write::<OrderView, Problem, _>(Some(once), move |tx| {
            Box::pin(async move {
                let none = || Problem::not_found("there is no such order");
                let now = advance(tx, &id, Vec::new(), &policy).await?.ok_or_else(none)?;
                if now.saga.live().next().is_none() {
                    return Err(Problem::conflict("it is cancelled already"));
                }
                if now.saga.live().any(|part| part.state.is_sent()) {
                    return Err(Problem::conflict("too late: some of it was sent already"));
                }
                let reason = format!("you cancelled it: {}", body.reason);
                let order = advance(tx, &id, vec![Fact::Cancel(reason)], &policy).await?.ok_or_else(none)?;
                Ok(OrderView::in_transaction(tx, order, shipping_vat).await?)
            })
        });
        cancelled.await
    }
}

/// Nobody pays what he did not agree to.
fn price_changed(total: Money) -> Problem {
    let problem = Problem::new(
        "price-changed",
        StatusCode::CONFLICT,
        "The price has changed",
        "prices have changed since they were asked for; nothing was ordered",
    );
    problem.at("/agreed", format!("it is {total} now"))
}

/// Refuses a basket of which something is missing.
fn whole(quote: Quote) -> Result<Quote, Problem> {
    let short = quote.short.iter();
    let problem = short.fold(Problem::out_of_stock("the shops do not have all of it"), |problem, short| {
        problem.at(format!("/lines/{}/quantity", short.line), format!("{} too many", short.missing))
    });
    if problem.errors.is_empty() { Ok(quote) } else { Err(problem) }
}
