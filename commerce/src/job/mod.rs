//! Jobs: work that outlives a request and a crash, by apalis.
//!
//! A job is a kind, a payload and a key: the same key is one job for as long as the queue remembers it
//! ([`limit::KEEP_DONE`]). It is run at least once: whoever handles it must bear repeats. A try that fails waits a growing
//! time; one that fails for good, or too often, is kept for people to look at. Jobs lie in their own file (or in PostgreSQL
//! beside the shops), so a push never waits for a shop's writer; it is durable when [`Jobs::push`] returns. A push is not in
//! the shop's transaction: who must not lose one keeps a row that says so, and pushes again at start (same key, same job).
//!
//! Not for hot paths: a worker does some hundred jobs a second.

mod daily;
mod kind;
mod limit;
mod storage;
#[cfg(test)]
mod tests;
mod wake;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use process::Shutdown;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::task::JoinSet;

pub(crate) use self::kind::{Job, JobError, JobKind, PushError};
pub(crate) use self::storage::JobsError;
use self::storage::{JobStorage, NewJob};
use self::wake::Wake;
use self::worker::{Run, Worker};
use crate::clock::Clock;
use crate::store::Storage;

/// Forgets old jobs every night.
const PURGE: JobKind = JobKind::new("job.purge").at_once(1);
/// After midnight UTC: a quiet hour in Finland.
const PURGE_AT: Duration = Duration::from_secs(90 * 60);

/// The queue. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Jobs {
    inner: Arc<Inner>,
}

struct Inner {
    storage: JobStorage,
    kinds: Mutex<HashMap<&'static str, Arc<Kind>>>,
}

/// What this process knows of a kind.
struct Kind {
    kind: JobKind,
    run: Run,
    wake: Wake,
    /// Waiting jobs at the last count, and those pushed here since.
    queued: AtomicI64,
    /// When it comes by itself, after midnight UTC.
    daily: Option<Duration>,
}

impl std::fmt::Debug for Jobs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Jobs").field("storage", &self.inner.storage).finish_non_exhaustive()
    }
}

impl Jobs {
    /// Opens the queue beside the shops' databases: a file of this process alone, whose jobs that a killed process held are
    /// freed at once, or tables in PostgreSQL, shared with other processes.
    pub(crate) async fn open(storage: &Storage) -> Result<Self, JobsError> {
        let storage = JobStorage::open(storage).await?;
        let jobs = Self { inner: Arc::new(Inner { storage, kinds: Mutex::default() }) };
        let purged = jobs.inner.storage.clone();
        jobs.daily(PURGE, PURGE_AT, move || {
            let storage = purged.clone();
            async move {
                let count = storage.purge().await.map_err(|error| JobError::Again(error.to_string()))?;
                tracing::info!(count, "old jobs forgotten");
                Ok(())
            }
        });
        Ok(jobs)
    }

    /// Registers what runs jobs of a kind. Before [`Jobs::run`]; of two handlers the later counts. A payload of another
    /// form is given up.
    pub(crate) fn handle<P, F, R>(&self, kind: JobKind, handler: F)
    where
        P: DeserializeOwned + Send + 'static,
        F: Fn(Job<P>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        self.register(kind, None, handler);
    }

