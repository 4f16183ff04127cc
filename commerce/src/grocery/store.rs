//! Promotions in the database.

use crate::clock::Timestamp;
use crate::id::{PromotionId, Sku};
use crate::money::Money;
use crate::shop;
use crate::store::{Database, Migration, Row, StoreError, Tx, args};

use super::model::{Beyond, Promotion, Reduction};

/// Promotions, beside the order book.
pub(super) const MIGRATIONS: &[Migration] = &[Migration {
    version: 200,
    name: "promotions",
    sql: "
        CREATE TABLE promotion (
            id TEXT NOT NULL PRIMARY KEY,
            version BIGINT NOT NULL,
            sku TEXT NOT NULL,
            name TEXT NOT NULL,
            minor BIGINT,
            currency TEXT,
            off_points BIGINT,
            starts_at BIGINT NOT NULL,
            ends_at BIGINT NOT NULL,
            quota BIGINT,
            per_customer BIGINT,
            list_price_beyond BIGINT NOT NULL,
            used BIGINT NOT NULL CHECK (used >= 0),
            told BIGINT NOT NULL,
            CHECK (quota IS NULL OR used <= quota)
        );
        CREATE INDEX promotion_sku ON promotion (sku, ends_at);
        CREATE INDEX promotion_told ON promotion (told) WHERE told < 2;
        CREATE TABLE promotion_use (
            promotion TEXT NOT NULL,
            customer TEXT NOT NULL,
            used BIGINT NOT NULL CHECK (used >= 0),
            PRIMARY KEY (promotion, customer)
        ){sqlite: WITHOUT ROWID};
    ",
}];

macro_rules! columns {
    () => {
        "p.id, p.version, p.sku, p.name, p.minor, p.currency, p.off_points, p.starts_at, p.ends_at, p.quota, \
         p.per_customer, p.list_price_beyond, p.used"
    };
}

fn read(row: &Row) -> Result<Promotion, StoreError> {
    let reduction = match (row.opt_int(4)?, row.opt_text(5)?, row.opt_int(6)?) {
        (Some(minor), Some(code), _) => {
            let currency = crate::money::CurrencyCode::parse(code);
            let currency = currency.ok_or_else(|| StoreError::Value(format!("no currency: {code}")))?;
            Reduction::Price(Money { minor, currency })
        }
        (_, _, Some(points)) => Reduction::Off(points),
        _ => return Err(StoreError::Value("a promotion that takes nothing off".to_owned())),
    };
    Ok(Promotion {
        id: row.parse(0, PromotionId::parse)?,
        version: row.int(1)?,
        sku: row.parse(2, Sku::parse)?,
        name: row.json(3)?,
        reduction,
        starts_at: row.time(7)?,
        ends_at: row.time(8)?,
        quota: row.opt_int(9)?,
        per_customer: row.opt_int(10)?,
        beyond: if row.flag(11)? { Beyond::ListPrice } else { Beyond::Refuse },
        used: row.int(12)?,
    })
}

fn read_all(rows: &[Row]) -> Result<Vec<Promotion>, StoreError> {
    rows.iter().map(read).collect()
}

fn skus_json<'a>(skus: impl Iterator<Item = &'a Sku>) -> Result<String, StoreError> {
    Ok(serde_json::to_string(&skus.map(|sku| (sku,)).collect::<Vec<_>>())?)
}

/// Promotions of these products that hold now, as the transaction sees them.
pub(super) async fn holding<'a>(
    tx: &mut Tx,
    skus: impl Iterator<Item = &'a Sku>,
    now: Timestamp,
) -> Result<Vec<Promotion>, StoreError> {
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM {rows $1 (sku text)} AS x JOIN promotion AS p ON p.sku = x.sku WHERE p.ends_at > $2 AND p.starts_at <= $2"
    );
    let rows = tx.rows(select, args![skus_json(skus)?, now]).await?;
    read_all(&rows)
}

/// Promotions of these products that hold or held at some time since `since`.
pub(super) async fn since<'a>(
    db: &Database,
    skus: impl Iterator<Item = &'a Sku>,
    since: Timestamp,
    now: Timestamp,
) -> Result<Vec<Promotion>, StoreError> {
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM {rows $1 (sku text)} AS x JOIN promotion AS p ON p.sku = x.sku WHERE p.ends_at > $2 AND p.starts_at <= $3"
    );
    let rows = db.rows(select, args![skus_json(skus)?, since, now]).await?;
    read_all(&rows)
}

/// How many units these customers have had of these promotions.
pub(super) async fn had(tx: &mut Tx, who: &[(&str, &str)]) -> Result<Vec<(String, String, i64)>, StoreError> {
    let select = "
        SELECT u.promotion, u.customer, u.used FROM {rows $1 (promotion text, customer text)} AS x
        JOIN promotion_use AS u ON u.promotion = x.promotion AND u.customer = x.customer";
    let rows = tx.rows(select, args![serde_json::to_string(who)?]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), row.text(1)?.to_owned(), row.int(2)?))).collect()
}

/// Counts units, by promotion and by promotion and customer; less than nothing gives back.
pub(super) async fn count(
    tx: &mut Tx,
    all: &[(&str, i64)],
    by_customer: &[(&str, &str, i64)],
) -> Result<(), StoreError> {
    let update = "
        UPDATE promotion SET used = promotion.used + x.units FROM {rows $1 (id text, units int)} AS x
        WHERE promotion.id = x.id";
    tx.run(update, args![serde_json::to_string(all)?]).await?;
    let rows = serde_json::to_string(by_customer)?;
    let insert = "
        INSERT INTO promotion_use (promotion, customer, used) SELECT x.promotion, x.customer, 0
        FROM {rows $1 (promotion text, customer text, units int)} AS x WHERE x.units > 0
        ON CONFLICT (promotion, customer) DO NOTHING";
    tx.run(insert, args![&rows]).await?;
    let update = "
        UPDATE promotion_use SET used = promotion_use.used + x.units
        FROM {rows $1 (promotion text, customer text, units int)} AS x
        WHERE promotion_use.promotion = x.promotion AND promotion_use.customer = x.customer";
    tx.run(update, args![rows]).await?;
    Ok(())
}

