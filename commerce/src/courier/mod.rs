//! The couriers: parcels, from the first word about them to the door.
//!
//! | File | What |
//! |---|---|
//! | `model.rs`, `number.rs`, `request.rs` | pure rules: states and histories, numbers, which carrier is chosen |
//! | `adapter.rs` | what is asked of any carrier; the built-in ones |
//! | `service.rs` | booking and stopping, by errands that survive crashes |
//! | `watch.rs` | carriers' reports, and what is done when none come |
//! | `plan/`, `planning.rs`, `area.rs`, `calendar.rs` | the day's routes |
//! | `map/` | the picture of them |

mod adapter;
mod area;
mod calendar;
mod limit;
mod map;
mod model;
mod number;
mod plan;
mod planning;
mod request;
mod routes;
mod service;
mod settings;
mod store;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use ring::rand::SystemRandom;
use tokio::sync::{Notify, Semaphore};
use utoipa_axum::router::OpenApiRouter;

use crate::actor::Actor;
use crate::clock::Timestamp;
use crate::commerce::StartError;
use crate::context::{Context, Tasks};
use crate::store::{Database, StoreError};

use adapter::{Adapter, Simulated};
pub(crate) use plan::measure as measure_routes;
pub use settings::CourierSettings;

/// The couriers. Clones share them.
#[derive(Clone)]
pub(crate) struct Courier {
    context: Context,
    database: Database,
    settings: Arc<CourierSettings>,
    adapters: Arc<[Box<dyn Adapter>]>,
    random: SystemRandom,
    /// There is something new to do.
    wake: Arc<Notify>,
    /// Who plans has it.
    planner: Arc<Semaphore>,
}

impl Courier {
    /// Opens the database.
    ///
    /// # Errors
    /// See [`StartError`].
    pub(crate) async fn open(context: &Context, settings: &CourierSettings) -> Result<Self, StartError> {
        let database = context.database(Actor::Courier, &[store::MIGRATIONS]).await?;
        let simulated: Box<dyn Adapter> = Box::new(Simulated::new(&context.peers));
        Ok(Self {
            context: context.clone(),
            database,
            settings: Arc::new(settings.clone()),
            adapters: Arc::new([simulated]),
            random: SystemRandom::new(),
            wake: Arc::default(),
            planner: Arc::new(Semaphore::new(1)),
        })
    }

    /// The paths, without the prefix.
    pub(crate) fn routes(&self) -> OpenApiRouter {
        routes::routes(self.clone()).merge(crate::event::routes(&self.database))
    }

    /// Starts errands, questions and plans.
    pub(crate) fn spawn(&self, tasks: &mut Tasks) {
        tasks.spawn("courier", self.clone().run());
        tasks.spawn("courier routes", self.clone().run_plans());
    }

    async fn run(self) {
        loop {
            let sleep = match self.turn().await {
                Ok(next) => {
                    let now = self.context.clock.now();
                    next.map_or(limit::LONGEST_SLEEP, |next| now.until(next)).min(limit::LONGEST_SLEEP)
                }
                Err(error) => {
                    tracing::warn!(%error, "the couriers stand still");
                    limit::LONGEST_SLEEP
                }
            };
            tokio::select! {
                () = tokio::time::sleep(sleep.max(Duration::from_millis(5))) => (),
                () = self.wake.notified() => (),
            }
        }
    }

    /// Does what is due but for plans, if it is this process's to do. When to come again.
    async fn turn(&self) -> Result<Option<Timestamp>, StoreError> {
        if !self.database.lease("courier", crate::limit::DUTY).await? {
            return Ok(None);
        }
        self.errands().await?;
        self.ask_silent().await?;
        store::next(&self.database).await
    }

    /// Plans what is due to be planned: apart from the rest, because it takes seconds.
    async fn run_plans(self) {
        loop {
            let planned = match self.database.lease("courier routes", crate::limit::DUTY).await {
                Ok(true) => self.plans().await,
                Ok(false) => Ok(()),
                Err(error) => Err(error),
            };
            if let Err(error) = planned {
                tracing::warn!(%error, "routes cannot be planned");
            }
            tokio::time::sleep(limit::LONGEST_SLEEP).await;
        }
    }
}
