//! Picking: a walk through the bins, and what is done when less is there than the books say.

use std::collections::HashMap;

use super::allocate::expired;
use super::bins::{PACK, layout};
use super::error::WarehouseError;
use super::ledger::{Journal, Place, stock_rows};
use super::model::{Item, Movement, Pick, Shipment, State, Step, Walk};
use super::shipments::{self, Change, load_one};
use super::shrink::{Broken, mend, reduce, shrink};
use crate::clock::Timestamp;
use crate::store::{Row, StoreError, Tx, args};

/// The units of a shipment that still lie in their bins.
pub(super) const PICKS: &str = "
    SELECT a.line, a.stock, k.bin, k.item, i.name, k.lot, k.expires_at, a.quantity
    FROM allocation a JOIN stock k ON k.id = a.stock JOIN item i ON i.item = k.item
    WHERE a.shipment = $1 AND k.bin <> 'PACK'";

/// A pick list in the order of a walk through the bins.
pub(super) fn walk(rows: &[Row]) -> Result<Vec<Pick>, StoreError> {
    let order: HashMap<String, i64> = layout().into_iter().map(|bin| (bin.name, bin.walk)).collect();
    let mut picks = rows.iter().map(pick).collect::<Result<Vec<_>, _>>()?;
    picks.sort_by_key(|pick| (order.get(&pick.bin).copied().unwrap_or(i64::MAX), pick.line, pick.stock));
    Ok(picks)
}

fn pick(row: &Row) -> Result<Pick, StoreError> {
    Ok(Pick {
        line: row.int(0)?,
        stock: row.int(1)?,
        bin: row.text(2)?.to_owned(),
        item: row.parse(3, Item::parse)?,
        name: row.text(4)?.to_owned(),
        lot: row.text(5)?.to_owned(),
        expires_at: row.opt_int(6)?.map(Timestamp),
        quantity: row.int(7)?,
    })
}

/// Books a walk: what was found lies at the packing place, what was not is no longer in the books. For units that were not
/// found, or have expired on the shelf, others are looked for; the shipment is short if there are none.
pub(super) async fn walked(tx: &mut Tx, who: &str, id: &str, walked: &Walk) -> Result<Shipment, WarehouseError> {
    let shipment = load_one(tx, id).await?;
    if !shipment.state.allows(Step::Pick) {
        return Err(WarehouseError::Step(shipment.state, "there is nothing to pick"));
    }
    let picks = walk(&tx.rows(PICKS, args![id]).await?)?;
    if picks.is_empty() {
        return Err(WarehouseError::Step(shipment.state, "everything is picked"));
    }
    let found = found(&picks, walked)?;
    let at_pack = |pick: &Pick| Place {
        item: pick.item.as_str().to_owned(),
        lot: pick.lot.clone(),
        expires_at: pick.expires_at,
        bin: PACK.to_owned(),
    };
    let rows = stock_rows(tx, picks.iter().map(at_pack).collect()).await?;
    let mut journal = Journal::new(who, "picked");
    let mut empty = Vec::new();
    let now = tx.now();
    for (pick, found) in picks.iter().zip(found) {
        let stale = expired(pick.expires_at, now);
        let taken = if stale { 0 } else { found };
        if taken > 0 {
            let pack =
                *rows.get(&at_pack(pick)).ok_or_else(|| StoreError::Value("no row at the packing place".into()))?;
            journal.add_for(id, Movement::Pick, pick.stock, -taken, -taken);
            journal.add_for(id, Movement::Pick, pack, taken, taken);
            reduce(tx, id, pick.line, pick.stock, taken).await?;
            keep(tx, (id, pick.line, pack, taken)).await?;
        }
        if taken < pick.quantity {
            empty.push((pick.stock, 0, if stale { Movement::Scrap } else { Movement::Count }));
        }
    }
    journal.post(tx).await?;
    let lacking = lacking(tx, id).await?;
    shipments::change(tx, &[Change { shipment: id, state: State::Picking, lacking }]).await?;
    let (mut broken, mut journal) = (Broken::default(), Journal::new(who, "short pick"));
    for (stock, to, kind) in empty {
        shrink(tx, &mut journal, &mut broken, (stock, to, kind)).await?;
    }
    mend(tx, broken).await?;
    load_one(tx, id).await
}

/// How much of each pick was found.
fn found(picks: &[Pick], walk: &Walk) -> Result<Vec<i64>, WarehouseError> {
    let mut found: Vec<i64> = picks.iter().map(|pick| pick.quantity).collect();
    for (index, told) in walk.found.iter().enumerate() {
        let place = picks.iter().position(|pick| (pick.line, pick.stock) == (told.line, told.stock));
        let wrong = |reason: &str| WarehouseError::Body(format!("/found/{index}"), reason.to_owned());
        let place = place.ok_or_else(|| wrong("is not on the pick list"))?;
        if told.quantity > picks[place].quantity {
            return Err(wrong("is more than was asked for"));
        }
        found[place] = told.quantity;
    }
    Ok(found)
}

async fn keep(tx: &mut Tx, (id, line, pack, units): (&str, i64, i64, i64)) -> Result<(), StoreError> {
    let keep = "
        INSERT INTO allocation (shipment, line, stock, quantity) VALUES ($1, $2, $3, $4)
        ON CONFLICT (shipment, line, stock) DO UPDATE SET quantity = allocation.quantity + excluded.quantity";
    tx.run(keep, args![id, line, pack, units]).await.map(drop)
}

/// Whether a partial shipment still takes what comes.
async fn lacking(tx: &mut Tx, id: &str) -> Result<bool, StoreError> {
    let row = tx.row("SELECT lacking FROM shipment WHERE id = $1", args![id]).await?;
    row.map_or(Ok(false), |row| row.flag(0))
}
