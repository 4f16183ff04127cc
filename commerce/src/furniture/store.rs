//! Discounts in the database.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::discount::{Cut, Discount};
use super::limit::{DISCOUNT_TIME, DISCOUNTS, PRIOR, TOLD};
use crate::clock::Timestamp;
use crate::id::Sku;
use crate::shop;
use crate::store::{Database, Row, StoreError, Tx, args};

/// Discounts by product.
pub(super) type Discounts = HashMap<Sku, Vec<Discount>>;

/// A discount that is on or to come, with its products.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub(super) struct DiscountView {
    /// Its name.
    pub(super) id: String,
    /// What people read.
    pub(super) title: String,
    /// What is taken off each.
    pub(super) cut: Cut,
    /// From when it is on.
    pub(super) starts_at: Timestamp,
    /// Until when, this moment not included.
    pub(super) ends_at: Timestamp,
    /// Which products.
    pub(super) skus: Vec<Sku>,
}

/// Why a discount is not made.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum DiscountError {
    /// A product is not known.
    #[error("there is no product {0}")]
    Product(Sku),
    /// As many as there may be.
    #[error("there are {DISCOUNTS} discounts already")]
    Full,
    /// No such discount.
    #[error("there is no such discount")]
    NotFound,
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The columns of [`read`].
macro_rules! discount_columns {
    () => {
        "i.sku, d.id, d.percent, d.amount, d.starts_at, d.ends_at"
    };
}

fn read(rows: &[Row]) -> Result<Discounts, StoreError> {
    let mut found = Discounts::new();
    for row in rows {
        let cut = match row.opt_int(2)? {
            Some(points) => Cut::Percent(points),
            None => Cut::Amount(row.int(3)?),
        };
        let (id, starts_at, ends_at) = (row.text(1)?.to_owned(), row.time(4)?, row.time(5)?);
        found.entry(row.parse(0, Sku::parse)?).or_default().push(Discount { id, cut, starts_at, ends_at });
    }
    Ok(found)
}

/// The discounts of products that are on now.
pub(super) async fn on_now(tx: &mut Tx, skus: &[&Sku]) -> Result<Discounts, StoreError> {
    let skus: Vec<_> = skus.iter().map(|sku| (sku.as_str(),)).collect();
    let select = concat!(
        "SELECT ",
        discount_columns!(),
        " FROM {rows $1 (sku text)} AS x JOIN discount_item AS i ON i.sku = x.sku ",
        "JOIN discount AS d ON d.id = i.discount WHERE d.starts_at <= $2 AND d.ends_at > $2"
    );
    let now = tx.now();
    read(&tx.rows(select, args![serde_json::to_string(&skus)?, now]).await?)
}

/// The discounts of products that are on at a moment, or were in the time that counts for their prior prices.
pub(super) async fn lately(db: &Database, skus: &[&Sku], now: Timestamp) -> Result<Discounts, StoreError> {
    let skus: Vec<_> = skus.iter().map(|sku| (sku.as_str(),)).collect();
    let select = concat!(
        "SELECT ",
        discount_columns!(),
        " FROM {rows $1 (sku text)} AS x JOIN discount_item AS i ON i.sku = x.sku ",
        "JOIN discount AS d ON d.id = i.discount WHERE d.starts_at <= $2 AND d.ends_at > $3"
    );
    let from = now.before(DISCOUNT_TIME + PRIOR);
    read(&db.rows(select, args![serde_json::to_string(&skus)?, now, from]).await?)
}

