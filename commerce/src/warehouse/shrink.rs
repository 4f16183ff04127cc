//! Fewer units than the books say: the books are corrected, and whoever had reserved what is not there gets other units or is
//! told.

use std::collections::BTreeSet;

use super::error::WarehouseError;
use super::fill::{self, Which};
use super::ledger::Journal;
use super::model::{Movement, Shipment, State};
use super::shipments::{self, Change};
use crate::store::{StoreError, Tx, args};

/// Shipments whose reserved units are gone, and items of which they need others.
#[derive(Debug, Default)]
pub(super) struct Broken {
    shipments: BTreeSet<String>,
    items: BTreeSet<String>,
}

/// Corrects a stock row to `to` units. Reservations that no longer fit are broken, the newest shipment's first.
pub(super) async fn shrink(
    tx: &mut Tx,
    journal: &mut Journal,
    broken: &mut Broken,
    (stock, to, kind): (i64, i64, Movement),
) -> Result<(), StoreError> {
    let Some(row) = tx.row("SELECT item, on_hand, reserved FROM stock WHERE id = $1", args![stock]).await? else {
        return Err(StoreError::Value("a correction of stock that is not there".to_owned()));
    };
    let (item, on_hand, mut reserved) = (row.text(0)?.to_owned(), row.int(1)?, row.int(2)?);
    let find = "
        SELECT a.shipment, a.line, a.quantity FROM allocation a JOIN shipment s ON s.id = a.shipment
        WHERE a.stock = $1 ORDER BY s.seq DESC, a.line DESC";
    for row in tx.rows(find, args![stock]).await? {
        let over = (reserved - to).min(row.int(2)?);
        if over <= 0 {
            break;
        }
        let shipment = row.text(0)?.to_owned();
        reserved -= over;
        reduce(tx, &shipment, row.int(1)?, stock, over).await?;
        journal.add_for(&shipment, Movement::Release, stock, 0, -over);
        broken.shipments.insert(shipment);
        broken.items.insert(item.clone());
    }
    if to != on_hand {
        journal.add(kind, stock, to - on_hand, 0);
    }
    journal.post(tx).await
}

/// Takes units from an allocation, which goes when nothing is left of it.
pub(super) async fn reduce(tx: &mut Tx, shipment: &str, line: i64, stock: i64, by: i64) -> Result<(), StoreError> {
    let gone = "DELETE FROM allocation WHERE shipment = $1 AND line = $2 AND stock = $3 AND quantity = $4";
    if tx.run(gone, args![shipment, line, stock, by]).await? == 0 {
        let less = "UPDATE allocation SET quantity = quantity - $4 WHERE shipment = $1 AND line = $2 AND stock = $3";
        tx.run(less, args![shipment, line, stock, by]).await?;
    }
    Ok(())
}

/// Looks for other units for those whose own are gone. Who finds none is short; a partial shipment goes on with what it has,
/// or waits.
pub(super) async fn mend(tx: &mut Tx, broken: Broken) -> Result<(), WarehouseError> {
    let which: Vec<String> = broken.shipments.into_iter().collect();
    if which.is_empty() {
        return Ok(());
    }
    let before = shipments::load(tx, &which).await?;
    let changes =
        before.iter().map(|shipment| Change { shipment: &shipment.id, state: bereft(shipment), lacking: true });
    shipments::change(tx, &changes.collect::<Vec<_>>()).await?;
    fill::fill(tx, Which::Items(broken.items.into_iter().collect())).await?;
    let after = shipments::load(tx, &which).await?;
    let short = after.iter().filter(|shipment| shipment.state == State::Short);
    let short: Vec<String> = short.map(|shipment| shipment.id.clone()).collect();
    shipments::tell(tx, &short).await?;
    Ok(())
}

/// The state of a shipment that has lost units, before it gets others.
fn bereft(shipment: &Shipment) -> State {
    let has = shipment.lines.iter().any(|line| line.reserved > 0);
    match (shipment.partial, has) {
        (false, _) => State::Short,
        (true, true) => shipment.state,
        (true, false) => State::Waiting,
    }
}
