//! What a piece of work sees of the transaction it runs in.

use serde::Serialize;

use super::StoreError;
use super::connection::Connection;
use super::value::{Row, Value, args};
use crate::clock::Timestamp;
use crate::id::new_uuid;

/// An open transaction of the one writer: reads see what was written before in it, by others of the same commit too.
#[derive(Debug)]
pub(crate) struct Tx {
    pub(super) connection: Connection,
    now: Timestamp,
    events: Vec<Published>,
}

/// An event on its way to the outbox: id, kind, subject, moment, data as JSON.
type Published = (String, &'static str, String, i64, String);

impl Tx {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, now: Timestamp::default(), events: Vec::new() }
    }

    /// When the commit was begun: the same for all work in it.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// Runs a statement and tells how many rows it changed. Cancel safety: none; the writer never cancels.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn run(&mut self, sql: &'static str, args: Vec<Value>) -> Result<u64, StoreError> {
        self.connection.run(sql, args).await
    }

    /// All rows of a statement.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn rows(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Vec<Row>, StoreError> {
        self.connection.rows(sql, args).await
    }

    /// The first row of a statement.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub(crate) async fn row(&mut self, sql: &'static str, args: Vec<Value>) -> Result<Option<Row>, StoreError> {
        Ok(self.rows(sql, args).await?.into_iter().next())
    }

    /// Tells others what happened, once this is committed: in the order of these calls, with a number and an id.
    ///
    /// # Errors
    /// The data cannot be written as JSON.
    pub(crate) fn publish(
        &mut self,
        kind: &'static str,
        subject: impl Into<String>,
        data: &impl Serialize,
    ) -> Result<(), StoreError> {
        let data = serde_json::to_string(data)?;
        self.events.push((new_uuid(), kind, subject.into(), self.now.0, data));
        Ok(())
    }

    pub(super) async fn begin(&mut self, now: Timestamp) -> Result<(), StoreError> {
        self.now = now;
        self.events.clear();
        match &self.connection {
            Connection::Sqlite(_) => self.connection.raw("BEGIN IMMEDIATE").await,
            // One writer at a time over all processes: sequence numbers have no gaps that fill later, and nothing deadlocks.
            #[cfg(feature = "postgres")]
            Connection::Postgres(_) => {
                let lock = "BEGIN; SELECT pg_advisory_xact_lock(hashtext('efir ' || current_schema()))";
                self.connection.raw(lock).await
            }
        }
    }

    pub(super) async fn savepoint(&mut self) -> Result<Savepoint, StoreError> {
        self.connection.raw("SAVEPOINT piece").await?;
        Ok(Savepoint { events: self.events.len() })
    }

    pub(super) async fn keep(&mut self, _: Savepoint) -> Result<(), StoreError> {
        self.connection.raw("RELEASE SAVEPOINT piece").await
    }

    pub(super) async fn undo(&mut self, savepoint: Savepoint) -> Result<(), StoreError> {
        self.events.truncate(savepoint.events);
        self.connection.raw("ROLLBACK TO SAVEPOINT piece; RELEASE SAVEPOINT piece").await
    }

    /// Writes the events and makes everything durable. The newest event's number, if there were any.
    pub(super) async fn commit(&mut self) -> Result<Option<i64>, StoreError> {
        let mut newest = None;
        if !self.events.is_empty() {
            let events = serde_json::to_string(&self.events)?;
            let insert = "
                INSERT INTO outbox (id, kind, subject, at, data)
                SELECT x.id, x.kind, x.subject, x.at, x.data
                FROM {rows $1 (id text, kind text, subject text, at int, data text)} AS x WHERE true";
            self.run(insert, args![events]).await?;
            newest = self.row("SELECT MAX(seq) FROM outbox", Vec::new()).await?.map(|row| row.int(0)).transpose()?;
            self.events.clear();
        }
        self.connection.raw("COMMIT").await?;
        Ok(newest)
    }

    pub(super) async fn rollback(&mut self) -> Result<(), StoreError> {
        self.events.clear();
        self.connection.raw("ROLLBACK").await
    }
}

/// Where to go back to if a piece of work fails.
#[derive(Debug)]
pub(super) struct Savepoint {
    events: usize,
}
