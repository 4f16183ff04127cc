//! Orders on their way out: the parcel is booked at the courier, then the order is dispensed and dispatched with its number.
//!
//! A row of `outgoing` follows each confirmed order. Booking is repeated with the same key until it is done, so a process may
//! die at any step: the next look goes on where it stopped, and the courier never carries an order twice.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Pharmacy;
use super::limit::{PARCEL_RETRY, PARCEL_RETRY_MAX};
use super::seed;
use crate::actor::Actor;
use crate::address::Address;
use crate::auth::Scope;
use crate::id::OrderId;
use crate::money::Money;
use crate::peer::{Identity, PeerError};
use crate::problem::Problem;
use crate::shop::{self, Note, Order, OrderState, Rejection, Step, Whose};
use crate::store::{Once, StoreError, Tx, args};

/// What is booked at the courier.
#[derive(Debug, Serialize)]
struct ParcelBody {
    reference: String,
    from: Address,
    to: Address,
    weight_g: i64,
    volume_ml: i64,
    cold_chain: bool,
    value: Money,
}

/// What of the courier's answer is needed here.
#[derive(Debug, Deserialize)]
struct Booked {
    number: String,
}

#[derive(Debug, Serialize)]
struct CancelBody {
    reason: &'static str,
}

/// One try to send an order: what has to be done.
#[derive(Debug, Serialize, Deserialize)]
struct Try {
    order: Order,
    /// Where it goes; customers without an address come themselves.
    to: Option<Address>,
    /// The parcel, if one is booked already.
    number: Option<String>,
}

/// Why an order could not be sent.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// The order's state does not allow it, or there is none.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The courier does not take it.
    #[error("the courier does not take the parcel: {}", .0.word())]
    Refused(Box<Problem>),
    /// The courier does not answer; it is tried again.
    #[error("the courier does not answer")]
    Unavailable,
}

impl From<StoreError> for SendError {
    fn from(error: StoreError) -> Self {
        Self::Rejected(error.into())
    }
}

impl From<SendError> for Problem {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Rejected(rejection) => rejection.into(),
            // Its detail may name the address.
            SendError::Refused(problem) => {
                Self::conflict(format!("the courier does not take the parcel: {}", problem.word()))
            }
            SendError::Unavailable => Self::unavailable("the courier does not answer; the order goes out when it does")
                .retry_after(PARCEL_RETRY),
        }
    }
}

/// Orders that were confirmed are to go out after a time, or when staff says so.
pub(super) async fn expect(tx: &mut Tx, orders: &[Order], after: Option<Duration>) -> Result<(), StoreError> {
    let due = after.map(|wait| tx.now().after(wait));
    let rows: Vec<_> = orders.iter().map(|order| (order.id.as_str(),)).collect();
    let insert = "
        INSERT INTO outgoing (purchase, state, due_at, attempts)
        SELECT x.id, 'expected', $2, 0 FROM {rows $1 (id text)} AS x";
    tx.run(insert, args![serde_json::to_string(&rows)?, due]).await?;
    Ok(())
}

/// Orders that were called off do not go out. A parcel that may have been booked is cancelled at the next look.
pub(super) async fn give_up(tx: &mut Tx, orders: &[Order]) -> Result<(), StoreError> {
    let rows: Vec<_> = orders.iter().map(|order| (order.id.as_str(),)).collect();
    let update = "
        UPDATE outgoing SET state = CASE WHEN attempts = 0 THEN 'done' ELSE 'unwanted' END,
            due_at = CASE WHEN attempts = 0 THEN NULL ELSE $2 END
        FROM {rows $1 (id text)} AS x WHERE outgoing.purchase = x.id";
    tx.run(update, args![serde_json::to_string(&rows)?, tx.now()]).await?;
    Ok(())
}

/// How long to wait after so many tries.
fn wait(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(1, 16) - 1).unwrap_or(0);
    PARCEL_RETRY.saturating_mul(1 << doublings).min(PARCEL_RETRY_MAX)
}

