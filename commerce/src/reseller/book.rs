//! Orders in SQL: every change of one goes through [`advance`], which applies facts to it in a transaction.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limit::HISTORY_PER_PAGE;
use super::payment;
use super::saga::{Entry, Fact, OrderState, Policy, Saga, Shop};
use crate::clock::Timestamp;
use crate::limit::DUTY;
use crate::store::{Database, Row, StoreError, Tx, args};

/// One line of an order's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct HistoryEntry {
    /// Counts the order's entries: `Last-Event-ID` of its stream.
    pub(crate) seq: i64,
    /// When.
    pub(crate) at: Timestamp,
    /// A stable word.
    pub(crate) step: String,
    /// The same in words.
    pub(crate) detail: String,
}

/// An order as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) saga: Saga,
    pub(crate) version: i64,
    pub(crate) created_at: Timestamp,
}

/// Of the columns id, body, version and created_at.
fn stored(row: &Row) -> Result<Stored, StoreError> {
    Ok(Stored { id: row.text(0)?.to_owned(), saga: row.json(1)?, version: row.int(2)?, created_at: row.time(3)? })
}

/// What others hear of a change.
#[derive(Serialize)]
struct Changed<'a> {
    id: &'a str,
    state: OrderState,
    version: i64,
}

/// The event of a state.
fn event(state: OrderState) -> &'static str {
    match state {
        OrderState::Placed => "order.placed",
        OrderState::WaitingAdvice => "order.waiting_advice",
        OrderState::Held => "order.held",
        OrderState::Paid => "order.paid",
        OrderState::Confirmed => "order.confirmed",
        OrderState::Collecting => "order.collecting",
        OrderState::Shipping => "order.shipping",
        OrderState::Delivered => "order.delivered",
        OrderState::Cancelling => "order.cancelling",
        OrderState::Cancelled => "order.cancelled",
    }
}

fn json(value: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Value(error.to_string()))
}

/// Keeps a new order, due at once, and returns it as it is kept.
pub(crate) async fn insert(tx: &mut Tx, id: String, saga: Saga, told: Entry) -> Result<Stored, StoreError> {
    let now = tx.now();
    let put = "
        INSERT INTO saga (id, customer, state, step, body, version, created_at, deadline, due)
        VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $6)";
    let state = saga.state();
    let body = json(&saga)?;
    let args = args![id.as_str(), saga.customer.as_str(), state.as_str(), told.step, body, now, saga.deadline];
    tx.run(put, args).await?;
    put_parts(tx, &id, &saga).await?;
    put_history(tx, &id, &[told]).await?;
    tx.publish(event(state), id.as_str(), &Changed { id: &id, state, version: 1 })?;
    Ok(Stored { id, saga, version: 1, created_at: now })
}

/// Applies facts to an order and makes it due. Returns it as it is then; None if there is no such order.
pub(crate) async fn advance(
    tx: &mut Tx,
    id: &str,
    facts: Vec<Fact>,
    policy: &Policy,
) -> Result<Option<Stored>, StoreError> {
    let row = tx.row("SELECT id, body, version, created_at FROM saga WHERE id = $1", args![id]).await?;
    let Some(mut order) = row.as_ref().map(stored).transpose()? else { return Ok(None) };
    let now = tx.now();
    let mut told = Vec::new();
    for fact in facts {
        let before = order.saga.clone();
        told.extend(order.saga.apply(fact, now, policy));
        put_money(tx, id, &before, &order.saga).await?;
    }
    order.version += 1;
    let state = order.saga.state();
    let step = told.last().map(|entry| entry.step);
    let put = "
        UPDATE saga SET state = $2, step = COALESCE($3, step), body = $4, version = $5, deadline = $6, due = $7
        WHERE id = $1";
    let due = order.saga.due_by();
    tx.run(put, args![id, state.as_str(), step, json(&order.saga)?, order.version, due, now]).await?;
    put_parts(tx, id, &order.saga).await?;
    if !told.is_empty() {
        put_history(tx, id, &told).await?;
    }
    tx.publish(event(state), id, &Changed { id, state, version: order.version })?;
    Ok(Some(order))
}

