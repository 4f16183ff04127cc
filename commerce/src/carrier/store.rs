//! The carriers' tables and what is written to them.

use super::limit::{REPORTS_PER_TURN, STEPS_PER_TURN};
use super::model::{Consignment, Milestone, Report, Step};
use crate::clock::Timestamp;
use crate::money::{CurrencyCode, Money};
use crate::store::{Database, Migration, Row, StoreError, Tx, args};

pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    version: 200,
    name: "carrier",
    sql: "
        CREATE TABLE consignment (
            reference TEXT NOT NULL PRIMARY KEY,
            carrier TEXT NOT NULL,
            secret TEXT NOT NULL,
            cents BIGINT NOT NULL,
            promised_at BIGINT NOT NULL,
            cancelled BIGINT NOT NULL DEFAULT 0,
            delayed BIGINT NOT NULL DEFAULT 0,
            taken_at BIGINT NOT NULL
        );
        CREATE TABLE step (
            reference TEXT NOT NULL REFERENCES consignment (reference),
            number BIGINT NOT NULL,
            due_at BIGINT NOT NULL,
            milestone TEXT NOT NULL,
            place TEXT NOT NULL,
            detail TEXT NOT NULL,
            PRIMARY KEY (reference, number)
        );
        CREATE INDEX step_due ON step (due_at);
        CREATE TABLE report (
            id TEXT NOT NULL PRIMARY KEY,
            reference TEXT NOT NULL REFERENCES consignment (reference),
            number BIGINT NOT NULL,
            body TEXT NOT NULL,
            attempts BIGINT NOT NULL DEFAULT 0,
            due_at BIGINT
        );
        CREATE INDEX report_due ON report (due_at);
        CREATE INDEX report_reference ON report (reference, number)",
}];

/// A step whose time has come.
#[derive(Debug, Clone)]
pub(super) struct Due {
    pub reference: String,
    pub number: i64,
    pub due_at: Timestamp,
    pub milestone: Milestone,
    pub place: String,
    pub detail: String,
    pub carrier: String,
    pub promised_at: Timestamp,
    pub delayed: bool,
}

/// A report that is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub id: String,
    pub reference: String,
    pub carrier: String,
    pub secret: String,
    pub body: String,
    pub attempts: i64,
}

impl Taken {
    /// What is kept of a parcel that was stopped before it came.
    pub(super) fn never(reference: String, now: Timestamp) -> Self {
        let price = Money::eur(0);
        Self { reference, carrier: String::new(), secret: String::new(), price, promised_at: now, cancelled: true }
    }
}

pub(super) async fn due_steps(database: &Database, now: Timestamp) -> Result<Vec<Due>, StoreError> {
    let select = "
        SELECT s.reference, s.number, s.due_at, s.milestone, s.place, s.detail, c.carrier, c.promised_at, c.delayed
        FROM step s JOIN consignment c ON c.reference = s.reference
        WHERE s.due_at <= $1 ORDER BY s.due_at, s.number LIMIT $2";
    let rows = database.rows(select, args![now, STEPS_PER_TURN]).await?;
    let due = |row: &Row| {
        Ok(Due {
            reference: row.text(0)?.to_owned(),
            number: row.int(1)?,
            due_at: row.time(2)?,
            milestone: row.parse(3, Milestone::parse)?,
            place: row.text(4)?.to_owned(),
            detail: row.text(5)?.to_owned(),
            carrier: row.text(6)?.to_owned(),
            promised_at: row.time(7)?,
            delayed: row.flag(8)?,
        })
    };
    rows.iter().map(due).collect()
}

