//! News of the other actors: what their events mean for orders.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use serde::de::DeserializeOwned;

use super::book::{advance, order_of_parcel, part_of, parts_among, shipment_of};
use super::perform::{CourierParcel, ShopOrder, WarehouseShipment};
use super::saga::{Fact, Policy, Shop};
use super::{Reseller, actor};
use crate::context::{Actor, Tasks};
use crate::event::{Concerning, Event, Handler, consume};
use crate::store::{StoreError, Tx};

/// Follows everybody whose news matter.
pub(super) fn follow(reseller: &Reseller, tasks: &mut Tasks) {
    let policy = *reseller.policy();
    let mut follow = |consumer, from, handler: Arc<dyn Handler>| {
        consume(tasks, reseller.context(), reseller.db(), consumer, from, handler);
    };
    for (consumer, shop) in [
        ("reseller.grocery", Shop::Grocery),
        ("reseller.furniture", Shop::Furniture),
        ("reseller.pharmacy", Shop::Pharmacy),
    ] {
        follow(consumer, actor(shop), Arc::new(OfShop { shop, policy }));
    }
    follow("reseller.warehouse", Actor::Warehouse, Arc::new(OfWarehouse { policy }));
    follow("reseller.courier", Actor::Courier, Arc::new(OfCourier { policy }));
}

/// The event's subject as it was then. An event that cannot be read is reported and passed over: it must not stop the rest.
fn read<T: DeserializeOwned>(event: &Event) -> Option<T> {
    let read = serde_json::from_str(event.data.get());
    read.map_err(|error| tracing::error!(%error, kind = event.kind, "an event cannot be read")).ok()
}

/// Orders at a shop.
struct OfShop {
    shop: Shop,
    policy: Policy,
}

impl Handler for OfShop {
    fn concerning<'t>(&'t self, tx: &'t mut Tx, events: &'t [&'t Event]) -> Concerning<'t> {
        let orders = events.iter().filter(|event| event.kind.starts_with("order.")).map(|event| event.subject.as_str());
        let orders: Vec<_> = orders.collect();
        Box::pin(async move { parts_among(tx, self.shop, &orders).await.map(Some) })
    }

    fn handle<'t>(&'t self, tx: &'t mut Tx, event: &'t Event) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            let Some((id, part)) = part_of(tx, self.shop, &event.subject).await? else { return Ok(()) };
            let Some(order) = read::<ShopOrder>(event) else { return Ok(()) };
            advance(tx, &id, vec![Fact::Shop(part, order.into())], &self.policy).await.map(drop)
        })
    }
}

/// Shipments.
struct OfWarehouse {
    policy: Policy,
}

impl Handler for OfWarehouse {
    fn handle<'t>(&'t self, tx: &'t mut Tx, event: &'t Event) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            if !event.kind.starts_with("shipment.") {
                return Ok(());
            }
            let Some((id, place)) = shipment_of(tx, &event.subject).await? else { return Ok(()) };
            let Some(shipment) = read::<WarehouseShipment>(event) else { return Ok(()) };
            advance(tx, &id, vec![Fact::Shipment(place, shipment.into())], &self.policy).await.map(drop)
        })
    }
}

/// Parcels: those of our warehouse by number, the pharmacy's own by its order.
struct OfCourier {
    policy: Policy,
}

impl Handler for OfCourier {
    fn handle<'t>(&'t self, tx: &'t mut Tx, event: &'t Event) -> BoxFuture<'t, Result<(), StoreError>> {
        Box::pin(async move {
            if !event.kind.starts_with("parcel.") {
                return Ok(());
            }
            let Some(parcel) = read::<CourierParcel>(event) else { return Ok(()) };
            let known = order_of_parcel(tx, &parcel.number).await?.map(|id| (id, None));
            let found = match known {
                Some(known) => Some(known),
                None => part_of(tx, Shop::Pharmacy, &parcel.reference).await?.map(|(id, part)| (id, Some(part))),
            };
            let Some((id, part)) = found else { return Ok(()) };
            let fact = Fact::Parcel(parcel.number, parcel.state, part);
            advance(tx, &id, vec![fact], &self.policy).await.map(drop)
        })
    }
}