/// Books what a fact moved.
async fn put_money(tx: &mut Tx, id: &str, before: &Saga, after: &Saga) -> Result<(), StoreError> {
    if after.paid != before.paid {
        payment::book(tx, id, &charge_name(id), "charge", after.money(after.paid)).await?;
    }
    for (at, part) in after.parts.iter().enumerate() {
        if let (Some(minor), None) = (part.refunded, before.parts.get(at).and_then(|part| part.refunded)) {
            payment::book(tx, id, &refund_name(id, at), "refund", after.money(minor)).await?;
        }
    }
    Ok(())
}

/// The name of an order's charge, for the provider and the ledger.
pub(crate) fn charge_name(id: &str) -> String {
    format!("{id}:charge")
}

/// The name of the refund of one part.
pub(crate) fn refund_name(id: &str, part: usize) -> String {
    format!("{id}:refund:{part}")
}

/// Keeps the rows by which news find the order.
async fn put_parts(tx: &mut Tx, id: &str, saga: &Saga) -> Result<(), StoreError> {
    let part =
        |(at, part): (usize, &super::saga::Part)| (at, part.shop.as_str(), part.order.clone(), part.state.as_str());
    let parts: Vec<_> = saga.parts.iter().enumerate().map(part).collect();
    let put = "
        INSERT INTO sub_order (order_id, part, shop, shop_order, state)
        SELECT $2, x.part, x.shop, x.shop_order, x.state
        FROM {rows $1 (part int, shop text, shop_order text, state text)} AS x WHERE true
        ON CONFLICT (order_id, part) DO UPDATE SET shop_order = excluded.shop_order, state = excluded.state";
    tx.run(put, args![json(&parts)?, id]).await?;
    let shipments: Vec<_> =
        saga.shipments.iter().enumerate().filter_map(|(at, shipment)| Some((shipment.id.as_ref()?, at))).collect();
    if !shipments.is_empty() {
        let put = "
            INSERT INTO shipment (id, order_id, place) SELECT x.id, $2, x.place FROM {rows $1 (id text, place int)} AS x
            WHERE true ON CONFLICT DO NOTHING";
        tx.run(put, args![json(&shipments)?, id]).await?;
    }
    let parcels: Vec<(&String,)> = saga.parcels.iter().map(|parcel| (&parcel.number,)).collect();
    if !parcels.is_empty() {
        let put = "
            INSERT INTO parcel (number, order_id) SELECT x.number, $2 FROM {rows $1 (number text)} AS x
            WHERE true ON CONFLICT DO NOTHING";
        tx.run(put, args![json(&parcels)?, id]).await?;
    }
    Ok(())
}

async fn put_history(tx: &mut Tx, id: &str, told: &[Entry]) -> Result<(), StoreError> {
    let now = tx.now();
    let rows: Vec<_> = told.iter().enumerate().map(|(at, entry)| (at + 1, entry.step, &entry.detail)).collect();
    let put = "
        INSERT INTO history (order_id, seq, at, step, detail)
        SELECT $2, x.place + (SELECT COALESCE(MAX(h.seq), 0) FROM history h WHERE h.order_id = $2), $3, x.step, x.detail
        FROM {rows $1 (place int, step text, detail text)} AS x";
    tx.run(put, args![json(&rows)?, id, now]).await.map(drop)
}

/// An order, whoever asks.
pub(crate) async fn load(db: &Database, id: &str) -> Result<Option<Stored>, StoreError> {
    let row = db.row("SELECT id, body, version, created_at FROM saga WHERE id = $1", args![id]).await?;
    row.as_ref().map(stored).transpose()
}

