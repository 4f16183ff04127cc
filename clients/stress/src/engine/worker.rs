//! Threads with a runtime each, over which the load is spread.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use super::phase::{Phase, Stop};
use crate::limit;
use crate::measure::{Meter, Series};

/// How late the tool's own timers are: what it measures is no truer than that.
pub(crate) static TIMER_LAG: Series =
    Series::times("timer_lag", "how late the tool's own timers are; latencies are no truer than this");

/// Something to begin at a given moment, on the worker's thread.
pub(crate) struct Job {
    /// When, whatever became of the ones before: load does not wait for a slow server.
    pub(crate) at: Instant,
    /// What. It ends by itself soon after its thread's last phase.
    pub(crate) begin: Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>,
}

impl Job {
    pub(crate) fn new<F: Future<Output = ()> + Send + 'static>(
        at: Instant,
        begin: impl FnOnce() -> F + Send + 'static,
    ) -> Self {
        Self { at, begin: Box::new(move || Box::pin(begin())) }
    }
}

/// Running threads.
#[derive(Debug, Default)]
pub(crate) struct Workers(Vec<JoinHandle<()>>);

impl Workers {
    /// Starts a thread for these jobs, which end when that phase is reached. Its name tells it apart in /proc.
    pub(crate) fn start(&mut self, name: &str, jobs: Vec<Job>, until: (Stop, Phase), meter: Meter) -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let thread = std::thread::Builder::new().name(name.to_owned());
        self.0.push(thread.spawn(move || {
            runtime.block_on(work(jobs, until, meter));
            runtime.shutdown_background();
        })?);
        Ok(())
    }

    /// Waits until all have ended, which they do soon after their phase.
    pub(crate) async fn ended(self) {
        let joined =
            tokio::task::spawn_blocking(move || self.0.into_iter().map(JoinHandle::join).all(|end| end.is_ok()));
        if !joined.await.unwrap_or(false) {
            tracing::error!("a worker thread panicked: figures are incomplete");
        }
    }
}

async fn work(mut jobs: Vec<Job>, (stop, end): (Stop, Phase), meter: Meter) {
    jobs.sort_by_key(|job| job.at);
    let mut running = JoinSet::new();
    running.spawn(probe(stop.clone(), end, meter));
    for job in jobs {
        tokio::select! {
            biased;
            () = stop.reached(Phase::Draining) => break,
            () = sleep_until(job.at) => {}
        }
        running.spawn((job.begin)());
        // Those that ended need no memory.
        while running.try_join_next().is_some() {}
    }
    let drained = async { while running.join_next().await.is_some() {} };
    let patience = async {
        stop.reached(end).await;
        tokio::time::sleep(limit::LEAVE).await;
    };
    tokio::select! {
        () = drained => {}
        () = patience => tracing::warn!("some did not leave in time and were dropped"),
    }
    let _ = timeout(limit::LEAVE, running.shutdown()).await;
}

/// Watches how late timers fire.
async fn probe(stop: Stop, end: Phase, meter: Meter) {
    while !stop.has(end) {
        let due = Instant::now() + limit::LAG_PROBE;
        sleep_until(due).await;
        meter.time(&TIMER_LAG, due.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};
    use std::time::Duration;

    use super::super::phase::phases;
    use super::*;
    use crate::measure::Recorder;

    #[tokio::test]
    async fn jobs_begin_when_due_and_none_after_the_end() {
        let (sender, stop) = phases();
        let recorder = Recorder::new(vec!["x".to_owned()]);
        let begun = Arc::new(AtomicU32::new(0));
        let job = |after: u64| {
            let (begun, stop) = (begun.clone(), stop.clone());
            Job::new(Instant::now() + Duration::from_millis(after), move || async move {
                begun.fetch_add(1, Ordering::Relaxed);
                stop.reached(Phase::Ended).await;
            })
        };
        let jobs = vec![job(3_600_000), job(0), job(10)];
        let mut workers = Workers::default();
        workers.start("test", jobs, (stop.clone(), Phase::Ended), recorder.meter(0)).unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        sender.reach(Phase::Ended);
        workers.ended().await;
        assert_eq!(begun.load(Ordering::Relaxed), 2);
        assert!(recorder.take()[0].timed(&TIMER_LAG).is_some_and(|lag| lag.len() > 1));
    }
}
