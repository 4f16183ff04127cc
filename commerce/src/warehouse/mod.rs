//! The warehouse: stock, picking, packing, shipping.
//!
//! Every unit is in a bin, and every change of a balance is a row of an append-only [`ledger`] written in the same
//! transaction, so that the books can be checked at any time ([`audit`]). One writer per database decides who gets which
//! units: two shipments never get the same. Lots that expire first go first, and expired ones never.
//!
//! | Step | Ledger | Shipment |
//! |---|---|---|
//! | goods come in | `receive` at the dock, `put` into a bin | |
//! | order | `reserve` | `waiting`, `reserved` when all of it is there |
//! | pick | `pick` from the bin to the packing place; `count` where less was found | `picking`, `short` |
//! | pack | | `packed`, with SSCC and label |
//! | ship | `ship`, once the courier has the parcel | `shipped` |
//! | the courier's word | | `delivered`, `lost`, `returned` |
//! | goods come back | `return`, then `put` or `scrap` | |
//! | call off | `release`, `put` | `cancelled` |

mod allocate;
mod audit;
mod bins;
mod count;
mod counting;
mod courier;
mod driver;
mod error;
mod fill;
mod label;
mod ledger;
mod limit;
mod list;
mod map;
mod model;
mod picking;
mod receive;
mod routes;
mod service;
mod settings;
mod shipments;
mod shrink;
mod sscc;
mod steps;
mod tables;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

pub use settings::WarehouseSettings;

use crate::actor::Actor;
use crate::clock::Clock;
use crate::context::{Context, Tasks};
use crate::event;
use crate::fault::Faults;
use crate::job::{JobError, JobKind};
use crate::peer::Peer;
use crate::store::{Database, StoreError};

/// The warehouse. Clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Warehouse {
    database: Database,
    clock: Clock,
    faults: Faults,
    courier: Peer,
    settings: Arc<WarehouseSettings>,
    context: Context,
}

/// Compares ledger and stock at night.
const AUDIT: JobKind = JobKind::new("warehouse.audit").at_once(1).timeout(Duration::from_secs(30 * 60));
/// After midnight UTC: a quiet hour in Finland.
const AUDIT_AT: Duration = Duration::from_secs(2 * 3600);

/// Opens the warehouse's database and brings it to this version.
///
/// # Errors
/// The database cannot be reached, or holds something newer or else.
pub(crate) async fn open(context: &Context, settings: &WarehouseSettings) -> Result<Warehouse, StoreError> {
    let database = context.database(Actor::Warehouse, &[tables::MIGRATIONS]).await?;
    let kept = database.clone();
    context.jobs.daily(AUDIT, AUDIT_AT, move || {
        let database = kept.clone();
        async move {
            if audit::audit(&database, None).await?.whole {
                return Ok(());
            }
            tracing::error!("the ledger does not explain the stock");
            Err(JobError::Never("the ledger does not explain the stock".to_owned()))
        }
    });
    Ok(Warehouse {
        database,
        clock: context.clock.clone(),
        faults: context.faults.clone(),
        courier: context.peers.get(Actor::Courier),
        settings: Arc::new(settings.clone()),
        context: context.clone(),
    })
}

impl Warehouse {
    /// Starts what the warehouse does by itself.
    pub(crate) fn spawn(&self, tasks: &mut Tasks) {
        tasks.spawn("warehouse.driver", self.clone().drive(self.context.shutdown.clone()));
        let follower = Arc::new(courier::Follower);
        event::consume(tasks, &self.context, &self.database, "warehouse.courier", Actor::Courier, follower);
    }
}
