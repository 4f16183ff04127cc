//! The couriers' tables, and what is read from and written to them.

use super::adapter::{News, Taken};
use super::calendar::Date;
use super::limit::PARCELS_PER_TURN;
use super::model::{Entry, History, Parcel, ParcelState};
use super::number::ParcelNumber;
use super::request::ParcelRequest;
use crate::clock::Timestamp;
use crate::money::{CurrencyCode, Money};
use crate::store::{Database, Migration, Row, StoreError, Tx, args};

pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    version: 200,
    name: "courier",
    sql: "
        CREATE TABLE parcel (
            number TEXT NOT NULL PRIMARY KEY,
            owner TEXT NOT NULL,
            reference TEXT NOT NULL,
            request TEXT NOT NULL,
            state TEXT NOT NULL,
            history TEXT NOT NULL,
            carrier TEXT NOT NULL DEFAULT '',
            refused TEXT NOT NULL DEFAULT '[]',
            taken BIGINT NOT NULL DEFAULT 0,
            stop BIGINT NOT NULL DEFAULT 0,
            cost BIGINT NOT NULL DEFAULT 0,
            currency TEXT NOT NULL,
            promised_at BIGINT,
            eta BIGINT,
            pace BIGINT NOT NULL DEFAULT 1,
            day TEXT,
            attempts BIGINT NOT NULL DEFAULT 0,
            due_at BIGINT,
            heard_at BIGINT NOT NULL,
            ask_at BIGINT,
            version BIGINT NOT NULL DEFAULT 1,
            UNIQUE (owner, reference)
        );
        CREATE INDEX parcel_due ON parcel (due_at);
        CREATE INDEX parcel_ask ON parcel (ask_at);
        CREATE INDEX parcel_day ON parcel (day);
        CREATE TABLE report_seen (id TEXT NOT NULL PRIMARY KEY, at BIGINT NOT NULL);
        CREATE INDEX report_seen_at ON report_seen (at);
        CREATE TABLE report_secret (carrier TEXT NOT NULL PRIMARY KEY, secret TEXT NOT NULL);
        CREATE TABLE route_day (
            day TEXT NOT NULL PRIMARY KEY,
            routes TEXT NOT NULL,
            planned_at BIGINT,
            rest_until BIGINT NOT NULL DEFAULT 0,
            due_at BIGINT,
            version BIGINT NOT NULL DEFAULT 1
        );
        CREATE INDEX route_day_due ON route_day (due_at)",
}];

/// The columns of a [`Parcel`].
macro_rules! parcel {
    ($rest:literal) => {
        concat!("SELECT number, reference, carrier, state, eta, cost, currency, history, version FROM parcel ", $rest)
    };
}

fn parcel(row: &Row) -> Result<Parcel, StoreError> {
    let history: History = row.json(7)?;
    Ok(Parcel {
        number: row.parse(0, ParcelNumber::parse)?,
        reference: row.text(1)?.to_owned(),
        carrier: row.text(2)?.to_owned(),
        state: history.state(),
        eta: row.opt_int(4)?.map(Timestamp),
        cost: Money {
            minor: row.int(5)?,
            currency: row.parse(6, |code| CurrencyCode::parse(code).ok_or("no currency"))?,
        },
        history,
        version: row.int(8)?,
    })
}

/// A parcel by its number.
pub(super) async fn read(database: &Database, number: &ParcelNumber) -> Result<Option<Parcel>, StoreError> {
    let row = database.row(parcel!("WHERE number = $1"), args![number.as_str()]).await?;
    row.as_ref().map(parcel).transpose()
}

/// A parcel by its number, as the transaction sees it.
pub(super) async fn read_in(tx: &mut Tx, number: &ParcelNumber) -> Result<Option<Parcel>, StoreError> {
    let row = tx.row(parcel!("WHERE number = $1"), args![number.as_str()]).await?;
    row.as_ref().map(parcel).transpose()
}

