//! Cycle counts, lots that expire on the shelf, and goods that come back.

use std::collections::BTreeMap;

use super::allocate::expired;
use super::bins::{DOCK, PACK};
use super::count::{Verdict, judge};
use super::error::WarehouseError;
use super::fill::{self, HOUSE, Which};
use super::ledger::{Journal, Place, stock_rows};
use super::limit::EXPIRED_LOTS;
use super::model::{Count, CountState, Inspection, Item, Movement, NewCount, Shipment, Step};
use super::receive::{Arrival, known, store};
use super::shipments::load_one;
use super::shrink::{Broken, mend, shrink};
use crate::clock::Timestamp;
use crate::id::new_uuid;
use crate::store::{StoreError, Tx, args};

/// Takes a count down and corrects the books if it is to be believed.
pub(super) async fn count(tx: &mut Tx, who: &str, new: &NewCount) -> Result<Count, WarehouseError> {
    let find = "SELECT id, on_hand FROM stock WHERE item = $1 AND lot = $2 AND bin = $3 AND bin <> $4 AND bin <> $5";
    let row = tx.row(find, args![new.item.as_str(), &new.lot, &new.bin, DOCK, PACK]).await?;
    let row = row.ok_or(WarehouseError::Unknown("lot in this bin"))?;
    let (stock, expected) = (row.int(0)?, row.int(1)?);
    let before = "SELECT counted, state FROM count WHERE stock = $1 ORDER BY at DESC, id DESC LIMIT 1";
    let before = tx.row(before, args![stock]).await?;
    let earlier = match before {
        Some(row) if row.parse(1, CountState::parse)? == CountState::CountAgain => Some(row.int(0)?),
        _ => None,
    };
    let state = match judge(expected, new.counted, earlier) {
        Verdict::Agrees => CountState::Agreed,
        Verdict::CountAgain => CountState::CountAgain,
        Verdict::Corrects(_) => CountState::Corrected,
    };
    let count = Count {
        id: new_uuid(),
        item: new.item.clone(),
        lot: new.lot.clone(),
        bin: new.bin.clone(),
        expected,
        counted: new.counted,
        state,
        at: tx.now(),
    };
    let keep = "
        INSERT INTO count (id, stock, expected, counted, reason, state, who, at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
    let values = args![&count.id, stock, expected, count.counted, &new.reason, state.as_str(), who, count.at];
    tx.run(keep, values).await?;
    if state == CountState::Corrected {
        let (mut journal, mut broken) = (Journal::new(who, new.reason.as_str()), Broken::default());
        shrink(tx, &mut journal, &mut broken, (stock, new.counted, Movement::Count)).await?;
        mend(tx, broken).await?;
        if new.counted > expected {
            fill::fill(tx, Which::Items(vec![new.item.as_str().to_owned()])).await?;
        }
    }
    Ok(count)
}

/// Takes lots from the shelves that have expired. Whoever had reserved them gets others, or is short.
pub(super) async fn throw_expired(tx: &mut Tx) -> Result<usize, WarehouseError> {
    let find = "
        SELECT id FROM stock WHERE expires_at <= $1 AND on_hand > 0 AND bin <> $2 AND bin <> $3
        ORDER BY expires_at LIMIT $4";
    let now = tx.now();
    let rows = tx.rows(find, args![now, DOCK, PACK, EXPIRED_LOTS]).await?;
    let (mut journal, mut broken) = (Journal::new(HOUSE, "expired"), Broken::default());
    for row in &rows {
        shrink(tx, &mut journal, &mut broken, (row.int(0)?, 0, Movement::Scrap)).await?;
    }
    mend(tx, broken).await?;
    Ok(rows.len())
}

/// The lots of a shipment that left: item, lot, expiry, units.
const LEFT: &str = "
    SELECT k.item, k.lot, k.expires_at, CAST(-SUM(g.on_hand) AS BIGINT)
    FROM ledger g JOIN stock k ON k.id = g.stock WHERE g.shipment = $1 AND g.kind = 'ship'
    GROUP BY k.item, k.lot, k.expires_at ORDER BY k.item, k.lot";

/// Books what came back: what is as good as new goes to a bin, the rest is thrown away.
pub(super) async fn inspect(
    tx: &mut Tx,
    who: &str,
    id: &str,
    inspection: &Inspection,
) -> Result<Shipment, WarehouseError> {
    let shipment = load_one(tx, id).await?;
    if !shipment.state.allows(Step::Inspect) {
        return Err(WarehouseError::Step(shipment.state, "it did not come back"));
    }
    if shipment.inspected {
        return Err(WarehouseError::Step(shipment.state, "it was looked at before"));
    }
    let mut left: BTreeMap<(String, String), (Option<Timestamp>, i64)> = BTreeMap::new();
    for row in tx.rows(LEFT, args![id]).await? {
        left.insert((row.text(0)?.to_owned(), row.text(1)?.to_owned()), (row.opt_int(2)?.map(Timestamp), row.int(3)?));
    }
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    let now = tx.now();
    for (index, lot) in inspection.lots.iter().enumerate() {
        let wrong = |reason: &str| WarehouseError::Body(format!("/lots/{index}"), reason.to_owned());
        let was = left.remove(&(lot.item.as_str().to_owned(), lot.lot.clone()));
        let (expires_at, units) = was.ok_or_else(|| wrong("was not in the parcel"))?;
        let (volume_ml, cold_chain) = known(tx, &lot.item).await?;
        if lot.sellable + lot.scrap != units {
            return Err(wrong("is another number of units than left"));
        }
        if lot.sellable > 0 && (cold_chain || expired(expires_at, now)) {
            return Err(wrong("cannot be sold: expired, or the cold chain was broken"));
        }
        let (item, lot_code) = (lot.item.as_str().to_owned(), lot.lot.clone());
        let arrival = |quantity| Arrival { item, lot: lot_code, expires_at, quantity, volume_ml, cold_chain };
        if lot.sellable > 0 {
            good.push(arrival.clone()(lot.sellable));
        }
        if lot.scrap > 0 {
            bad.push(arrival(lot.scrap));
        }
    }
    if !left.is_empty() {
        return Err(WarehouseError::Body("/lots".to_owned(), "not every lot of the parcel is there".to_owned()));
    }
    let mut journal = Journal::new(who, format!("back with {}", shipment.parcel.as_deref().unwrap_or("the courier")));
    if !good.is_empty() {
        store(tx, &mut journal, Movement::Return, &good).await?;
    }
    scrap(tx, &mut journal, &bad).await?;
    let mark = "UPDATE shipment SET inspected = 1, changed_at = $2, version = version + 1 WHERE id = $1";
    tx.run(mark, args![id, now]).await?;
    fill::fill(tx, Which::Items(good.into_iter().map(|arrival| arrival.item).collect())).await?;
    load_one(tx, id).await
}

/// Books goods in at the dock and out again as scrap.
async fn scrap(tx: &mut Tx, journal: &mut Journal, arrivals: &[Arrival]) -> Result<(), StoreError> {
    let place = |arrival: &Arrival| Place {
        item: arrival.item.clone(),
        lot: arrival.lot.clone(),
        expires_at: arrival.expires_at,
        bin: DOCK.to_owned(),
    };
    let rows = stock_rows(tx, arrivals.iter().map(place).collect()).await?;
    for arrival in arrivals {
        let row = rows.get(&place(arrival)).ok_or_else(|| StoreError::Value("a stock row was not made".to_owned()))?;
        journal.add(Movement::Return, *row, arrival.quantity, 0);
        journal.add(Movement::Scrap, *row, -arrival.quantity, 0);
    }
    journal.post(tx).await
}

/// The item of a code from a path or a query.
pub(super) fn item(text: &str) -> Result<Item, WarehouseError> {
    Item::parse(text).map_err(|_| WarehouseError::Unknown("item"))
}
