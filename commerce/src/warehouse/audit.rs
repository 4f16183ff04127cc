//! Whether the ledger and the balances tell the same story.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limit::AUDIT_ROWS;
use crate::store::{Database, StoreError, args};

/// What all movements of one kind add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Total {
    /// Rows of the ledger.
    pub(crate) rows: i64,
    /// Units more on hand.
    pub(crate) on_hand: i64,
    /// Units more set aside.
    pub(crate) reserved: i64,
}

/// A stock row and how its balance came about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Explained {
    pub(crate) stock: i64,
    pub(crate) item: String,
    pub(crate) lot: String,
    pub(crate) bin: String,
    pub(crate) on_hand: i64,
    pub(crate) reserved: i64,
    /// Units on hand by the ledger.
    pub(crate) ledger_on_hand: i64,
    /// Units set aside by the ledger.
    pub(crate) ledger_reserved: i64,
    /// Units that shipments have.
    pub(crate) allocated: i64,
    /// What is wrong; nothing if the balance is right.
    pub(crate) wrong: Vec<String>,
    /// How the balance came about: movements by kind.
    pub(crate) movements: BTreeMap<String, Total>,
}

/// The audit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = WarehouseAudit)]
pub(crate) struct Audit {
    /// Whether every balance is what the ledger and the shipments say.
    pub(crate) whole: bool,
    pub(crate) stock_rows: i64,
    /// All movements by kind.
    pub(crate) movements: BTreeMap<String, Total>,
    /// Rows that are wrong, or with `item` all rows of that item; 200 at most.
    pub(crate) rows: Vec<Explained>,
}

const ROWS: &str = "
    SELECT * FROM (
        SELECT s.id AS id, s.item AS item, s.lot AS lot, s.bin AS bin, s.on_hand AS on_hand, s.reserved AS reserved,
            CAST(COALESCE(g.on_hand, 0) AS BIGINT) AS book_hand, CAST(COALESCE(g.reserved, 0) AS BIGINT) AS book_reserved,
            CAST(COALESCE(a.quantity, 0) AS BIGINT) AS allocated
        FROM stock s
        LEFT JOIN (SELECT stock, SUM(on_hand) AS on_hand, SUM(reserved) AS reserved FROM ledger GROUP BY stock) g
            ON g.stock = s.id
        LEFT JOIN (SELECT stock, SUM(quantity) AS quantity FROM allocation GROUP BY stock) a ON a.stock = s.id
    ) r
    WHERE (r.item = $1 OR ($1 = '' AND (r.on_hand <> r.book_hand OR r.reserved <> r.book_reserved
        OR r.reserved <> r.allocated OR r.reserved > r.on_hand OR r.on_hand < 0)))
    ORDER BY r.id LIMIT $2";

const MOVEMENTS: &str = "
    SELECT g.stock, g.kind, COUNT(*), CAST(SUM(g.on_hand) AS BIGINT), CAST(SUM(g.reserved) AS BIGINT)
    FROM {rows $1 (row int)} AS x JOIN ledger g ON g.stock = x.row GROUP BY g.stock, g.kind";

const TOTALS: &str = "
    SELECT kind, COUNT(*), CAST(SUM(on_hand) AS BIGINT), CAST(SUM(reserved) AS BIGINT) FROM ledger GROUP BY kind";

/// Compares. With `item` its rows are explained whether they are right or not.
pub(super) async fn audit(database: &Database, item: Option<&str>) -> Result<Audit, StoreError> {
    let wrong = explained(database, "").await?;
    let whole = wrong.is_empty();
    let rows = match item {
        Some(item) => explained(database, item).await?,
        None => wrong,
    };
    let mut movements = BTreeMap::new();
    for row in database.rows(TOTALS, args![]).await? {
        let total = Total { rows: row.int(1)?, on_hand: row.int(2)?, reserved: row.int(3)? };
        movements.insert(row.text(0)?.to_owned(), total);
    }
    let stock = database.row("SELECT COUNT(*) FROM stock", args![]).await?;
    let stock_rows = stock.map_or(Ok(0), |row| row.int(0))?;
    Ok(Audit { whole, stock_rows, movements, rows })
}

/// Rows of an item, or those that are wrong.
async fn explained(database: &Database, item: &str) -> Result<Vec<Explained>, StoreError> {
    let found = database.rows(ROWS, args![item, AUDIT_ROWS]).await?;
    let which = found.iter().map(|row| Ok((row.int(0)?,))).collect::<Result<Vec<_>, StoreError>>()?;
    let mut movements: BTreeMap<i64, BTreeMap<String, Total>> = BTreeMap::new();
    for row in database.rows(MOVEMENTS, args![serde_json::to_string(&which)?]).await? {
        let total = Total { rows: row.int(2)?, on_hand: row.int(3)?, reserved: row.int(4)? };
        movements.entry(row.int(0)?).or_default().insert(row.text(1)?.to_owned(), total);
    }
    found
        .iter()
        .map(|row| {
            let stock = row.int(0)?;
            let mut explained = Explained {
                stock,
                item: row.text(1)?.to_owned(),
                lot: row.text(2)?.to_owned(),
                bin: row.text(3)?.to_owned(),
                on_hand: row.int(4)?,
                reserved: row.int(5)?,
                ledger_on_hand: row.int(6)?,
                ledger_reserved: row.int(7)?,
                allocated: row.int(8)?,
                wrong: Vec::new(),
                movements: movements.remove(&stock).unwrap_or_default(),
            };
            explained.wrong = faults(&explained);
            Ok(explained)
        })
        .collect()
}

/// What is wrong with a row, in words.
fn faults(row: &Explained) -> Vec<String> {
    let checks = [
        (row.on_hand == row.ledger_on_hand, "on hand is not what the ledger adds up to"),
        (row.reserved == row.ledger_reserved, "reserved is not what the ledger adds up to"),
        (row.reserved == row.allocated, "reserved is not what shipments have"),
        ((0..=row.on_hand).contains(&row.reserved), "more is reserved than there is"),
    ];
    checks.iter().filter(|(right, _)| !right).map(|(_, wrong)| (*wrong).to_owned()).collect()
}
