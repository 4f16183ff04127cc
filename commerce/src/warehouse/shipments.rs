//! Shipments as rows: reading them, changing their state and telling of it.

use std::collections::HashMap;

use super::error::WarehouseError;
use super::model::{Item, Line, Shipment, State};
use crate::clock::Timestamp;
use crate::money::{CurrencyCode, Money};
use crate::store::{Database, Row, StoreError, Tx, args};

/// The columns of a shipment, in the order that [`shipment`] reads them, and one more.
macro_rules! columns {
    () => {
        "s.id, s.reference, s.state, s.partial, s.value, s.currency, s.sscc, s.parcel, s.weight_g, s.volume_ml,
        s.cold_chain, b.error, s.inspected, s.created_at, s.changed_at, s.version, s.seq
        FROM shipment s LEFT JOIN booking b ON b.shipment = s.id"
    };
}
pub(super) use columns;

const SHIPMENTS: &str = concat!("SELECT ", columns!(), " JOIN {rows $1 (id text)} AS x ON x.id = s.id ORDER BY s.seq");

const LINES: &str = "
    SELECT l.shipment, l.item, l.quantity, l.shipped,
        CAST(COALESCE(SUM(a.quantity), 0) AS BIGINT),
        CAST(COALESCE(SUM(CASE WHEN k.bin = 'PACK' THEN a.quantity ELSE 0 END), 0) AS BIGINT)
    FROM {rows $1 (id text)} AS x
    JOIN shipment_line l ON l.shipment = x.id
    LEFT JOIN allocation a ON a.shipment = l.shipment AND a.line = l.line
    LEFT JOIN stock k ON k.id = a.stock
    GROUP BY l.shipment, l.line, l.item, l.quantity, l.shipped
    ORDER BY l.shipment, l.line";

/// Identifiers as the parameter of a table of them.
pub(super) fn ids<T: AsRef<str>>(ids: &[T]) -> Result<String, StoreError> {
    Ok(serde_json::to_string(&ids.iter().map(|id| (id.as_ref(),)).collect::<Vec<_>>())?)
}

/// Shipments as the writer sees them now, oldest first.
pub(super) async fn load(tx: &mut Tx, which: &[String]) -> Result<Vec<Shipment>, StoreError> {
    let which = ids(which)?;
    let shipments = tx.rows(SHIPMENTS, args![which.as_str()]).await?;
    let lines = tx.rows(LINES, args![which]).await?;
    join(&shipments, &lines)
}

/// One shipment as the writer sees it now.
pub(super) async fn load_one(tx: &mut Tx, id: &str) -> Result<Shipment, WarehouseError> {
    load(tx, &[id.to_owned()]).await?.pop().ok_or(WarehouseError::Unknown("shipment"))
}

/// The lines of shipments whose own rows a reader has, put together.
pub(super) async fn with_lines(database: &Database, shipments: &[Row]) -> Result<Vec<Shipment>, StoreError> {
    let which = shipments.iter().map(|row| row.text(0)).collect::<Result<Vec<_>, _>>()?;
    let lines = database.rows(LINES, args![ids(&which)?]).await?;
    join(shipments, &lines)
}

/// One shipment as last committed.
pub(super) async fn read(database: &Database, id: &str) -> Result<Shipment, WarehouseError> {
    let rows = database.rows(SHIPMENTS, args![ids(&[id])?]).await?;
    with_lines(database, &rows).await?.pop().ok_or(WarehouseError::Unknown("shipment"))
}

fn join(shipments: &[Row], lines: &[Row]) -> Result<Vec<Shipment>, StoreError> {
    let mut by_shipment: HashMap<&str, Vec<Line>> = HashMap::new();
    for row in lines {
        by_shipment.entry(row.text(0)?).or_default().push(Line {
            item: row.parse(1, Item::parse)?,
            quantity: row.int(2)?,
            shipped: row.int(3)?,
            reserved: row.int(4)?,
            picked: row.int(5)?,
        });
    }
    shipments.iter().map(|row| shipment(row, by_shipment.remove(row.text(0)?).unwrap_or_default())).collect()
}

fn shipment(row: &Row, lines: Vec<Line>) -> Result<Shipment, StoreError> {
    let currency = CurrencyCode::parse(row.text(5)?);
    let currency = currency.ok_or_else(|| StoreError::Value("column 5 is no currency".to_owned()))?;
    Ok(Shipment {
        id: row.text(0)?.to_owned(),
        reference: row.text(1)?.to_owned(),
        state: row.parse(2, State::parse)?,
        partial: row.flag(3)?,
        lines,
        value: Money { minor: row.int(4)?, currency },
        sscc: row.opt_text(6)?.map(str::to_owned),
        parcel: row.opt_text(7)?.map(str::to_owned),
        weight_g: row.opt_int(8)?,
        volume_ml: row.opt_int(9)?,
        cold_chain: row.flag(10)?,
        refusal: row.opt_text(11)?.map(str::to_owned),
        inspected: row.flag(12)?,
        created_at: Timestamp(row.int(13)?),
        changed_at: Timestamp(row.int(14)?),
        version: row.int(15)?,
    })
}

/// A change of many shipments: their new state, and whether they still wait for units.
pub(super) struct Change<'a> {
    pub(super) shipment: &'a str,
    pub(super) state: State,
    pub(super) lacking: bool,
}

/// Writes changes of state.
pub(super) async fn change(tx: &mut Tx, changes: &[Change<'_>]) -> Result<(), StoreError> {
    if changes.is_empty() {
        return Ok(());
    }
    let rows: Vec<_> =
        changes.iter().map(|change| (change.shipment, change.state.as_str(), i64::from(change.lacking))).collect();
    let write = "
        UPDATE shipment SET state = x.state, lacking = x.lacking, changed_at = $2, version = shipment.version + 1
        FROM {rows $1 (id text, state text, lacking int)} AS x WHERE shipment.id = x.id";
    let now = tx.now();
    tx.run(write, args![serde_json::to_string(&rows)?, now]).await.map(drop)
}

/// Tells everybody that shipments are where they are now.
pub(super) async fn tell(tx: &mut Tx, which: &[String]) -> Result<Vec<Shipment>, StoreError> {
    let shipments = load(tx, which).await?;
    for shipment in &shipments {
        let kind = match shipment.state {
            State::Reserved | State::Picking => "shipment.reserved",
            State::Packed => "shipment.packed",
            State::Shipped => "shipment.shipped",
            State::Short => "shipment.short",
            State::Cancelled => "shipment.cancelled",
            State::Delivered => "shipment.delivered",
            State::Lost => "shipment.lost",
            State::Returned => "shipment.returned",
            State::Waiting => continue,
        };
        tx.publish(kind, shipment.id.as_str(), shipment)?;
    }
    Ok(shipments)
}