    /// Registers work of every day, so long after midnight UTC. All processes of one database together run it once a day;
    /// a day that passes while none runs is left out.
    pub(crate) fn daily<F, R>(&self, kind: JobKind, at: Duration, handler: F)
    where
        F: Fn() -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let jobs = Arc::downgrade(&self.inner);
        self.register(kind, Some(at), move |_: Job<i64>| {
            let (handler, jobs) = (Arc::clone(&handler), jobs.upgrade());
            async move {
                // First the successor: this day may fail or crash, the next one comes all the same.
                if let Some(inner) = jobs {
                    let pushed = Self { inner }.push_next(kind, at).await;
                    pushed.map_err(|error| JobError::Again(error.to_string()))?;
                }
                handler().await
            }
        });
    }

    fn register<P, F, R>(&self, kind: JobKind, daily: Option<Duration>, handler: F)
    where
        P: DeserializeOwned + Send + 'static,
        F: Fn(Job<P>) -> R + Send + Sync + 'static,
        R: Future<Output = Result<(), JobError>> + Send + 'static,
    {
        let handler = Arc::new(handler);
        let run: Run = Arc::new(move |job| {
            let handler = Arc::clone(&handler);
            Box::pin(async move {
                let payload =
                    serde_json::from_value(job.payload).map_err(|error| JobError::Never(error.to_string()))?;
                handler(Job { payload, attempt: job.attempt, last: job.last }).await
            })
        });
        let known = Kind { kind, run, wake: Wake::default(), queued: AtomicI64::new(0), daily };
        let mut kinds = self.inner.kinds.lock().unwrap_or_else(PoisonError::into_inner);
        if kinds.len() < limit::KINDS {
            kinds.insert(kind.name, Arc::new(known));
        } else {
            tracing::error!(kind = kind.name, "more kinds of jobs than there may be");
        }
    }

    /// Queues a job to be run after some time (whole seconds). Durable on return. The same key of the same kind is the same
    /// job: pushing it again changes nothing, even if it is done.
    pub(crate) async fn push(
        &self,
        kind: JobKind,
        payload: &(impl Serialize + Sync),
        after: Duration,
        key: &str,
    ) -> Result<(), PushError> {
        let known = self.known(kind.name);
        if known.as_ref().is_some_and(|known| known.queued.load(Ordering::Relaxed) >= limit::QUEUED) {
            return Err(PushError::Full(kind.name));
        }
        let payload = serde_json::to_vec(payload)?;
        let job = NewJob { kind: kind.name, key, payload, after, attempts: kind.attempts };
        self.inner.storage.push(job).await?;
        if let Some(known) = known {
            known.queued.fetch_add(1, Ordering::Relaxed);
            known.wake.wake();
        }
        Ok(())
    }

    async fn push_next(&self, kind: JobKind, at: Duration) -> Result<(), PushError> {
        let (day, wait) = daily::next(Clock::system().now(), at);
        self.push(kind, &day, wait, &day.to_string()).await
    }

    fn known(&self, name: &str) -> Option<Arc<Kind>> {
        self.inner.kinds.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Runs jobs until shutdown: then takes nothing new and ends what is under way. Dropping it stops all at once; no job is
    /// lost by that.
    pub(crate) async fn run(self, shutdown: Shutdown) {
        let kinds: Vec<_> = {
            let kinds = self.inner.kinds.lock().unwrap_or_else(PoisonError::into_inner);
            kinds.values().cloned().collect()
        };
        let mut workers = JoinSet::new();
        for known in &kinds {
            if let Some(at) = known.daily
                && let Err(error) = self.push_next(known.kind, at).await
            {
                tracing::error!(kind = known.kind.name, %error, "daily job could not be queued");
            }
            let worker = Worker {
                kind: known.kind,
                run: Arc::clone(&known.run),
                storage: self.inner.storage.clone(),
                wake: known.wake.clone(),
            };
            workers.spawn(worker.work(shutdown.clone()));
        }
        tokio::select! {
            () = self.count(&kinds) => {}
            () = shutdown.begun() => {}
        }
        while workers.join_next().await.is_some() {}
        self.inner.storage.close().await;
    }

    /// Counts waiting jobs again and again, for the metrics and the bound. Ends never.
    async fn count(&self, kinds: &[Arc<Kind>]) {
        let mut interval = tokio::time::interval(limit::COUNT_EVERY);
        loop {
            interval.tick().await;
            match self.inner.storage.counts().await {
                Ok(counts) => {
                    let counts: HashMap<_, _> = counts.into_iter().collect();
                    for known in kinds {
                        let queued = counts.get(&self.inner.storage.queue(known.kind.name)).copied().unwrap_or(0);
                        known.queued.store(queued, Ordering::Relaxed);
                        metrics::gauge!("efir_commerce_jobs_queued", "kind" => known.kind.name).set(queued as f64);
                    }
                }
                Err(error) => tracing::warn!(%error, "waiting jobs cannot be counted"),
            }
        }
    }
}