/// Whose parcel it is.
pub(super) async fn owner(database: &Database, number: &ParcelNumber) -> Result<Option<String>, StoreError> {
    let row = database.row("SELECT owner FROM parcel WHERE number = $1", args![number.as_str()]).await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// A parcel that its owner named before, with what was asked for.
pub(super) async fn known(
    tx: &mut Tx,
    owner: &str,
    reference: &str,
) -> Result<Option<(ParcelNumber, ParcelRequest)>, StoreError> {
    let select = "SELECT number, request FROM parcel WHERE owner = $1 AND reference = $2";
    let Some(row) = tx.row(select, args![owner, reference]).await? else { return Ok(None) };
    Ok(Some((row.parse(0, ParcelNumber::parse)?, row.json(1)?)))
}

/// Keeps a new parcel, due to be given to a carrier, and tells of it.
pub(super) async fn insert(
    tx: &mut Tx,
    number: &ParcelNumber,
    owner: &str,
    asked: &ParcelRequest,
) -> Result<(), StoreError> {
    let now = tx.now();
    let entry = Entry { at: now, state: ParcelState::Booked, place: String::new(), detail: String::new() };
    let history: History = [entry].into_iter().collect();
    let insert = "
        INSERT INTO parcel (number, owner, reference, request, state, history, currency, due_at, heard_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)";
    let (request, lines) = (serde_json::to_string(asked)?, serde_json::to_string(&history)?);
    let currency = asked.value.currency.code();
    let state = ParcelState::Booked.as_str();
    tx.run(insert, args![number.as_str(), owner, &asked.reference, request, state, lines, currency, now]).await?;
    let parcel = read_in(tx, number).await?;
    tx.publish(ParcelState::Booked.event(), number.as_str(), &parcel)
}

/// What the loop needs to bring a parcel to a carrier, or to stop it.
#[derive(Debug, Clone)]
pub(super) struct Errand {
    pub number: ParcelNumber,
    pub asked: ParcelRequest,
    pub state: ParcelState,
    pub carrier: String,
    pub refused: Vec<String>,
    pub taken: bool,
    pub stop: bool,
    pub attempts: i64,
}

/// The errand of a parcel, if there is anything to do.
pub(super) async fn errand(database: &Database, number: &ParcelNumber) -> Result<Option<Errand>, StoreError> {
    let select = "
        SELECT request, history, carrier, refused, taken, stop, attempts FROM parcel
        WHERE number = $1 AND due_at IS NOT NULL";
    let Some(row) = database.row(select, args![number.as_str()]).await? else { return Ok(None) };
    Ok(Some(Errand {
        number: number.clone(),
        asked: row.json(0)?,
        state: row.json::<History>(1)?.state(),
        carrier: row.text(2)?.to_owned(),
        refused: row.json(3)?,
        taken: row.flag(4)?,
        stop: row.flag(5)?,
        attempts: row.int(6)?,
    }))
}

/// Parcels whose errand is due, and when the next one is.
pub(super) async fn due(database: &Database, now: Timestamp) -> Result<Vec<ParcelNumber>, StoreError> {
    let select = "SELECT number FROM parcel WHERE due_at <= $1 ORDER BY due_at, number LIMIT $2";
    numbers(&database.rows(select, args![now, PARCELS_PER_TURN]).await?)
}

/// Parcels whose carrier has been silent for too long.
pub(super) async fn silent(database: &Database, now: Timestamp) -> Result<Vec<ParcelNumber>, StoreError> {
    let select = "SELECT number FROM parcel WHERE ask_at <= $1 ORDER BY ask_at, number LIMIT $2";
    numbers(&database.rows(select, args![now, PARCELS_PER_TURN]).await?)
}

fn numbers(rows: &[Row]) -> Result<Vec<ParcelNumber>, StoreError> {
    rows.iter().map(|row| row.parse(0, ParcelNumber::parse)).collect()
}

/// When there is the next errand or question.
pub(super) async fn next(database: &Database) -> Result<Option<Timestamp>, StoreError> {
    let select = "
        SELECT MIN(x.at) FROM (SELECT MIN(due_at) AS at FROM parcel UNION ALL SELECT MIN(ask_at) AS at FROM parcel)
        AS x";
    let row = database.row(select, Vec::new()).await?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(Timestamp))
}

/// Writes down who is to carry it, unless that is decided or it is to be stopped. Whether it was.
pub(super) async fn choose(tx: &mut Tx, number: &ParcelNumber, carrier: &str) -> Result<bool, StoreError> {
    let update = "UPDATE parcel SET carrier = $1 WHERE number = $2 AND carrier = '' AND stop = 0 AND taken = 0";
    Ok(tx.run(update, args![carrier, number.as_str()]).await? > 0)
}

/// Writes down that the carrier does not want it: another is to be found.
pub(super) async fn refuse(tx: &mut Tx, number: &ParcelNumber, refused: &[String]) -> Result<(), StoreError> {
    let update =
        "UPDATE parcel SET carrier = '', refused = $1, due_at = $2, attempts = 0 WHERE number = $3 AND taken = 0";
    let now = tx.now();
    tx.run(update, args![serde_json::to_string(refused)?, now, number.as_str()]).await.map(|_| ())
}

