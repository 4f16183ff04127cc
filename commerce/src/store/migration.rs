//! Bringing a database to this version of the program.

use sqlx::AssertSqlSafe;
use sqlx::SqlSafeStr;
use sqlx::migrate::{Migration as SqlxMigration, MigrationType, Migrator};

use super::StoreError;
use super::sql::Dialect;

/// One step from one version of a database to the next. Never changed once released: a new step is added.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Migration {
    /// Order of the steps: those of storage are below 100, those of the shops' order book below 200, an actor's from 200 on.
    pub(crate) version: i64,
    /// What it brings, in words.
    pub(crate) name: &'static str,
    /// Statements separated by `;`, with the tokens of [`store`](super).
    pub(crate) sql: &'static str,
}

/// What every database needs.
pub(super) const BASE: &[Migration] = &[Migration {
    version: 1,
    name: "outbox, inbox, answers, duties",
    sql: "
        CREATE TABLE outbox (
            seq {serial},
            id TEXT NOT NULL UNIQUE,
            kind TEXT NOT NULL,
            subject TEXT NOT NULL,
            at BIGINT NOT NULL,
            data TEXT NOT NULL
        );
        CREATE TABLE inbox (
            consumer TEXT NOT NULL,
            id TEXT NOT NULL,
            at BIGINT NOT NULL,
            PRIMARY KEY (consumer, id)
        );
        CREATE INDEX inbox_at ON inbox (at);
        CREATE TABLE progress (
            consumer TEXT NOT NULL PRIMARY KEY,
            seq BIGINT NOT NULL
        );
        CREATE TABLE answer (
            owner TEXT NOT NULL,
            key TEXT NOT NULL,
            hash TEXT NOT NULL,
            body TEXT NOT NULL,
            at BIGINT NOT NULL,
            PRIMARY KEY (owner, key)
        );
        CREATE INDEX answer_at ON answer (at);
        CREATE TABLE duty (
            name TEXT NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            until BIGINT NOT NULL
        );
    ",
}];

/// All steps of one database, as the kept library runs them.
pub(super) fn migrator(dialect: Dialect, sets: &[&[Migration]]) -> Result<Migrator, StoreError> {
    let mut steps = Vec::new();
    for step in BASE.iter().chain(sets.iter().copied().flatten()) {
        let sql = AssertSqlSafe(dialect.render(step.sql)?).into_sql_str();
        steps.push(SqlxMigration::new(step.version, step.name.into(), MigrationType::Simple, sql, false));
    }
    Ok(Migrator::with_migrations(steps))
}
