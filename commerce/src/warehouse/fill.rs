//! Gives free units to shipments that lack them, oldest first.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::allocate::{Demand, Grant, Lot, Shelves, Want};
use super::bins::{DOCK, PACK};
use super::ledger::Journal;
use super::limit::{FILL, FILL_ROUNDS};
use super::model::{Movement, State};
use super::shipments::{self, Change, ids};
use crate::clock::Timestamp;
use crate::store::{Row, StoreError, Tx, args};

/// Who acts when nobody asked.
pub(super) const HOUSE: &str = "warehouse";

/// Which shipments may get units.
pub(super) enum Which {
    /// All that lack some of these items, which have just become free.
    Items(Vec<String>),
    /// These, which have just come: older ones found nothing when they came, and nothing became free since.
    Shipments(Vec<String>),
}

/// Gives out what is free. Whole shipments get all or nothing, partial ones what is there.
pub(super) async fn fill(tx: &mut Tx, which: Which) -> Result<(), StoreError> {
    match which {
        Which::Shipments(ids) => {
            let rows = lacking(tx, &ids).await?;
            give(tx, &rows).await
        }
        Which::Items(items) => {
            let items = ids(&items)?;
            let mut after = 0;
            for _ in 0..FILL_ROUNDS {
                let find = "
                    SELECT s.id, s.seq FROM shipment s WHERE s.lacking = 1 AND s.seq > $2 AND EXISTS (
                        SELECT 1 FROM {rows $1 (item text)} AS x JOIN shipment_line l ON l.item = x.item
                        WHERE l.shipment = s.id)
                    ORDER BY s.seq LIMIT $3";
                let found = tx.rows(find, args![items.as_str(), after, FILL]).await?;
                let Some(last) = found.last() else { return Ok(()) };
                after = last.int(1)?;
                let waiting = found.iter().map(|row| Ok(row.text(0)?.to_owned()));
                let waiting = waiting.collect::<Result<Vec<_>, StoreError>>()?;
                let rows = lacking(tx, &waiting).await?;
                give(tx, &rows).await?;
            }
            Ok(())
        }
    }
}

/// What each line of shipments lacks: shipment, partial, line, item, lacking units, units it has, picked units.
async fn lacking(tx: &mut Tx, which: &[String]) -> Result<Vec<Row>, StoreError> {
    let find = "
        SELECT s.id, s.partial, l.line, l.item,
            l.quantity - CAST(COALESCE(SUM(a.quantity), 0) AS BIGINT),
            CAST(COALESCE(SUM(CASE WHEN k.bin = $2 THEN a.quantity ELSE 0 END), 0) AS BIGINT)
        FROM {rows $1 (id text)} AS x
        JOIN shipment s ON s.id = x.id AND s.lacking = 1
        JOIN shipment_line l ON l.shipment = s.id
        LEFT JOIN allocation a ON a.shipment = l.shipment AND a.line = l.line
        LEFT JOIN stock k ON k.id = a.stock
        GROUP BY s.seq, s.id, s.partial, l.line, l.item, l.quantity
        ORDER BY s.seq, l.line";
    tx.rows(find, args![ids(which)?, PACK]).await
}

async fn give(tx: &mut Tx, rows: &[Row]) -> Result<(), StoreError> {
    let mut demands: Vec<Demand> = Vec::new();
    let mut picked: BTreeSet<String> = BTreeSet::new();
    for row in rows {
        let id = row.text(0)?;
        if demands.last().is_none_or(|demand| demand.shipment != id) {
            demands.push(Demand { shipment: id.to_owned(), partial: row.flag(1)?, wants: Vec::new() });
        }
        let want = Want { line: row.int(2)?, item: row.text(3)?.to_owned(), quantity: row.int(4)? };
        if let Some(demand) = demands.last_mut().filter(|_| want.quantity > 0) {
            demand.wants.push(want);
        }
        if row.int(5)? > 0 {
            picked.insert(id.to_owned());
        }
    }
    let grants = free(tx, &demands).await?.allocate(&demands);
    if grants.is_empty() {
        return Ok(());
    }
    keep(tx, &demands, &grants).await?;
    let mut got: HashMap<usize, i64> = HashMap::new();
    for grant in &grants {
        *got.entry(grant.demand).or_default() += grant.quantity;
    }
    let mut changes = Vec::new();
    for (index, demand) in demands.iter().enumerate() {
        let Some(got) = got.get(&index) else { continue };
        let lacking = *got < demand.wants.iter().map(|want| want.quantity).sum();
        let state = if picked.contains(&demand.shipment) { State::Picking } else { State::Reserved };
        changes.push(Change { shipment: &demand.shipment, state, lacking });
    }
    shipments::change(tx, &changes).await?;
    let changed: Vec<String> = changes.iter().map(|change| change.shipment.to_owned()).collect();
    shipments::tell(tx, &changed).await.map(drop)
}

/// What is free of the items that are asked for.
async fn free(tx: &mut Tx, demands: &[Demand]) -> Result<Shelves, StoreError> {
    let items: BTreeSet<&str> =
        demands.iter().flat_map(|demand| &demand.wants).map(|want| want.item.as_str()).collect();
    let find = "
        SELECT s.id, s.item, s.expires_at, s.on_hand - s.reserved
        FROM {rows $1 (item text)} AS x JOIN stock s ON s.item = x.item
        WHERE s.on_hand > s.reserved AND s.bin <> $2 AND s.bin <> $3";
    let items: Vec<&str> = items.into_iter().collect();
    let rows = tx.rows(find, args![ids(&items)?, DOCK, PACK]).await?;
    let lots = rows.iter().map(|row| {
        let lot = Lot { stock: row.int(0)?, expires_at: row.opt_int(2)?.map(Timestamp), free: row.int(3)? };
        Ok((row.text(1)?.to_owned(), lot))
    });
    Ok(Shelves::new(lots.collect::<Result<Vec<_>, StoreError>>()?, tx.now()))
}

/// Writes down who got what.
async fn keep(tx: &mut Tx, demands: &[Demand], grants: &[Grant]) -> Result<(), StoreError> {
    let mut journal = Journal::new(HOUSE, "set aside");
    let mut sums: BTreeMap<(&str, i64, i64), i64> = BTreeMap::new();
    for grant in grants {
        let shipment = demands[grant.demand].shipment.as_str();
        journal.add_for(shipment, Movement::Reserve, grant.stock, 0, grant.quantity);
        *sums.entry((shipment, grant.line, grant.stock)).or_default() += grant.quantity;
    }
    journal.post(tx).await?;
    let rows: Vec<_> = sums.iter().map(|((shipment, line, stock), sum)| (shipment, line, stock, sum)).collect();
    let write = "
        INSERT INTO allocation (shipment, line, stock, quantity)
        SELECT x.shipment, x.line, x.row, x.quantity
        FROM {rows $1 (shipment text, line int, row int, quantity int)} AS x WHERE true
        ON CONFLICT (shipment, line, stock) DO UPDATE SET quantity = allocation.quantity + excluded.quantity";
    tx.run(write, args![serde_json::to_string(&rows)?]).await.map(drop)
}