/// Writes down that the carrier has it. The day of its delivery is to be planned.
pub(super) async fn taken(tx: &mut Tx, errand: &Errand, taken: &Taken, ask_at: Timestamp) -> Result<(), StoreError> {
    let Taken { price, promised_at, pace } = taken;
    let day = Date::at(errand.asked.window.map_or(*promised_at, |window| window.from)).to_string();
    let update = "
        UPDATE parcel SET taken = 1, cost = $1, currency = $2, promised_at = $3, eta = COALESCE(eta, $3), pace = $4, day = $5,
            due_at = CASE WHEN stop = 1 THEN due_at END, attempts = 0, heard_at = $6, ask_at = $7, version = version + 1
        WHERE number = $8 AND taken = 0 AND state NOT IN ('cancelled', 'lost', 'returned', 'delivered')";
    let now = tx.now();
    let currency = price.currency.code();
    let number = errand.number.as_str();
    let changed = tx.run(update, args![price.minor, currency, *promised_at, *pace, &day, now, ask_at, number]).await?;
    if changed > 0 {
        plan_due(tx, &day, now).await?;
    }
    Ok(())
}

/// Puts an errand off.
pub(super) async fn later(tx: &mut Tx, number: &ParcelNumber, at: Timestamp) -> Result<(), StoreError> {
    let update = "UPDATE parcel SET attempts = attempts + 1, due_at = $1 WHERE number = $2 AND due_at IS NOT NULL";
    tx.run(update, args![at, number.as_str()]).await.map(|_| ())
}

/// Makes it an errand to stop a parcel.
pub(super) async fn stop(tx: &mut Tx, number: &ParcelNumber) -> Result<(), StoreError> {
    let now = tx.now();
    tx.run("UPDATE parcel SET stop = 1, due_at = $1 WHERE number = $2", args![now, number.as_str()]).await.map(|_| ())
}

/// Gives up stopping a parcel.
pub(super) async fn go_on(tx: &mut Tx, number: &ParcelNumber) -> Result<(), StoreError> {
    let update = "
        UPDATE parcel SET stop = 0, due_at = CASE
            WHEN taken = 1 OR state IN ('cancelled', 'lost', 'returned', 'delivered') THEN NULL ELSE due_at END
        WHERE number = $1";
    tx.run(update, args![number.as_str()]).await.map(|_| ())
}

/// Adds to a parcel's history and tells of it if that changes its state. Nothing if all is known already.
pub(super) async fn report(tx: &mut Tx, news: &News, ask_at: Option<Timestamp>) -> Result<Option<Parcel>, StoreError> {
    let Some(mut parcel) = read_in(tx, &news.number).await? else { return Ok(None) };
    let now = tx.now();
    if !parcel.history.add(news.entry.clone()) {
        return Ok(Some(parcel));
    }
    let before = std::mem::replace(&mut parcel.state, parcel.history.state());
    parcel.version += 1;
    parcel.eta =
        if parcel.state.is_final() { None } else { news.promised_at.filter(|_| is_late(parcel.state)).or(parcel.eta) };
    let ask_at = ask_at.filter(|_| !parcel.state.is_final());
    let update = "
        UPDATE parcel SET state = $1, history = $2, eta = $3, version = $4, heard_at = $5, ask_at = $6,
            promised_at = COALESCE($7, promised_at), due_at = CASE WHEN $8 = 1 THEN NULL ELSE due_at END
        WHERE number = $9";
    let history = serde_json::to_string(&parcel.history)?;
    let state = parcel.state.as_str();
    let (eta, over) = (parcel.eta, parcel.state.is_final());
    let number = parcel.number.as_str();
    let version = parcel.version;
    tx.run(update, args![state, history, eta, version, now, ask_at, news.promised_at, over, number]).await?;
    if parcel.state != before {
        tx.publish(parcel.state.event(), parcel.number.as_str(), &parcel)?;
        if moves_the_plan(parcel.state) {
            let row = tx.row("SELECT day FROM parcel WHERE number = $1", args![parcel.number.as_str()]).await?;
            if let Some(day) = row.as_ref().map(|row| row.opt_text(0)).transpose()?.flatten() {
                plan_due(tx, day, now).await?;
            }
        }
    }
    Ok(Some(parcel))
}

/// Only a report of a delay moves the time at the door; otherwise the plan knows better.
fn is_late(state: ParcelState) -> bool {
    state == ParcelState::Delayed
}

