//! Visits that begin when the plan says, whatever became of those before.

use std::sync::Arc;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::client::Client;
use super::errand;
use super::prepare::Shared;
use super::series::{START_LAG, UNSTARTED, VISITS};
use super::visit::Visit;
use crate::engine::{Phase, Stop};
use crate::measure::Meter;

/// One thread's share of one scenario.
#[derive(Debug)]
pub(super) struct Door {
    pub(super) client: Arc<Client>,
    pub(super) shared: Arc<Shared>,
    pub(super) meter: Meter,
    pub(super) stop: Stop,
    /// Number of the scenario.
    pub(super) scenario: usize,
    /// When the load begins, and how the arrivals are spread over it.
    pub(super) begins: Instant,
    pub(super) lasts: std::time::Duration,
    /// Places for visits under way, of all threads and scenarios.
    pub(super) places: Arc<Semaphore>,
    /// Which of so many threads this is.
    pub(super) thread: u64,
    pub(super) threads: u64,
    /// Dropped with the last visit.
    pub(super) open: mpsc::Sender<()>,
}

impl Door {
    /// Lets customers in until the load ends, and waits until all have left.
    pub(super) async fn run(self) {
        let shared = self.shared.clone();
        let Some(scenario) = shared.plan.scenarios.get(self.scenario) else { return };
        let mut visits = JoinSet::new();
        for (number, moment) in (0u64..).zip(scenario.curve(self.lasts).moments()) {
            if number % self.threads != self.thread {
                continue;
            }
            let planned = self.begins + moment;
            tokio::select! {
                biased;
                () = self.stop.reached(Phase::Draining) => break,
                () = sleep_until(planned) => {}
            }
            match self.enter(number, planned) {
                Some(visit) => {
                    visits.spawn(errand::run(visit, scenario.does));
                }
                None => self.meter.count(&UNSTARTED, 1),
            }
            // Those that left need no memory.
            while visits.try_join_next().is_some() {}
        }
        while visits.join_next().await.is_some() {}
        drop(self.open);
    }

    /// A visit, if there is a place.
    fn enter(&self, number: u64, planned: Instant) -> Option<Visit> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        self.meter.time(&START_LAG, planned.elapsed());
        let seed = self.shared.seed ^ number.rotate_left(16) ^ (self.scenario as u64).rotate_left(56);
        Some(Visit {
            client: self.client.clone(),
            shared: self.shared.clone(),
            meter: self.meter.clone(),
            stop: self.stop.clone(),
            scenario: self.scenario,
            number,
            customer: (number % self.shared.customers.len() as u64) as usize,
            random: StdRng::seed_from_u64(seed),
            planned,
            due: planned,
            place: Some((place, self.meter.present(&VISITS))),
        })
    }
}
