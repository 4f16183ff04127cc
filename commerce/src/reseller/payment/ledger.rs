//! The reseller's own book of charges and refunds.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::money::{CurrencyCode, Money};
use crate::store::{Database, Row, StoreError, Tx, args};

/// One movement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LedgerEntry {
    /// `charge` or `refund`.
    pub(crate) kind: String,
    /// How much.
    pub(crate) amount: Money,
    /// When it was noted.
    pub(crate) at: Timestamp,
}

/// Notes a movement once, whatever is repeated.
///
/// # Errors
/// Storage failed, or the refunds of the order would exceed its charges: then nothing at all is to be changed.
pub(crate) async fn book(
    tx: &mut Tx,
    order: &str,
    entry: &str,
    kind: &'static str,
    amount: Money,
) -> Result<(), StoreError> {
    let now = tx.now();
    let put = "
        INSERT INTO ledger (order_id, entry, kind, minor, currency, at) VALUES ($1, $2, $3, $4, $5, $6)
        ON CONFLICT (entry) DO NOTHING";
    tx.run(put, args![order, entry, kind, amount.minor, amount.currency.code(), now]).await?;
    let left = "
        SELECT CAST(COALESCE(SUM(CASE kind WHEN 'charge' THEN minor ELSE -minor END), 0) AS BIGINT) FROM ledger WHERE order_id = $1";
    let left = tx.row(left, args![order]).await?.map_or(Ok(0), |row| row.int(0))?;
    if left < 0 {
        return Err(StoreError::Value("refunds would exceed charges".to_owned()));
    }
    Ok(())
}

const OF_ORDER: &str = "SELECT kind, minor, currency, at FROM ledger WHERE order_id = $1 ORDER BY seq";

/// Of the columns kind, minor, currency and at.
fn entry(row: &Row) -> Result<LedgerEntry, StoreError> {
    let currency = CurrencyCode::parse(row.text(2)?).unwrap_or(CurrencyCode::EUR);
    let amount = Money { minor: row.int(1)?, currency };
    Ok(LedgerEntry { kind: row.text(0)?.to_owned(), amount, at: row.time(3)? })
}

/// All movements of an order.
pub(crate) async fn of_order(db: &Database, order: &str) -> Result<Vec<LedgerEntry>, StoreError> {
    db.rows(OF_ORDER, args![order]).await?.iter().map(entry).collect()
}

/// All movements of an order as this transaction sees them.
pub(crate) async fn of_order_in(tx: &mut Tx, order: &str) -> Result<Vec<LedgerEntry>, StoreError> {
    tx.rows(OF_ORDER, args![order]).await?.iter().map(entry).collect()
}
