//! The shop load of one run, from its preparation to its check.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::sync::{Semaphore, mpsc};
use tokio::time::{Instant, sleep, timeout};

use super::client::Client;
use super::load::Door;
use super::prepare::Shared;
use super::series::UNVERIFIED;
use super::verify::Verifier;
use crate::engine::{Job, Phase, PhaseSender, Stop, Workers, phases};
use crate::error::Failure;
use crate::limit;
use crate::measure::{Meter, Recorder};
use crate::plan::ShopsPlan;

/// The shop load of one run.
#[derive(Debug)]
pub(crate) struct Stage {
    shared: Arc<Shared>,
    workers: Workers,
    phase: PhaseSender,
    stop: Stop,
    /// Hears when the last visit is over.
    over: Option<mpsc::Receiver<()>>,
}

/// Where the shop load writes what it sees.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scopes {
    pub(crate) tool: usize,
    /// The first scenario's; the others follow, and then that of the check.
    pub(crate) first: usize,
}

impl Stage {
    /// Gets tokens and goods ready at the shops.
    ///
    /// # Errors
    /// They cannot be loaded.
    pub(crate) async fn prepare(plan: &ShopsPlan, seed: u64, run: u64) -> Result<Self, Failure> {
        let shared = Arc::new(Shared::prepare(plan, seed, run).await?);
        let (phase, stop) = phases();
        Ok(Self { shared, workers: Workers::default(), phase, stop, over: None })
    }

    /// Lets customers come, from now on, for so long.
    pub(crate) fn start(
        &mut self,
        recorder: &Recorder,
        scopes: Scopes,
        threads: usize,
        lasts: Duration,
    ) -> Result<(), Failure> {
        let places = Arc::new(Semaphore::new(self.shared.plan.in_flight as usize));
        let (open, over) = mpsc::channel(1);
        let begins = Instant::now();
        for thread in 0..threads {
            let client = Client::new(&self.shared.plan.url, self.shared.plan.timeout.0);
            let client = Arc::new(client.map_err(|error| Failure::Start(io::Error::other(error)))?);
            let doors = (0..self.shared.plan.scenarios.len()).map(|scenario| Door {
                client: client.clone(),
                shared: self.shared.clone(),
                meter: recorder.meter(scopes.first + scenario),
                stop: self.stop.clone(),
                scenario,
                begins,
                lasts,
                places: places.clone(),
                thread: thread as u64,
                threads: threads as u64,
                open: open.clone(),
            });
            let jobs = doors.map(|door| Job::new(begins, move || door.run())).collect();
            let name = format!("{}shop-{thread}", crate::run::THREAD_PREFIX);
            let lag = recorder.meter(scopes.tool);
            self.workers.start(&name, jobs, (self.stop.clone(), Phase::Ended), lag).map_err(Failure::Start)?;
        }
        self.over = Some(over);
        Ok(())
    }

    /// Nobody comes any more; those who are there go on.
    pub(crate) fn close(&self) {
        self.phase.reach(Phase::Draining);
    }

    /// Waits until everything has come to its end, at most for the plan's `settle`, and checks what was promised. Nobody waits
    /// for a run that was interrupted, or is once `asked` resolves: what can be checked in seconds is.
    pub(crate) async fn finish(mut self, meter: Meter, asked: impl Future<Output = ()>, interrupted: bool) {
        self.close();
        let mut asked = std::pin::pin!(asked);
        let interrupted = interrupted || {
            let over = async {
                match &mut self.over {
                    Some(over) => over.recv().await,
                    None => None,
                }
            };
            tokio::select! {
                biased;
                () = &mut asked => true,
                _ = timeout(self.shared.plan.settle.0, over) => false,
            }
        };
        self.shared.interrupted.store(interrupted, Ordering::Relaxed);
        self.phase.reach(Phase::Ended);
        self.workers.ended().await;
        let patience = async {
            let hurried = interrupted || timeout(limit::VERIFY, asked).await.is_ok();
            if hurried {
                sleep(limit::VERIFY_INTERRUPTED).await;
            }
        };
        let verified = async {
            match Client::new(&self.shared.plan.url, self.shared.plan.timeout.0) {
                Ok(client) => Verifier { client, shared: self.shared, meter: meter.clone() }.run().await,
                Err(error) => meter.labelled(&UNVERIFIED, &format!("no client: {error}")),
            }
        };
        tokio::select! {
            () = verified => {}
            () = patience => meter.labelled(&UNVERIFIED, "not all was checked in time"),
        }
    }
}
