//! The warehouse and the courier: parcels are booked until the courier has answered, and what it tells of them is followed.

use std::time::Duration;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::Warehouse;
use super::error::WarehouseError;
use super::limit::{BOOKING_RETRY, BOOKING_RETRY_MAX};
use super::model::{Shipment, State};
use super::shipments::{Change, load, tell};
use super::steps;
use crate::actor::Actor;
use crate::address::Address;
use crate::auth::Scope;
use crate::event::{Event, Handler};
use crate::money::Money;
use crate::peer::{Identity, PeerError};
use crate::store::{StoreError, Tx, args};

/// What the courier is asked for.
#[derive(Serialize)]
struct ParcelWish<'a> {
    reference: &'a str,
    sscc: Option<&'a str>,
    from: &'a Address,
    to: &'a Address,
    weight_g: i64,
    volume_ml: i64,
    cold_chain: bool,
    value: Money,
}

/// What of a parcel concerns the warehouse, in the courier's answers and events.
#[derive(Deserialize)]
struct Parcel {
    number: String,
    /// Our shipment.
    reference: String,
}

impl Warehouse {
    /// Asks the courier to carry a packed shipment and keeps its answer; the next try is due later if there is none. Asking
    /// twice books once: the key is the shipment's.
    pub(super) async fn book(&self, id: &str) -> Result<(), WarehouseError> {
        let find = "
            SELECT s.deliver_to, b.attempts FROM booking b JOIN shipment s ON s.id = b.shipment
            WHERE b.shipment = $1 AND b.due_at IS NOT NULL";
        let Some(row) = self.database.row(find, args![id]).await? else { return Ok(()) };
        let (to, attempts): (Address, i64) = (row.json(0)?, row.int(1)?);
        let shipment = super::shipments::read(&self.database, id).await?;
        self.faults.step("warehouse.before_booking");
        let answer = self.ask(&shipment, &to).await;
        self.faults.step("warehouse.after_booking");
        let id = id.to_owned();
        match answer {
            Ok(parcel) => {
                let write = self
                    .database
                    .write(None, move |tx| Box::pin(async move { steps::shipped(tx, &id, &parcel.number).await }));
                write.await.map(drop)
            }
            Err(PeerError::Refused(problem)) => {
                tracing::warn!(shipment = id, problem = problem.word(), "the courier refuses a parcel");
                self.note(id, None, problem.title).await
            }
            Err(error @ (PeerError::Unavailable(_) | PeerError::Garbled(_))) => {
                tracing::info!(shipment = id, %error, attempts, "the courier does not answer");
                self.note(id, Some(pause(attempts)), "the courier does not answer".to_owned()).await
            }
        }
    }

    async fn ask(&self, shipment: &Shipment, to: &Address) -> Result<Parcel, PeerError> {
        let wish = ParcelWish {
            reference: &shipment.id,
            sscc: shipment.sscc.as_deref(),
            from: &self.settings.address,
            to,
            weight_g: shipment.weight_g.unwrap_or(1),
            volume_ml: shipment.volume_ml.unwrap_or(1),
            cold_chain: shipment.cold_chain,
            value: shipment.value,
        };
        let key = format!("warehouse-{}", shipment.id);
        let identity = Identity { from: Actor::Warehouse, scopes: vec![Scope::ParcelWrite], on_behalf_of: None };
        self.courier.post("/parcels", &key, &wish, &identity).await
    }

    /// Keeps why there is no parcel yet, and when to ask again; never by itself after a refusal.
    async fn note(&self, id: String, wait: Option<Duration>, why: String) -> Result<(), WarehouseError> {
        self.database
            .write(None, move |tx| {
                Box::pin(async move {
                    let due = wait.map(|wait| tx.now().after(wait));
                    let note =
                        "UPDATE booking SET due_at = $2, attempts = attempts + 1, error = $3 WHERE shipment = $1";
                    tx.run(note, args![&id, due, why]).await?;
                    Ok(())
                })
            })
            .await
    }
}

/// How long to wait after so many tries.
fn pause(attempts: i64) -> Duration {
    let doublings = u32::try_from(attempts.clamp(0, 16)).unwrap_or(16);
    BOOKING_RETRY.saturating_mul(1 << doublings).min(BOOKING_RETRY_MAX)
}

/// Follows the courier's events.
pub(super) struct Follower;

impl Handler for Follower {
    fn handle<'t>(&'t self, tx: &'t mut Tx, event: &'t Event) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            match heard(tx, event).await {
                Ok(()) => Ok(()),
                Err(WarehouseError::Store(error)) => Err(error),
                Err(error) => {
                    tracing::warn!(%error, kind = event.kind, "a courier's event has no effect");
                    Ok(())
                }
            }
        })
    }
}

async fn heard(tx: &mut Tx, event: &Event) -> Result<(), WarehouseError> {
    // Other senders' parcels are none of ours, whatever their events look like.
    let Ok(parcel) = serde_json::from_str::<Parcel>(event.data.get()) else { return Ok(()) };
    let Some(shipment) = load(tx, &[parcel.reference]).await?.pop() else { return Ok(()) };
    let Some(next) = shipment.state.heard(&event.kind) else { return Ok(()) };
    if shipment.parcel.as_ref().is_some_and(|number| *number != parcel.number) {
        return Ok(());
    }
    // The booking was made, but the process died before it wrote the answer down.
    let shipment = steps::shipped(tx, &shipment.id, &parcel.number).await?;
    if !matches!(shipment.state, State::Shipped | State::Lost) {
        return Ok(());
    }
    if next == State::Cancelled {
        return steps::stayed(tx, &shipment.id, &parcel.number).await.map(drop);
    }
    super::shipments::change(tx, &[Change { shipment: &shipment.id, state: next, lacking: false }]).await?;
    tell(tx, &[shipment.id]).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::pause;

    #[test]
    fn pauses_grow_to_a_minute() {
        let pauses: Vec<_> = [0, 1, 3, 6, i64::MAX].into_iter().map(pause).collect();
        assert_eq!(pauses, [1, 2, 8, 60, 60].map(Duration::from_secs));
    }
}