/// A customer's orders, newest first, those placed before `before`.
pub(crate) async fn list(
    db: &Database,
    customer: &str,
    before: Option<String>,
    limit: i64,
) -> Result<Vec<Stored>, StoreError> {
    let sql = "
        SELECT id, body, version, created_at FROM saga WHERE customer = $1 AND id < $2 ORDER BY id DESC LIMIT $3";
    // Identifiers are of hexadecimal digits: `g` is after all of them.
    let before = before.unwrap_or_else(|| "g".to_owned());
    db.rows(sql, args![customer, before, limit]).await?.iter().map(stored).collect()
}

const HISTORY: &str =
    "SELECT seq, at, step, detail FROM history WHERE order_id = $1 AND seq > $2 ORDER BY seq LIMIT $3";

/// Of the columns seq, at, step and detail.
fn entry(row: &Row) -> Result<HistoryEntry, StoreError> {
    let (step, detail) = (row.text(2)?.to_owned(), row.text(3)?.to_owned());
    Ok(HistoryEntry { seq: row.int(0)?, at: row.time(1)?, step, detail })
}

/// An order's history after an entry.
pub(crate) async fn history(db: &Database, id: &str, after: i64) -> Result<Vec<HistoryEntry>, StoreError> {
    db.rows(HISTORY, args![id, after, HISTORY_PER_PAGE]).await?.iter().map(entry).collect()
}

/// An order's history as this transaction sees it.
pub(crate) async fn history_in(tx: &mut Tx, id: &str) -> Result<Vec<HistoryEntry>, StoreError> {
    tx.rows(HISTORY, args![id, 0_i64, HISTORY_PER_PAGE]).await?.iter().map(entry).collect()
}

/// Which part of which order a shop's own order is.
pub(crate) async fn part_of(tx: &mut Tx, shop: Shop, shop_order: &str) -> Result<Option<(String, usize)>, StoreError> {
    let sql = "SELECT order_id, part FROM sub_order WHERE shop = $1 AND shop_order = $2";
    placed(tx.row(sql, args![shop.as_str(), shop_order]).await?.as_ref())
}

/// Which of a shop's orders are parts of ours.
pub(crate) async fn parts_among(tx: &mut Tx, shop: Shop, orders: &[&str]) -> Result<HashSet<String>, StoreError> {
    let orders: Vec<_> = orders.iter().map(|order| (order,)).collect();
    let sql = "
        SELECT x.id FROM {rows $1 (id text)} AS x
        JOIN sub_order AS s ON s.shop = $2 AND s.shop_order = x.id";
    let rows = tx.rows(sql, args![serde_json::to_string(&orders)?, shop.as_str()]).await?;
    rows.iter().map(|row| row.text(0).map(str::to_owned)).collect()
}

/// Which shipment of which order a shipment of the warehouse is.
pub(crate) async fn shipment_of(tx: &mut Tx, id: &str) -> Result<Option<(String, usize)>, StoreError> {
    placed(tx.row("SELECT order_id, place FROM shipment WHERE id = $1", args![id]).await?.as_ref())
}

fn placed(row: Option<&Row>) -> Result<Option<(String, usize)>, StoreError> {
    row.map(|row| Ok((row.text(0)?.to_owned(), usize::try_from(row.int(1)?).unwrap_or(0)))).transpose()
}

/// Which order a parcel belongs to.
pub(crate) async fn order_of_parcel(tx: &mut Tx, number: &str) -> Result<Option<String>, StoreError> {
    let row = tx.row("SELECT order_id FROM parcel WHERE number = $1", args![number]).await?;
    row.map(|row| Ok(row.text(0)?.to_owned())).transpose()
}

/// Gives up all claims of a process that is no more. Where several processes share the database, claims run out instead.
pub(crate) async fn forget_claims(db: &Database) -> Result<(), StoreError> {
    let sql = "
        UPDATE saga SET claimed_until = 0, claimed_by = '' WHERE claimed_until > 0 AND {sqlite: 1 = 1}{postgres: 1 = 0}";
    db.write(None, move |tx| Box::pin(async move { tx.run(sql, args![]).await.map(drop) })).await
}

