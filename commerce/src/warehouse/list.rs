//! Long lists: stock, ledger and shipments in pages.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Warehouse;
use super::ledger::LOADS;
use super::model::{Item, Movement, Receipt, Shipment, State};
use super::shipments::{columns, with_lines};
use crate::clock::Timestamp;
use crate::store::{StoreError, args};

/// A lot in a bin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct StockRow {
    pub(crate) stock: i64,
    pub(crate) item: Item,
    pub(crate) name: String,
    pub(crate) lot: String,
    pub(crate) expires_at: Option<Timestamp>,
    pub(crate) bin: String,
    /// Units there.
    pub(crate) on_hand: i64,
    /// Units of them that are set aside.
    pub(crate) reserved: i64,
}

/// A row of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LedgerRow {
    pub(crate) seq: i64,
    pub(crate) at: Timestamp,
    pub(crate) kind: Movement,
    pub(crate) item: Item,
    pub(crate) lot: String,
    pub(crate) bin: String,
    /// Units more in the bin.
    pub(crate) on_hand: i64,
    /// Units more set aside.
    pub(crate) reserved: i64,
    pub(crate) shipment: Option<String>,
    pub(crate) reason: String,
    /// Whose token it was.
    pub(crate) who: String,
}

/// A page, and the key of its last row if there are more.
type Rows<T> = Result<(Vec<T>, Option<i64>), StoreError>;

/// Cuts the row that only shows that there are more.
fn cut<T>(mut rows: Vec<T>, limit: i64, key: impl Fn(&T) -> i64) -> (Vec<T>, Option<i64>) {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(key);
    (rows, next)
}

impl Warehouse {
    /// What is on the shelves, by stock row. With `item` that item only.
    pub(super) async fn stock(&self, item: Option<&str>, after: i64, limit: i64) -> Rows<StockRow> {
        let find = "
            SELECT s.id, s.item, i.name, s.lot, s.expires_at, s.bin, s.on_hand, s.reserved
            FROM stock s JOIN item i ON i.item = s.item
            WHERE s.id > $1 AND s.on_hand > 0 AND ($2 = '' OR s.item = $2) ORDER BY s.id LIMIT $3";
        let rows = self.database.rows(find, args![after, item.unwrap_or_default(), limit + 1]).await?;
        let rows = rows.iter().map(|row| {
            Ok(StockRow {
                stock: row.int(0)?,
                item: row.parse(1, Item::parse)?,
                name: row.text(2)?.to_owned(),
                lot: row.text(3)?.to_owned(),
                expires_at: row.opt_int(4)?.map(Timestamp),
                bin: row.text(5)?.to_owned(),
                on_hand: row.int(6)?,
                reserved: row.int(7)?,
            })
        });
        Ok(cut(rows.collect::<Result<_, StoreError>>()?, limit, |row: &StockRow| row.stock))
    }

    /// The ledger from its beginning. With `item` or `shipment` what concerns these.
    pub(super) async fn ledger(
        &self,
        (item, shipment): (Option<&str>, Option<&str>),
        after: i64,
        limit: i64,
    ) -> Rows<LedgerRow> {
        let find = "
            SELECT g.seq, g.at, g.kind, s.item, s.lot, s.bin, g.on_hand, g.reserved, g.shipment, g.reason, g.who
            FROM ledger g JOIN stock s ON s.id = g.stock
            WHERE g.seq > $1 AND ($2 = '' OR s.item = $2) AND ($3 = '' OR g.shipment = $3) ORDER BY g.seq LIMIT $4";
        let values = args![after, item.unwrap_or_default(), shipment.unwrap_or_default(), limit + 1];
        let rows = self.database.rows(find, values).await?;
        let rows = rows.iter().map(|row| {
            Ok(LedgerRow {
                seq: row.int(0)?,
                at: row.time(1)?,
                kind: row.parse(2, Movement::parse)?,
                item: row.parse(3, Item::parse)?,
                lot: row.text(4)?.to_owned(),
                bin: row.text(5)?.to_owned(),
                on_hand: row.int(6)?,
                reserved: row.int(7)?,
                shipment: row.opt_text(8)?.map(str::to_owned),
                reason: row.text(9)?.to_owned(),
                who: row.text(10)?.to_owned(),
            })
        });
        Ok(cut(rows.collect::<Result<_, StoreError>>()?, limit, |row: &LedgerRow| row.seq))
    }

    /// Shipments, oldest first.
    pub(super) async fn shipments(
        &self,
        (state, reference): (Option<State>, Option<&str>),
        after: i64,
        limit: i64,
    ) -> Rows<Shipment> {
        const FIND: &str = concat!(
            "SELECT ",
            columns!(),
            " WHERE s.seq > $1 AND ($2 = '' OR s.state = $2) AND ($3 = '' OR s.reference = $3) ORDER BY s.seq LIMIT $4"
        );
        let state = state.map(State::as_str).unwrap_or_default();
        let values = args![after, state, reference.unwrap_or_default(), limit + 1];
        let rows = self.database.rows(FIND, values).await?;
        let (rows, next) = cut(rows, limit, |row| row.int(16).unwrap_or(i64::MAX));
        Ok((with_lines(&self.database, &rows).await?, next))
    }

    /// A receipt, if there is one of this name.
    pub(super) async fn receipt(&self, id: &str) -> Result<Option<Receipt>, StoreError> {
        let row = self.database.row("SELECT body FROM receipt WHERE id = $1", args![id]).await?;
        row.map(|row| row.json(0)).transpose()
    }

    /// How full each bin is that has anything in it.
    pub(super) async fn used(&self) -> Result<BTreeMap<String, i64>, StoreError> {
        let rows = self.database.rows(LOADS, args![]).await?;
        rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.int(1)?))).collect()
    }
}
