//! One worker per kind of job: an apalis worker around the kind's handler.

use std::sync::Arc;
use std::time::{Duration, Instant};

use apalis::prelude::{AbortError, Attempt, BackendExt, BoxDynError, TaskId, WorkerBuilder, WorkerError};
use apalis_sqlite::SqliteStorage;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use process::{Backoff, Shutdown};
use tower::limit::ConcurrencyLimitLayer;

use super::kind::{Job, JobError, JobKind};
use super::limit;
use super::storage::{JobStorage, Payload};
use super::wake::{Look, Wake};

/// Runs one job.
pub(super) type Run = Arc<dyn Fn(Job<Payload>) -> BoxFuture<'static, Result<(), JobError>> + Send + Sync>;

/// A kind with its handler.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) kind: JobKind,
    pub(super) run: Run,
    pub(super) storage: JobStorage,
    pub(super) wake: Wake,
}

impl Worker {
    /// Works until shutdown: takes nothing new then and ends what is under way. Cancelling it loses no job: what was under
    /// way is freed at the next start, or by another process.
    pub(super) async fn work(self, shutdown: Shutdown) {
        let mut backoff = Backoff::new(limit::RESTART.0, limit::RESTART.1);
        while !shutdown.has_begun() {
            let started = Instant::now();
            if let Err(error) = self.once(shutdown.clone()).await {
                tracing::warn!(kind = self.kind.name, %error, "job worker failed and starts again");
                if started.elapsed() > limit::RESTART.1 {
                    backoff.reset();
                }
                tokio::select! {
                    () = tokio::time::sleep(backoff.next_wait()) => {}
                    () = shutdown.begun() => {}
                }
            }
        }
    }

    /// One life of the apalis worker. Boxed here, where its types are known in full: inside another future the compiler
    /// forgets that they hold no borrows.
    fn once(&self, shutdown: Shutdown) -> BoxFuture<'static, Result<(), WorkerError>> {
        let this = self.clone();
        let handler = move |payload: Payload, attempt: Attempt, id: TaskId| {
            let this = this.clone();
            async move { this.one(payload, attempt.current(), &id.to_string()).await }
        };
        // A new name each time: the old one may still count as alive.
        let name = format!("{}-{}", self.kind.name, crate::id::new_uuid());
        let stop = async move {
            shutdown.begun().await;
            Ok::<(), WorkerError>(())
        };
        let look = Look::new(self.wake.clone());
        match &self.storage {
            JobStorage::Sqlite(pool) => {
                let settings = apalis_sqlite::Config::default()
                    .queue(self.storage.queue(self.kind.name))
                    .batch_size(self.kind.at_once)
                    .heartbeat_interval(limit::HEARTBEAT)
                    .missed_heartbeats(limit::MISSED);
                let backend = SqliteStorage::<Payload>::new(pool).with_config(settings).poll_with_strategy(look);
                let builder = WorkerBuilder::new(name.as_str()).backend(backend);
                builder.layer(ConcurrencyLimitLayer::new(self.kind.at_once)).build(handler).run_until(stop).boxed()
            }
            #[cfg(feature = "postgres")]
            JobStorage::Postgres(pool, _) => {
                let settings = apalis_postgres::Config::default()
                    .queue(self.storage.queue(self.kind.name))
                    .batch_size(self.kind.at_once)
                    .heartbeat_interval(limit::HEARTBEAT)
                    .missed_heartbeats(limit::MISSED);
                let storage = apalis_postgres::PostgresStorage::<Payload>::new(pool);
                let backend = storage.with_config(settings).poll_with_strategy(look);
                let builder = WorkerBuilder::new(name.as_str()).backend(backend);
                builder.layer(ConcurrencyLimitLayer::new(self.kind.at_once)).build(handler).run_until(stop).boxed()
            }
        }
    }

    /// One try: an error that may pass puts the job off, any other ends it.
    async fn one(&self, payload: Payload, attempt: usize, id: &str) -> Result<(), BoxDynError> {
        let kind = &self.kind;
        if attempt > kind.attempts {
            // Its process died each time: apalis counts such tries but does not bound them.
            return Err(self.give_up("its process ended at every try"));
        }
        let started = Instant::now();
        let job = Job { payload, attempt, last: attempt == kind.attempts };
        let result = tokio::time::timeout(kind.timeout, (self.run)(job)).await;
        metrics::histogram!("efir_commerce_job_seconds", "kind" => kind.name).record(started.elapsed());
        let error = match result {
            Ok(Ok(())) => {
                count(kind, "done");
                return Ok(());
            }
            Ok(Err(error)) => error,
            Err(_) => JobError::Again("took too long".to_owned()),
        };
        let pause = match &error {
            JobError::Never(_) => None,
            _ if attempt == kind.attempts => None,
            JobError::Again(_) => Some(kind.pause(attempt)),
            JobError::After(pause, _) => Some((*pause).min(kind.longest_pause).max(Duration::from_secs(1))),
        };
        let text = shortened(error.to_string());
        let Some(pause) = pause else { return Err(self.give_up(&text)) };
        self.storage.put_off(id, pause).await?;
        count(kind, "again");
        tracing::debug!(
            kind = kind.name,
            attempt,
            error = text,
            pause_s = pause.as_secs(),
            "job failed and is tried again"
        );
        Err(text.into())
    }

    fn give_up(&self, text: &str) -> BoxDynError {
        count(&self.kind, "failed");
        tracing::warn!(kind = self.kind.name, error = text, "job given up");
        Box::new(AbortError::new(text.to_owned()))
    }
}

fn count(kind: &JobKind, outcome: &'static str) {
    metrics::counter!("efir_commerce_job_tries_total", "kind" => kind.name, "outcome" => outcome).increment(1);
}

fn shortened(mut text: String) -> String {
    let mut end = limit::ERROR_TEXT.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.truncate(end);
    text
}
