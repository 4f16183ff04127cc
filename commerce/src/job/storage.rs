//! The queue's tables: apalis' own, in a file beside the shops' or in the shared PostgreSQL.

use std::path::Path;
use std::time::Duration;

use apalis_sqlite::SqliteStorage;
use apalis_sqlite::queries::push_tasks;
use serde_json::Value;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};

use super::limit;
use crate::store::Storage;

/// The queue's database failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobsError {
    /// A statement failed.
    #[error("job queue: {0}")]
    Statement(#[from] sqlx::Error),
    /// The tables could not be made.
    #[error("job queue: {0}")]
    Tables(#[from] sqlx::migrate::MigrateError),
    /// What lies between us and the database failed.
    #[error("job queue: {0}")]
    Sqlite(#[from] apalis_sqlite::Error),
    /// The same, for the other database.
    #[cfg(feature = "postgres")]
    #[error("job queue: {0}")]
    Postgres(#[from] apalis_postgres::Error),
}

/// Where jobs are kept.
#[derive(Debug, Clone)]
pub(super) enum JobStorage {
    /// A file of this process alone.
    Sqlite(SqlitePool),
    /// Tables shared by all processes of the database, ours told from others' by what precedes the names of queues.
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool, std::sync::Arc<str>),
}

/// A job to be queued.
pub(super) struct NewJob<'a> {
    pub(super) kind: &'a str,
    pub(super) key: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) after: Duration,
    pub(super) attempts: usize,
}

impl JobStorage {
    pub(super) async fn open(storage: &Storage) -> Result<Self, JobsError> {
        match storage {
            Storage::Folder(_) => {
                Self::sqlite(&storage.path().unwrap_or_else(|| Path::new("")).join("jobs.sqlite")).await
            }
            #[cfg(feature = "postgres")]
            Storage::Server(server) => Self::postgres(server.options.clone(), &server.prefix).await,
        }
    }