pub(super) async fn due_reports(database: &Database, now: Timestamp) -> Result<Vec<Outgoing>, StoreError> {
    let select = "
        SELECT r.id, c.carrier, c.secret, r.body, r.attempts, r.reference
        FROM report r JOIN consignment c ON c.reference = r.reference
        WHERE r.due_at <= $1 ORDER BY r.due_at, r.reference, r.number LIMIT $2";
    let rows = database.rows(select, args![now, REPORTS_PER_TURN]).await?;
    let outgoing = |row: &Row| {
        Ok(Outgoing {
            id: row.text(0)?.to_owned(),
            carrier: row.text(1)?.to_owned(),
            secret: row.text(2)?.to_owned(),
            body: row.text(3)?.to_owned(),
            attempts: row.int(4)?,
            reference: row.text(5)?.to_owned(),
        })
    };
    rows.iter().map(outgoing).collect()
}

/// When the next step or report is due.
pub(super) async fn next(database: &Database) -> Result<Option<Timestamp>, StoreError> {
    let select = "SELECT MIN(x.due_at) FROM (SELECT MIN(due_at) AS due_at FROM step
        UNION ALL SELECT MIN(due_at) AS due_at FROM report) AS x";
    let row = database.row(select, Vec::new()).await?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(Timestamp))
}

/// Keeps a parcel and its journey.
pub(super) async fn take(tx: &mut Tx, taken: &Taken, steps: &[Step]) -> Result<(), StoreError> {
    let insert = "
        INSERT INTO consignment (reference, carrier, secret, cents, promised_at, cancelled, taken_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7)";
    let Taken { reference, carrier, secret, price, promised_at, cancelled } = taken;
    let now = tx.now();
    tx.run(insert, args![reference, carrier, secret, price.minor, *promised_at, *cancelled, now]).await?;
    let rows: Vec<_> = steps
        .iter()
        .enumerate()
        .map(|(number, step)| (number, step.due_at.0, step.milestone.as_str(), step.place, step.detail))
        .collect();
    let insert = "
        INSERT INTO step (reference, number, due_at, milestone, place, detail)
        SELECT $1, x.number, x.due_at, x.milestone, x.place, x.detail
        FROM {rows $2 (number int, due_at int, milestone text, place text, detail text)} AS x WHERE true";
    tx.run(insert, args![reference, serde_json::to_string(&rows)?]).await?;
    Ok(())
}

/// What is kept of a parcel. Names and streets are not.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    pub reference: String,
    pub carrier: String,
    pub secret: String,
    pub price: Money,
    pub promised_at: Timestamp,
    pub cancelled: bool,
}

/// Drops the rest of a journey.
pub(super) async fn drop_steps(tx: &mut Tx, reference: &str) -> Result<(), StoreError> {
    tx.run("DELETE FROM step WHERE reference = $1", args![reference]).await.map(|_| ())
}

/// Keeps a report, to be sent at once.
pub(super) async fn tell(tx: &mut Tx, number: i64, report: &Report) -> Result<(), StoreError> {
    let insert = "INSERT INTO report (id, reference, number, body, due_at) VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (id) DO NOTHING";
    let id = format!("rep_{}_{number}", report.reference);
    let now = tx.now();
    tx.run(insert, args![id, &report.reference, number, serde_json::to_string(report)?, now]).await?;
    Ok(())
}

/// A parcel with all its reports.
pub(super) async fn consignment(
    database: &Database,
    reference: &str,
    pace: u32,
) -> Result<Option<Consignment>, StoreError> {
    let select = "SELECT carrier, cents, promised_at, cancelled FROM consignment WHERE reference = $1";
    let Some(row) = database.row(select, args![reference]).await? else { return Ok(None) };
    let rows = database.rows("SELECT body FROM report WHERE reference = $1 ORDER BY number", args![reference]).await?;
    let reports = rows.iter().map(|row| row.json(0)).collect::<Result<_, _>>()?;
    Ok(Some(Consignment {
        reference: reference.to_owned(),
        carrier: row.text(0)?.to_owned(),
        price: Money { minor: row.int(1)?, currency: CurrencyCode::EUR },
        promised_at: row.time(2)?,
        pace,
        cancelled: row.flag(3)?,
        reports,
    }))
}