/// What is delivered or on its way to the door stays in the plan as it is.
fn moves_the_plan(state: ParcelState) -> bool {
    matches!(state, ParcelState::Delayed | ParcelState::Lost | ParcelState::Returned | ParcelState::Cancelled)
}

/// Marks a day to be planned: at once, or when there has been a pause since the last plan.
pub(super) async fn plan_due(tx: &mut Tx, day: &str, now: Timestamp) -> Result<(), StoreError> {
    let upsert = "
        INSERT INTO route_day (day, routes, due_at) VALUES ($1, $2, $3)
        ON CONFLICT (day) DO UPDATE SET due_at = CASE
            WHEN route_day.due_at IS NOT NULL AND route_day.due_at <= excluded.due_at THEN route_day.due_at
            WHEN route_day.rest_until > excluded.due_at THEN route_day.rest_until
            ELSE excluded.due_at END";
    let empty = serde_json::to_string(&super::plan::Day::default())?;
    tx.run(upsert, args![day, empty, now]).await.map(|_| ())
}

/// What is asked of a silent parcel's carrier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Silence {
    pub state: ParcelState,
    pub heard_at: Timestamp,
    pub promised_at: Option<Timestamp>,
    pub pace: i64,
}

/// Since when a parcel is silent.
pub(super) async fn silence(
    database: &Database,
    number: &ParcelNumber,
) -> Result<Option<(Silence, String)>, StoreError> {
    let select =
        "SELECT history, heard_at, promised_at, pace, carrier FROM parcel WHERE number = $1 AND ask_at IS NOT NULL";
    let Some(row) = database.row(select, args![number.as_str()]).await? else { return Ok(None) };
    let silence = Silence {
        state: row.json::<History>(0)?.state(),
        heard_at: row.time(1)?,
        promised_at: row.opt_int(2)?.map(Timestamp),
        pace: row.int(3)?,
    };
    Ok(Some((silence, row.text(4)?.to_owned())))
}

/// When to ask about a parcel again.
pub(super) async fn ask_later(tx: &mut Tx, number: &ParcelNumber, at: Timestamp) -> Result<(), StoreError> {
    let update = "
        UPDATE parcel SET ask_at = CASE WHEN state IN ('cancelled', 'lost', 'returned', 'delivered') THEN NULL ELSE $1 END
        WHERE number = $2 AND ask_at IS NOT NULL";
    tx.run(update, args![at, number.as_str()]).await.map(|_| ())
}

/// Whether a report came for the first time. Forgets those that are too old to be accepted again.
pub(super) async fn is_new_report(tx: &mut Tx, id: &str, forget_before: Timestamp) -> Result<bool, StoreError> {
    tx.run("DELETE FROM report_seen WHERE at < $1", args![forget_before]).await?;
    let now = tx.now();
    let insert = "INSERT INTO report_seen (id, at) VALUES ($1, $2) ON CONFLICT (id) DO NOTHING";
    Ok(tx.run(insert, args![id, now]).await? > 0)
}

/// What a carrier signs its reports with, made when it is first needed.
pub(super) async fn secret(database: &Database, carrier: &str, fresh: String) -> Result<String, StoreError> {
    if let Some(secret) = known_secret(database, carrier).await? {
        return Ok(secret);
    }
    let carrier = carrier.to_owned();
    database
        .write(None, move |tx| {
            Box::pin(async move {
                let insert =
                    "INSERT INTO report_secret (carrier, secret) VALUES ($1, $2) ON CONFLICT (carrier) DO NOTHING";
                tx.run(insert, args![&carrier, fresh]).await?;
                let row = tx.row("SELECT secret FROM report_secret WHERE carrier = $1", args![carrier]).await?;
                row.map_or_else(|| Err(StoreError::Closed), |row| row.text(0).map(str::to_owned))
            })
        })
        .await
}

/// What a carrier signs its reports with, if anything was ever booked with it.
pub(super) async fn known_secret(database: &Database, carrier: &str) -> Result<Option<String>, StoreError> {
    let row = database.row("SELECT secret FROM report_secret WHERE carrier = $1", args![carrier]).await?;
    row.map(|row| row.text(0).map(str::to_owned)).transpose()
}

/// How fast the time of a parcel's carrier goes.
pub(super) async fn pace(tx: &mut Tx, number: &ParcelNumber) -> Result<i64, StoreError> {
    let row = tx.row("SELECT pace FROM parcel WHERE number = $1", args![number.as_str()]).await?;
    row.map_or(Ok(1), |row| row.int(0))
}