    /// Opens or makes the file. It belongs to this process: whatever a worker held belongs to a dead one and is freed at once.
    async fn sqlite(file: &Path) -> Result<Self, JobsError> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            // apalis' own setup() turns this off; a push must outlive a power failure.
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(limit::BUSY)
            .disable_statement_logging();
        let pool = SqlitePoolOptions::new().max_connections(limit::CONNECTIONS).connect_with(options).await?;
        SqliteStorage::migrations().run(&pool).await?;
        sqlx::query(FREE_SQLITE).execute(&pool).await?;
        sqlx::query("UPDATE Jobs SET lock_by = NULL WHERE lock_by IS NOT NULL").execute(&pool).await?;
        sqlx::query("DELETE FROM Workers").execute(&pool).await?;
        Ok(Self::Sqlite(pool))
    }

    /// Connects to the shared database. Jobs of dead processes are freed when their signs of life stop.
    #[cfg(feature = "postgres")]
    async fn postgres(options: sqlx::postgres::PgConnectOptions, prefix: &str) -> Result<Self, JobsError> {
        use sqlx::postgres::PgPoolOptions;
        let pool = PgPoolOptions::new().max_connections(limit::CONNECTIONS).connect_with(options).await?;
        apalis_postgres::PostgresStorage::setup(&pool).await?;
        Ok(Self::Postgres(pool, prefix.into()))
    }

    /// The name of a kind's queue.
    pub(super) fn queue(&self, kind: &str) -> String {
        match self {
            Self::Sqlite(_) => kind.to_owned(),
            #[cfg(feature = "postgres")]
            Self::Postgres(_, prefix) => format!("{prefix}{kind}"),
        }
    }

    /// Queues a job unless its key is known.
    pub(super) async fn push(&self, job: NewJob<'_>) -> Result<(), JobsError> {
        let queue = self.queue(job.kind);
        let task = apalis::prelude::TaskBuilder::new(job.payload)
            .run_after(job.after)
            .max_attempts(job.attempts)
            .idempotency_key(job.key)
            .build();
        match self {
            Self::Sqlite(pool) => {
                let mut connection = pool.acquire().await?;
                push_tasks(&mut *connection, &queue, &[task]).await?;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _) => {
                let mut connection = pool.acquire().await?;
                let pushed = apalis_postgres::queries::push_tasks(&mut *connection, &queue, vec![task]).await;
                match pushed {
                    Err(apalis_postgres::Error::Database(sqlx::Error::Database(error)))
                        if error.is_unique_violation() => {}
                    other => other?,
                }
            }
        }
        Ok(())
    }

    /// Has a failed job wait before its next try. The row stays where it is, so a crash here loses nothing.
    pub(super) async fn put_off(&self, id: &str, pause: Duration) -> Result<(), JobsError> {
        let seconds = seconds(pause).max(1);
        match self {
            Self::Sqlite(pool) => {
                sqlx::query("UPDATE Jobs SET run_at = CAST(strftime('%s', 'now') AS INTEGER) + $1 WHERE id = $2")
                    .bind(seconds)
                    .bind(id)
                    .execute(pool)
                    .await?;
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _) => {
                sqlx::query("UPDATE apalis.jobs SET run_at = now() + make_interval(secs => $1::float8) WHERE id = $2")
                    .bind(seconds as f64)
                    .bind(id)
                    .execute(pool)
                    .await?;
            }
        }
        Ok(())
    }

    /// How many jobs wait or run, by queue.
    pub(super) async fn counts(&self) -> Result<Vec<(String, i64)>, JobsError> {
        Ok(match self {
            Self::Sqlite(pool) => sqlx::query_as(COUNT_SQLITE).fetch_all(pool).await?,
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _) => sqlx::query_as(COUNT_POSTGRES).fetch_all(pool).await?,
        })
    }

    /// Forgets what was done or given up long ago; says how many.
    pub(super) async fn purge(&self) -> Result<u64, JobsError> {
        let (done, failed) = (seconds(limit::KEEP_DONE), seconds(limit::KEEP_FAILED));
        Ok(match self {
            Self::Sqlite(pool) => {
                sqlx::query(PURGE_SQLITE).bind(done).bind(failed).execute(pool).await?.rows_affected()
            }
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _) => {
                let query = sqlx::query(PURGE_POSTGRES).bind(done as f64).bind(failed as f64);
                let purged = query.execute(pool).await?.rows_affected();
                sqlx::query(PURGE_WORKERS).execute(pool).await?;
                purged
            }
        })
    }

    /// Ends all connections.
    pub(super) async fn close(&self) {
        match self {
            Self::Sqlite(pool) => pool.close().await,
            #[cfg(feature = "postgres")]
            Self::Postgres(pool, _) => pool.close().await,
        }
    }
}

/// What a worker gets: always readable, whatever was pushed.
pub(super) type Payload = Value;

fn seconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis().div_ceil(1000)).unwrap_or(i64::MAX)
}

const FREE_SQLITE: &str = "UPDATE Jobs SET status = 'Pending', lock_by = NULL, lock_at = NULL, attempts = attempts + 1
    WHERE status IN ('Running', 'Queued')";

const COUNT_SQLITE: &str = "SELECT job_type, count(*) FROM Jobs
    WHERE status IN ('Pending', 'Queued', 'Running') OR (status = 'Failed' AND attempts < max_attempts) GROUP BY job_type";
#[cfg(feature = "postgres")]
const COUNT_POSTGRES: &str = "SELECT job_type, count(*) FROM apalis.jobs
    WHERE status IN ('Pending', 'Queued', 'Running') OR (status = 'Failed' AND attempts < max_attempts) GROUP BY job_type";

const PURGE_SQLITE: &str = "DELETE FROM Jobs
    WHERE (status = 'Done' AND done_at < strftime('%s', 'now') - $1)
    OR ((status = 'Killed' OR (status = 'Failed' AND attempts >= max_attempts)) AND done_at < strftime('%s', 'now') - $2)";
#[cfg(feature = "postgres")]
const PURGE_POSTGRES: &str = "DELETE FROM apalis.jobs
    WHERE (status = 'Done' AND done_at < now() - make_interval(secs => $1::float8))
    OR ((status = 'Killed' OR (status = 'Failed' AND attempts >= max_attempts))
        AND done_at < now() - make_interval(secs => $2::float8))";
#[cfg(feature = "postgres")]
const PURGE_WORKERS: &str = "DELETE FROM apalis.workers AS w WHERE w.last_seen < now() - interval '1 day'
    AND NOT EXISTS (SELECT 1 FROM apalis.jobs AS j WHERE j.lock_by = w.id)";
