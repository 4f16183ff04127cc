//! One actor's database: readers, the way to its writer, and what wakes those who wait for news.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use serde::Serialize;
use serde::de::DeserializeOwned;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqlitePool};
use tokio::sync::{mpsc, oneshot, watch};

use super::connection::Connection;
use super::migration::migrator;
use super::sql::Dialect;
use super::unit::{Item, Job, Piece};
use super::writer::{Connect, Writer};
use super::{Batch, Migration, Once, Row, Storage, StoreError, Tx, Value, args};
use crate::clock::Clock;
use crate::fault::Faults;
use crate::id::new_uuid;
use crate::limit::{BUSY_TIMEOUT, CONNECT_TIMEOUT, READERS, ROWS_AHEAD, STATEMENTS, WRITER_CACHE, WRITES_WAITING};

/// A database, open for reading and writing. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    shared: Arc<Shared>,
}

struct Shared {
    name: &'static str,
    readers: Pool,
    jobs: mpsc::Sender<Box<dyn Job>>,
    committed: watch::Receiver<i64>,
    clock: Clock,
    /// Who this process is, to those it shares the database with.
    process: String,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Clone)]
enum Pool {
    Sqlite(SqlitePool),
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool),
}

impl Pool {
    async fn connection(&self) -> Result<Connection, StoreError> {
        Ok(match self {
            Self::Sqlite(pool) => Connection::Sqlite(pool.acquire().await?),
            #[cfg(feature = "postgres")]
            Self::Postgres(pool) => Connection::Postgres(pool.acquire().await?),
        })
    }
}

impl Database {
    /// Opens the database called `name`, brings it to this version and starts its writer, which ends when the last clone of
    /// this handle is gone.
    ///
    /// # Errors
    /// The place cannot be reached, or holds something newer or else.
    pub(crate) async fn open(
        storage: &Storage,
        name: &'static str,
        migrations: &[&[Migration]],
        clock: Clock,
        faults: Faults,
    ) -> Result<Self, StoreError> {
        let (readers, writers) = match storage {
            Storage::Folder(_) => {
                let file = storage.path().map(|folder| folder.join(format!("{name}.sqlite"))).unwrap_or_default();
                open_sqlite(&file, migrations).await?
            }
            #[cfg(feature = "postgres")]
            Storage::Server(server) => postgres::open(server, name, migrations).await?,
        };
        let newest = readers.connection().await?.rows("SELECT COALESCE(MAX(seq), 0) FROM outbox", Vec::new()).await?;
        let newest = newest.first().map_or(Ok(0), |row| row.int(0))?;
        let (jobs, queue) = mpsc::channel(WRITES_WAITING);
        let (news, committed) = watch::channel(newest);
        let connect: Connect = Box::new(move || {
            let writers = writers.clone();
            Box::pin(async move { writers.connection().await })
        });
        let writer = Writer { name, connect, jobs: queue, committed: news, clock: clock.clone(), faults };
        tokio::spawn(writer.run());
        let shared = Shared { name, readers, jobs, committed, clock, process: new_uuid() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// All rows of a statement that only reads, as last committed.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn rows(&self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.shared.readers.connection().await?.rows(sql, args).await
    }

    /// The first row of a statement that only reads.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn row(&self, sql: &'static str, args: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// The rows of a statement one by one, all as they were when it began. Memory does not grow with their number; the
    /// connection is held until the stream is dropped.
    pub(crate) fn stream(
        &self,
        sql: &'static str,
        args: Vec<Value>,
    ) -> impl Stream<Item = Result<Row, StoreError>> + Send + 'static {
        let readers = self.shared.readers.clone();
        async_stream::try_stream! {
            let mut connection = readers.connection().await?;
            let mut rows = connection.stream(sql, args)?;
            while let Some(row) = rows.next().await {
                yield row?;
            }
        }
    }

