//! The carrier simulator: three made-up carriers as one service, so that couriers have somebody to book, wait for and lose
//! parcels with.
//!
//! A parcel's whole journey is drawn when it is taken and kept as rows with their times, so that it goes on where it was after a
//! restart. Reports are kept too and sent, signed (Standard Webhooks), until the courier has taken them.

mod limit;
mod model;
mod routes;
mod service;
mod settings;
mod store;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;
use utoipa_axum::router::OpenApiRouter;

use crate::actor::Actor;
use crate::commerce::StartError;
use crate::context::{Context, Tasks};
use crate::store::Database;

pub(crate) use model::{Booking, Consignment, Door, Doors, FLEETS, HUBS, Milestone, Quote, Quotes, Report, Round};
pub use settings::CarrierSettings;

/// The simulated carriers. Clones share them.
#[derive(Clone)]
pub(crate) struct Carrier {
    context: Context,
    database: Database,
    settings: Arc<CarrierSettings>,
    /// There is something new to do.
    wake: Arc<Notify>,
}

impl Carrier {
    /// Opens the database.
    ///
    /// # Errors
    /// See [`StartError`].
    pub(crate) async fn open(context: &Context, settings: &CarrierSettings) -> Result<Self, StartError> {
        let database = context.database(Actor::Carrier, &[store::MIGRATIONS]).await?;
        Ok(Self { context: context.clone(), database, settings: Arc::new(settings.clone()), wake: Arc::default() })
    }

    /// The paths, without the prefix.
    pub(crate) fn routes(&self) -> OpenApiRouter {
        routes::routes(self.clone())
    }

    /// Starts the parcels moving.
    pub(crate) fn spawn(&self, tasks: &mut Tasks) {
        tasks.spawn("carrier", self.clone().run());
    }

    async fn run(self) {
        loop {
            let sleep = match self.duty().await {
                Ok(next) => {
                    let now = self.context.clock.now();
                    next.map_or(limit::LONGEST_SLEEP, |next| now.until(next)).min(limit::LONGEST_SLEEP)
                }
                Err(error) => {
                    tracing::warn!(%error, "the carriers stand still");
                    limit::LONGEST_SLEEP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(sleep.max(Duration::from_millis(1))) => (),
                () = self.wake.notified() => (),
            }
        }
    }

    /// A turn, if it is this process's to take.
    async fn duty(&self) -> Result<Option<crate::clock::Timestamp>, crate::store::StoreError> {
        if self.database.lease("carrier", limit::DUTY).await? { self.turn().await } else { Ok(None) }
    }
}