/// One promotion, as the transaction sees it.
pub(super) async fn one_in(tx: &mut Tx, id: &PromotionId) -> Result<Option<Promotion>, StoreError> {
    let select = concat!("SELECT ", columns!(), " FROM promotion AS p WHERE p.id = $1");
    let rows = tx.rows(select, args![id.as_str()]).await?;
    Ok(read_all(&rows)?.pop())
}

/// One promotion.
pub(super) async fn one(db: &Database, id: &PromotionId) -> Result<Option<Promotion>, StoreError> {
    let select = concat!("SELECT ", columns!(), " FROM promotion AS p WHERE p.id = $1");
    let rows = db.rows(select, args![id.as_str()]).await?;
    Ok(read_all(&rows)?.pop())
}

/// Promotions after an id that hold at some time between two moments.
pub(super) async fn list(
    db: &Database,
    from: Timestamp,
    to: Timestamp,
    after: &str,
    limit: i64,
) -> Result<Vec<Promotion>, StoreError> {
    let select = concat!(
        "SELECT ",
        columns!(),
        " FROM promotion AS p WHERE p.ends_at > $1 AND p.starts_at <= $2 AND p.id > $3 ORDER BY p.id LIMIT $4"
    );
    let rows = db.rows(select, args![from, to, after, limit]).await?;
    read_all(&rows)
}

/// How many other promotions of the product hold at some time of this one's.
pub(super) async fn overlapping(tx: &mut Tx, promotion: &Promotion) -> Result<i64, StoreError> {
    let select = "SELECT COUNT(*) FROM promotion WHERE sku = $1 AND ends_at > $2 AND starts_at < $3 AND id <> $4";
    let arguments = args![&promotion.sku, promotion.starts_at, promotion.ends_at, promotion.id.as_str()];
    tx.row(select, arguments).await?.map_or(Ok(0), |row| row.int(0))
}

/// Writes a promotion, new or changed. What it has given away is not touched.
pub(super) async fn put(tx: &mut Tx, promotion: &Promotion) -> Result<(), StoreError> {
    let (price, off) = match promotion.reduction {
        Reduction::Price(price) => (Some(price), None),
        Reduction::Off(points) => (None, Some(points)),
    };
    let upsert = "
        INSERT INTO promotion (id, version, sku, name, minor, currency, off_points, starts_at, ends_at, quota, per_customer,
            list_price_beyond, used, told)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0)
        ON CONFLICT (id) DO UPDATE SET version = excluded.version, sku = excluded.sku, name = excluded.name,
            minor = excluded.minor, currency = excluded.currency, off_points = excluded.off_points,
            starts_at = excluded.starts_at, ends_at = excluded.ends_at, quota = excluded.quota,
            per_customer = excluded.per_customer, list_price_beyond = excluded.list_price_beyond,
            told = CASE WHEN promotion.told = 2 THEN 1 ELSE promotion.told END";
    let arguments = args![
        promotion.id.as_str(),
        promotion.version,
        &promotion.sku,
        serde_json::to_string(&promotion.name)?,
        price.map(|price| price.minor),
        price.map(|price| price.currency.code()),
        off,
        promotion.starts_at,
        promotion.ends_at,
        promotion.quota,
        promotion.per_customer,
        promotion.beyond == Beyond::ListPrice,
    ];
    tx.run(upsert, arguments).await?;
    Ok(())
}

/// Removes a promotion that has given nothing away.
pub(super) async fn remove(tx: &mut Tx, id: &PromotionId) -> Result<(), StoreError> {
    tx.run("DELETE FROM promotion WHERE id = $1", args![id.as_str()]).await?;
    Ok(())
}

/// Whether [`tell`] has anything to do.
pub(super) async fn untold(db: &Database, now: Timestamp) -> Result<bool, StoreError> {
    Ok(db.row(UNTOLD, args![now, 1]).await?.is_some())
}

const UNTOLD: &str = "
    SELECT id, sku FROM promotion
    WHERE told < 2 AND ((told = 0 AND starts_at <= $1) OR (told = 1 AND ends_at <= $1)) LIMIT $2";

/// Gives products a new change whose promotions began or ended, so that partners and caches hear of the price. Returns which.
pub(super) async fn tell(tx: &mut Tx, max: i64) -> Result<Vec<Sku>, StoreError> {
    let now = tx.now();
    let rows = tx.rows(UNTOLD, args![now, max]).await?;
    let mut ids = Vec::with_capacity(rows.len());
    let mut skus = Vec::with_capacity(rows.len());
    for row in &rows {
        ids.push((row.text(0)?,));
        skus.push(row.parse(1, Sku::parse)?);
    }
    skus.sort_unstable();
    skus.dedup();
    let update = "
        UPDATE promotion SET told = CASE WHEN ends_at <= $2 THEN 2 ELSE 1 END
        FROM {rows $1 (id text)} AS x WHERE promotion.id = x.id";
    tx.run(update, args![serde_json::to_string(&ids)?, now]).await?;
    shop::touch(tx, &skus).await?;
    Ok(skus)
}