impl Pharmacy {
    /// Sends a confirmed order: books its parcel, gives out the medicines, tells everybody. May be repeated at any time.
    pub(super) async fn send(&self, id: &OrderId, once: Option<&Once>) -> Result<Order, SendError> {
        let begun = self.begin_sending(id).await?;
        let number = match (begun.number, begun.to) {
            (Some(number), _) => Some(number),
            (None, Some(to)) => Some(self.book(&begun.order, to).await?),
            (None, None) => None,
        };
        self.faults.step("pharmacy.after_parcel");
        let (desk, id) = (self.shop.desk().clone(), id.clone());
        let order = self
            .shop
            .db()
            .write::<Order, Rejection, _>(once, move |tx| {
                Box::pin(async move {
                    let update = "UPDATE outgoing SET state = 'done', due_at = NULL, number = $2 WHERE purchase = $1";
                    tx.run(update, args![&id, number.as_deref()]).await?;
                    let note = Note { parcel: number, ..Note::default() };
                    shop::step(tx, &desk, &id, &Whose::All, Step::Dispatch, note).await
                })
            })
            .await?;
        self.faults.step("pharmacy.after_dispatch");
        self.shop.freed(std::slice::from_ref(&order)).await;
        Ok(order)
    }

    /// Notes the try, so that a parcel that gets booked is known about whatever happens next.
    async fn begin_sending(&self, id: &OrderId) -> Result<Try, Rejection> {
        let (desk, id) = (self.shop.desk().clone(), id.clone());
        self.shop
            .db()
            .write::<Try, Rejection, _>(None, move |tx| {
                Box::pin(async move {
                    let order =
                        shop::orders_in(tx, &desk, &[id.as_str()]).await?.pop().ok_or(Rejection::NotFound("order"))?;
                    if order.state != OrderState::Confirmed {
                        return Err(Rejection::State { state: order.state, step: Step::Dispatch });
                    }
                    let select = "
                    SELECT o.attempts, o.number, p.deliver_to FROM outgoing AS o JOIN purchase AS p ON p.id = o.purchase
                    WHERE o.purchase = $1";
                    let row = tx.row(select, args![&id]).await?.ok_or(Rejection::NotFound("order"))?;
                    let attempts = row.int(0)? + 1;
                    let number = row.opt_text(1)?.map(str::to_owned);
                    let to = row.opt_text(2)?.map(serde_json::from_str).transpose().map_err(StoreError::from)?;
                    let update = "UPDATE outgoing SET attempts = $2, due_at = $3 WHERE purchase = $1";
                    tx.run(update, args![&id, attempts, tx.now().after(wait(attempts))]).await?;
                    Ok(Try { order, to, number })
                })
            })
            .await
    }

    /// Books the parcel of an order. The key is the order's: a repeat finds the same parcel.
    async fn book(&self, order: &Order, to: Address) -> Result<String, SendError> {
        let index = self.catalogue.current();
        let (mut weight_g, mut volume_ml, mut cold_chain) = (0_i64, 0_i64, false);
        for line in &order.lines {
            if let Some(medicine) = index.by_vnr(line.sku.as_str()) {
                weight_g = weight_g.saturating_add(medicine.weight_g.saturating_mul(line.quantity));
                volume_ml = volume_ml.saturating_add(medicine.volume_ml.saturating_mul(line.quantity));
                cold_chain |= medicine.cold_chain;
            }
        }
        let from = seed::PHARMACIES.iter().find(|pharmacy| pharmacy.location == order.location);
        let body = ParcelBody {
            reference: order.id.to_string(),
            from: from.unwrap_or(&seed::PHARMACIES[0]).address(),
            to,
            weight_g: weight_g.max(1),
            volume_ml: volume_ml.max(1),
            cold_chain,
            value: order.total,
        };
        let key = format!("pharmacy-parcel-{}", order.id);
        let booked: Booked = self.courier().post("/parcels", &key, &body, &identity()).await.map_err(courier_error)?;
        Ok(booked.number)
    }