    /// Does a piece of work in a transaction and answers when it is durable. An `Err` of the work undoes it alone. With `once`
    /// the work is done once however often the request comes, and every time the first answer is given.
    ///
    /// Cancel safety: dropping the future does not undo the work; it may be done or not.
    ///
    /// # Errors
    /// That of the work, or of storage.
    pub(crate) async fn write<T, E, F>(&self, once: Option<&Once>, work: F) -> Result<T, E>
    where
        F: for<'t> FnOnce(&'t mut Tx) -> BoxFuture<'t, Result<T, E>> + Send + 'static,
        T: Serialize + DeserializeOwned + Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let piece = Piece { once: once.cloned(), work: Some(Box::new(work)), outcome: None, reply };
        self.shared.jobs.send(Box::new(piece)).await.map_err(|_| StoreError::Closed)?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Gives one item to a [`Batch`] and answers when it is durable. Does not wait for room in the queue: callers hear at once
    /// that there is too much. Cancel safety as [`Database::write`].
    ///
    /// # Errors
    /// The batch's rejection, or [`StoreError`] as one.
    pub(crate) async fn submit<B: Batch>(&self, once: Option<&Once>, item: B::Item) -> Result<B::Answer, B::Rejection> {
        let (reply, answer) = oneshot::channel();
        let job = Item::<B> { once: once.cloned(), item, reply };
        self.shared.jobs.try_send(Box::new(job)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => StoreError::Overloaded,
            mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
        })?;
        answer.await.map_err(|_| StoreError::Closed)?
    }

    /// Whether other processes may write to it, too.
    pub(crate) fn is_shared(&self) -> bool {
        !matches!(self.shared.readers, Pool::Sqlite(_))
    }

    /// The number of the newest event that this process committed: changes after each commit that published any.
    pub(crate) fn committed(&self) -> watch::Receiver<i64> {
        self.shared.committed.clone()
    }

    /// Whether this process has a named duty for so long: of all processes that share the database one has it. Asking again
    /// prolongs it. A folder has one process, which has all duties.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn lease(&self, duty: &'static str, time: Duration) -> Result<bool, StoreError> {
        if !self.is_shared() {
            return Ok(true);
        }
        let process = self.shared.process.clone();
        self.write(None, move |tx| {
            Box::pin(async move {
                let take = "
                    INSERT INTO duty (name, owner, until) VALUES ($1, $2, $3)
                    ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until
                    WHERE duty.owner = excluded.owner OR duty.until < $4";
                let now = tx.now();
                Ok(tx.run(take, args![duty, process, now.after(time), now]).await? > 0)
            })
        })
        .await
    }

    /// What the database is called: the actor's name.
    pub(crate) fn name(&self) -> &'static str {
        self.shared.name
    }

    /// The clock that its writer reads.
    pub(crate) fn clock(&self) -> &Clock {
        &self.shared.clock
    }
}

/// A file with one writing and some reading connections. WAL: readers never wait for the writer; `FULL`: a commit is on the
/// disk before it is answered.
async fn open_sqlite(file: &Path, migrations: &[&[Migration]]) -> Result<(Pool, Pool), StoreError> {
    let options = SqliteConnectOptions::new()
        .filename(file)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true)
        .statement_cache_capacity(STATEMENTS)
        .row_buffer_size(ROWS_AHEAD)
        .pragma("temp_store", "memory")
        // An export reads for minutes; what is slow shows in metrics.
        .disable_statement_logging();
    let writing = options
        .clone()
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("cache_size", WRITER_CACHE)
        .pragma("wal_autocheckpoint", "4000");
    let pool = |connections| SqlitePoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_TIMEOUT);
    let writer = pool(1).connect_with(writing).await?;
    let steps = migrator(Dialect::Sqlite, migrations)?;
    steps.run(&writer).await.map_err(|error| StoreError::Migration(error.to_string()))?;
    let readers = pool(READERS).connect_with(options.read_only(true)).await?;
    Ok((Pool::Sqlite(readers), Pool::Sqlite(writer)))
}

#[cfg(feature = "postgres")]
mod postgres {
    use sqlx::AssertSqlSafe;
    use sqlx::postgres::PgPoolOptions;

    use super::super::storage::Server;
    use super::{CONNECT_TIMEOUT, Dialect, Migration, Pool, READERS, STATEMENTS, StoreError, migrator};

    /// A schema of its own with one writing and some reading connections.
    pub(super) async fn open(
        server: &Server,
        name: &'static str,
        migrations: &[&[Migration]],
    ) -> Result<(Pool, Pool), StoreError> {
        let schema = format!("{}{name}", server.prefix);
        let options = server.options.clone().statement_cache_capacity(STATEMENTS).options([("search_path", &schema)]);
        let pool = |connections| PgPoolOptions::new().max_connections(connections).acquire_timeout(CONNECT_TIMEOUT);
        let writer = pool(1).connect_with(options.clone()).await?;
        let create = format!("CREATE SCHEMA IF NOT EXISTS \"{schema}\"");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&writer).await?;
        let steps = migrator(Dialect::Postgres, migrations)?;
        steps.run(&writer).await.map_err(|error| StoreError::Migration(error.to_string()))?;
        let readers = pool(READERS).connect_with(options).await?;
        Ok((Pool::Postgres(readers), Pool::Postgres(writer)))
    }
}