/// Makes a discount.
pub(super) async fn insert(tx: &mut Tx, new: &DiscountView) -> Result<(), DiscountError> {
    let now = tx.now();
    let open = tx.row("SELECT COUNT(*) FROM discount WHERE ends_at > $1", args![now]).await?;
    if open.map_or(Ok(0), |row| row.int(0))? >= DISCOUNTS {
        return Err(DiscountError::Full);
    }
    let skus: Vec<_> = new.skus.iter().map(|sku| (sku.as_str(),)).collect();
    let skus = serde_json::to_string(&skus).map_err(StoreError::from)?;
    let missing = "
        SELECT x.sku FROM {rows $1 (sku text)} AS x
        WHERE NOT EXISTS (SELECT 1 FROM product AS p WHERE p.sku = x.sku AND p.active = 1) LIMIT 1";
    if let Some(row) = tx.row(missing, args![&skus]).await? {
        return Err(DiscountError::Product(row.parse(0, Sku::parse)?));
    }
    let (percent, amount) = match new.cut {
        Cut::Percent(points) => (Some(points), None),
        Cut::Amount(minor) => (None, Some(minor)),
    };
    let insert = "
        INSERT INTO discount (id, title, percent, amount, starts_at, ends_at, told) VALUES ($1, $2, $3, $4, $5, $6, 0)";
    tx.run(insert, args![&new.id, &new.title, percent, amount, new.starts_at, new.ends_at]).await?;
    let insert = "
        INSERT INTO discount_item (sku, discount) SELECT x.sku, $2 FROM {rows $1 (sku text)} AS x
        WHERE true ON CONFLICT (sku, discount) DO NOTHING";
    tx.run(insert, args![skus, &new.id]).await?;
    Ok(())
}

/// Ends a discount now.
pub(super) async fn end(tx: &mut Tx, id: &str) -> Result<(), DiscountError> {
    let now = tx.now();
    // One that has not begun never was; one that was stays, for the prior price.
    if tx.run("DELETE FROM discount WHERE id = $1 AND starts_at >= $2", args![id, now]).await? > 0 {
        tx.run("DELETE FROM discount_item WHERE discount = $1", args![id]).await?;
        return Ok(());
    }
    let update = "UPDATE discount SET ends_at = $2 WHERE id = $1 AND ends_at > $2";
    if tx.run(update, args![id, now]).await? == 0 {
        return Err(DiscountError::NotFound);
    }
    Ok(())
}

/// Discounts that are on or to come, and the products of each, by beginning.
pub(super) async fn list(db: &Database, now: Timestamp) -> Result<Vec<DiscountView>, StoreError> {
    let select = "
        SELECT d.id, d.title, d.percent, d.amount, d.starts_at, d.ends_at, i.sku
        FROM discount AS d JOIN discount_item AS i ON i.discount = d.id
        WHERE d.ends_at > $1 ORDER BY d.starts_at, d.id, i.sku";
    let mut found: Vec<DiscountView> = Vec::new();
    for row in db.rows(select, args![now]).await? {
        let sku = row.parse(6, Sku::parse)?;
        match found.last_mut().filter(|last| Ok(last.id.as_str()) == row.text(0).map_err(|_| ())) {
            Some(last) => last.skus.push(sku),
            None => {
                let cut = match row.opt_int(2)? {
                    Some(points) => Cut::Percent(points),
                    None => Cut::Amount(row.int(3)?),
                };
                let (id, title) = (row.text(0)?.to_owned(), row.text(1)?.to_owned());
                let (starts_at, ends_at) = (row.time(4)?, row.time(5)?);
                found.push(DiscountView { id, title, cut, starts_at, ends_at, skus: vec![sku] });
            }
        }
    }
    Ok(found)
}

/// Discounts that began or ended and of which partners do not know yet.
const DUE: &str = "
    SELECT id, CASE WHEN ends_at <= $1 THEN 2 ELSE 1 END FROM discount
    WHERE (told = 0 AND starts_at <= $1) OR (told < 2 AND ends_at <= $1) LIMIT $2";

/// Whether [`tell`] has anything to do.
pub(super) async fn is_due(db: &Database, now: Timestamp) -> Result<bool, StoreError> {
    Ok(db.row(DUE, args![now, 1]).await?.is_some())
}

/// Gives products whose discounts began or ended a new change, so that partners read their new prices.
pub(super) async fn tell(tx: &mut Tx) -> Result<(), StoreError> {
    let now = tx.now();
    for row in tx.rows(DUE, args![now, TOLD]).await? {
        let id = row.text(0)?;
        let rows = tx.rows("SELECT sku FROM discount_item WHERE discount = $1 ORDER BY sku", args![id]).await?;
        let skus: Vec<Sku> = rows.iter().map(|row| row.parse(0, Sku::parse)).collect::<Result<_, _>>()?;
        shop::touch(tx, &skus).await?;
        tx.run("UPDATE discount SET told = $2 WHERE id = $1", args![id, row.int(1)?]).await?;
    }
    Ok(())
}