/// Claims due orders for this process.
pub(crate) async fn claim(db: &Database, process: &str, most: i64) -> Result<Vec<String>, StoreError> {
    let now = db.clock().now();
    let waiting = "SELECT 1 FROM saga WHERE due <= $1 AND claimed_until < $1 LIMIT 1";
    if db.row(waiting, args![now]).await?.is_none() {
        return Ok(Vec::new());
    }
    let process = process.to_owned();
    db.write(None, move |tx| {
        Box::pin(async move {
            let now = tx.now();
            let take = "
                UPDATE saga SET claimed_by = $1, claimed_until = $2 WHERE id IN (
                    SELECT id FROM saga WHERE due <= $3 AND claimed_until < $3 ORDER BY due LIMIT $4
                ) RETURNING id";
            let rows = tx.rows(take, args![process, now.after(DUTY), now, most]).await?;
            rows.iter().map(|row| Ok(row.text(0)?.to_owned())).collect()
        })
    })
    .await
}

/// Prolongs all claims of this process.
pub(crate) async fn keep_claims(db: &Database, process: &str) -> Result<(), StoreError> {
    let process = process.to_owned();
    db.write(None, move |tx| {
        Box::pin(async move {
            let until = tx.now().after(DUTY);
            tx.run("UPDATE saga SET claimed_until = $2 WHERE claimed_by = $1", args![process, until]).await.map(drop)
        })
    })
    .await
}

/// Applies what a driver learned and prolongs its claim. False if it has lost that: whoever has it now goes on.
pub(crate) async fn record(
    db: &Database,
    process: &str,
    id: &str,
    facts: Vec<Fact>,
    policy: Policy,
) -> Result<bool, StoreError> {
    let (process, id) = (process.to_owned(), id.to_owned());
    db.write(None, move |tx| {
        Box::pin(async move {
            let now = tx.now();
            let keep = "UPDATE saga SET claimed_until = $3 WHERE id = $1 AND claimed_by = $2";
            let held = tx.run(keep, args![id.as_str(), process, now.after(DUTY)]).await? > 0;
            // A fact is true whoever holds the claim.
            advance(tx, &id, facts, &policy).await?;
            Ok(held)
        })
    })
    .await
}

/// Lets go of an order until `wake`, unless something happened to it since this version: then it stays claimed and this is
/// false.
pub(crate) async fn rest(
    db: &Database,
    process: &str,
    id: &str,
    version: i64,
    wake: Option<Timestamp>,
) -> Result<bool, StoreError> {
    let (process, id) = (process.to_owned(), id.to_owned());
    db.write(None, move |tx| {
        Box::pin(async move {
            let put = "
                UPDATE saga SET due = $4, claimed_until = 0, claimed_by = '' WHERE id = $1 AND claimed_by = $2 AND version = $3";
            Ok(tx.run(put, args![id.as_str(), process.as_str(), version, wake]).await? > 0)
        })
    })
    .await
}

/// Lets go of an order that is due again at once.
pub(crate) async fn yield_claim(db: &Database, process: &str, id: &str) -> Result<(), StoreError> {
    let (process, id) = (process.to_owned(), id.to_owned());
    db.write(None, move |tx| {
        Box::pin(async move {
            let put = "UPDATE saga SET claimed_until = 0, claimed_by = '' WHERE id = $1 AND claimed_by = $2";
            tx.run(put, args![id, process]).await.map(drop)
        })
    })
    .await
}

/// When the next unclaimed order is due.
pub(crate) async fn next_due(db: &Database) -> Result<Option<Timestamp>, StoreError> {
    let row = db.row("SELECT MIN(due) FROM saga WHERE due IS NOT NULL AND claimed_until = 0", args![]).await?;
    Ok(row.map(|row| row.opt_int(0)).transpose()?.flatten().map(Timestamp))
}
