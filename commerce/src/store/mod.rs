//! Storage: one database per actor, one writer per database, one SQL text for SQLite and PostgreSQL.
//!
//! Writes go through a single writer task that commits many at once: what arrives while one commit is on its way to the disk
//! shares the next one. [`Database::write`] takes a piece of work of any kind, [`Database::submit`] one item of a [`Batch`],
//! which is worked on set by set. Both answer when the commit is durable, or not at all. Reads have connections of their own
//! and see only what is committed.
//!
//! An `Idempotency-Key` given as [`Once`] is kept with the answer in the same transaction: a repeated request gets the first
//! answer, whether the first one was answered or the process died in between.
//!
//! | Token in SQL | SQLite | PostgreSQL |
//! |---|---|---|
//! | `{serial}` | `INTEGER PRIMARY KEY AUTOINCREMENT` | identity column |
//! | `{rows $1 (sku text, quantity int)}` | `json_each` | `jsonb_array_elements` |
//! | `{sqlite: …}`, `{postgres: …}` | as it says | as it says |

mod backup;
mod connection;
mod database;
mod error;
mod migration;
mod purge;
mod sql;
mod storage;
mod tx;
mod unit;
mod value;
mod writer;

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use tests::{TestDatabase, test_database, test_storage};

pub(crate) use backup::{back_up, restore};
pub(crate) use database::Database;
pub(crate) use error::StoreError;
pub(crate) use migration::Migration;
pub(crate) use purge::purge_all;
pub(crate) use storage::Storage;
pub use storage::{StorageError, StorageSettings};
pub(crate) use tx::Tx;
pub(crate) use unit::{Batch, Once};
pub(crate) use value::{Row, Value, args};