    /// Cancels the parcel of an order that was called off after its booking was begun.
    async fn call_back(&self, id: &OrderId) -> Result<(), SendError> {
        let select = "
            SELECT o.number, p.deliver_to FROM outgoing AS o JOIN purchase AS p ON p.id = o.purchase WHERE o.purchase = $1";
        let db = self.shop.db();
        let row = db.row(select, args![id]).await?.ok_or(Rejection::NotFound("order"))?;
        let number = row.opt_text(0)?.map(str::to_owned);
        let to: Option<Address> = row.opt_text(1)?.map(serde_json::from_str).transpose().map_err(StoreError::from)?;
        let order = self.shop.order(id, &Whose::All).await?.ok_or(Rejection::NotFound("order"))?;
        // Whether it was booked is not known: booking again with the same key tells.
        let number = match (number, to) {
            (Some(number), _) => Some(number),
            (None, Some(to)) => Some(self.book(&order, to).await?),
            (None, None) => None,
        };
        if let Some(number) = &number {
            let (path, key) = (format!("/parcels/{number}/cancel"), format!("pharmacy-parcel-cancel-{id}"));
            let body = CancelBody { reason: "the order was called off" };
            let done = self.courier().post::<_, serde_json::Value>(&path, &key, &body, &identity()).await;
            done.map(drop).map_err(courier_error)?;
        }
        let id = id.clone();
        db.write::<(), StoreError, _>(None, move |tx| {
            Box::pin(async move {
                let update = "UPDATE outgoing SET state = 'done', due_at = NULL, number = $2 WHERE purchase = $1";
                tx.run(update, args![&id, number.as_deref()]).await.map(drop)
            })
        })
        .await?;
        Ok(())
    }

    fn courier(&self) -> crate::peer::Peer {
        self.peers.get(Actor::Courier)
    }

    /// Sends what is due and calls back what is not wanted any more. Returns how many orders it looked at.
    pub(super) async fn send_due(&self) -> Result<usize, StoreError> {
        let select = "
            SELECT purchase, state FROM outgoing WHERE due_at IS NOT NULL AND due_at <= $1 ORDER BY due_at LIMIT $2";
        let due = self.shop.db().rows(select, args![self.shop.now(), super::limit::DESK_BATCH]).await?;
        for row in &due {
            let id = row.parse(0, OrderId::parse)?;
            let done = match row.text(1)? {
                "unwanted" => self.call_back(&id).await,
                _ => self.send(&id, None).await.map(drop),
            };
            match done {
                Ok(()) => {}
                Err(SendError::Rejected(Rejection::Store(error))) => return Err(error),
                Err(error) => {
                    tracing::warn!(order = %id, %error, "a parcel could not be booked or cancelled");
                    self.postpone(&id).await?;
                }
            }
        }
        Ok(due.len())
    }

    /// Puts off the next try of one order, so that it does not hold up others.
    async fn postpone(&self, id: &OrderId) -> Result<(), StoreError> {
        let id = id.clone();
        self.shop
            .db()
            .write::<(), StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    let select = "SELECT attempts FROM outgoing WHERE purchase = $1 AND due_at IS NOT NULL";
                    let Some(row) = tx.row(select, args![&id]).await? else { return Ok(()) };
                    let attempts = row.int(0)? + 1;
                    let update = "UPDATE outgoing SET attempts = $2, due_at = $3 WHERE purchase = $1";
                    tx.run(update, args![&id, attempts, tx.now().after(wait(attempts))]).await.map(drop)
                })
            })
            .await
    }
}

fn identity() -> Identity {
    Identity { from: Actor::Pharmacy, scopes: vec![Scope::ParcelWrite], on_behalf_of: None }
}

fn courier_error(error: PeerError) -> SendError {
    match error {
        PeerError::Refused(problem) => SendError::Refused(Box::new(problem)),
        PeerError::Unavailable(_) | PeerError::Garbled(_) => SendError::Unavailable,
    }
}

#[cfg(test)]
mod tests {
    use super::{PARCEL_RETRY, PARCEL_RETRY_MAX, wait};

    #[test]
    fn waits_grow_to_a_limit() {
        assert_eq!(wait(0), PARCEL_RETRY);
        assert_eq!(wait(3), PARCEL_RETRY * 4);
        assert_eq!(wait(i64::MAX), PARCEL_RETRY_MAX);
    }
}
