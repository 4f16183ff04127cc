//! Products, prices and stock in the database.

use crate::clock::Timestamp;
use crate::id::Sku;
use crate::money::Money;
use crate::store::{Database, StoreError, Tx, args};

use super::limit::{ANNOUNCE, FILL, QUANTITY};
use super::product::product_columns;
use super::{NewProduct, Product, Rejection};

/// The columns of [`Product::read`] and how many can be ordered, at all places together.
macro_rules! select_available {
    () => {
        concat!(
            "SELECT ",
            product_columns!(),
            ", (SELECT CAST(COALESCE(SUM(s.on_hand - s.reserved), 0) AS BIGINT) FROM stock AS s WHERE s.sku = p.sku) ",
            "FROM product AS p "
        )
    };
}

/// A product and how many of it can be ordered, at all places together.
pub(crate) type Available = (Product, i64);

fn read_available(rows: &[crate::store::Row]) -> Result<Vec<Available>, StoreError> {
    rows.iter().map(|row| Ok((Product::read(row)?, row.int(Product::COLUMNS)?))).collect()
}

/// Puts products into the catalogue, with their stock. Those that are there already are left alone.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn fill(tx: &mut Tx, products: &[NewProduct], who: &str) -> Result<(), StoreError> {
    for chunk in products.chunks(FILL) {
        let count = i64::try_from(chunk.len()).unwrap_or(i64::MAX);
        let first = take_changes(tx, count).await?;
        let mut rows = Vec::with_capacity(chunk.len());
        let mut stock = Vec::with_capacity(chunk.len());
        for (change, product) in (first..).zip(chunk) {
            rows.push((
                (product.sku.as_str(), change, product.price.minor, product.price.currency.code()),
                (product.vat_rate, product.gtin.as_ref(), &product.category),
                (product.weight_g, product.volume_ml, i64::from(product.cold_chain)),
                (serde_json::to_string(&product.name)?, serde_json::to_string(&product.description)?),
                (serde_json::to_string(&product.attributes)?, search_text(product)),
            ));
            let places = product.stock.iter().filter(|(_, quantity)| *quantity >= 0);
            stock.extend(places.map(|(location, quantity)| (*location, product.sku.as_str(), *quantity)));
        }
        let rows: Vec<_> = rows
            .iter()
            .map(|((a, b, c, d), (e, f, g), (h, i, j), (k, l), (m, n))| (a, b, c, d, e, f, g, h, i, j, k, l, m, n))
            .collect();
        let insert = "
            INSERT INTO product (sku, version, updated_at, change, active, minor, currency, vat_rate, gtin, category,
                weight_g, volume_ml, cold_chain, name, description, attributes, search)
            SELECT x.sku, 1, $2, x.change, 1, x.minor, x.currency, x.vat_rate, x.gtin, x.category, x.weight_g,
                x.volume_ml, x.cold_chain, x.name, x.description, x.attributes, x.search
            FROM {rows $1 (sku text, change int, minor int, currency text, vat_rate int, gtin text, category text,
                weight_g int, volume_ml int, cold_chain int, name text, description text, attributes text,
                search text)} AS x
            WHERE true ON CONFLICT (sku) DO NOTHING";
        tx.run(insert, args![serde_json::to_string(&rows)?, tx.now()]).await?;
        let prices: Vec<_> = chunk.iter().map(|product| (product.sku.as_str(), product.price.minor)).collect();
        let insert = "
            INSERT INTO price (sku, since, minor) SELECT x.sku, $2, x.minor
            FROM {rows $1 (sku text, minor int)} AS x
            WHERE NOT EXISTS (SELECT 1 FROM price AS p WHERE p.sku = x.sku)";
        tx.run(insert, args![serde_json::to_string(&prices)?, tx.now()]).await?;
        let stock = serde_json::to_string(&stock)?;
        let insert = "
            INSERT INTO restock (at, who, location, sku, quantity) SELECT $2, $3, x.location, x.sku, x.quantity
            FROM {rows $1 (location text, sku text, quantity int)} AS x
            WHERE NOT EXISTS (SELECT 1 FROM stock AS s WHERE s.location = x.location AND s.sku = x.sku)";
        tx.run(insert, args![&stock, tx.now(), who]).await?;
        let insert = "
            INSERT INTO stock (location, sku, on_hand, reserved, announced)
            SELECT x.location, x.sku, x.quantity, 0, x.quantity
            FROM {rows $1 (location text, sku text, quantity int)} AS x
            WHERE true ON CONFLICT (location, sku) DO NOTHING";
        tx.run(insert, args![stock]).await?;
    }
    Ok(())
}

/// What a search looks in: all names, the codes and the kind, in small letters.
fn search_text(product: &NewProduct) -> String {
    let mut text = product.sku.as_str().to_lowercase();
    for part in product.name.0.values().map(String::as_str).chain([product.category.as_str()]) {
        text.push('\n');
        text.push_str(&part.to_lowercase());
    }
    if let Some(gtin) = &product.gtin {
        text.push('\n');
        text.push_str(gtin.as_str());
    }
    text
}

/// The first of so many new numbers of changes.
async fn take_changes(tx: &mut Tx, count: i64) -> Result<i64, StoreError> {
    let update = "UPDATE catalogue SET change = change + $1 WHERE one = 1 RETURNING change";
    let row = tx.row(update, args![count]).await?;
    let last = row.ok_or_else(|| StoreError::Value("the catalogue counts no changes".to_owned()))?.int(0)?;
    Ok(last - count + 1)
}

/// Whether there are no products at all yet.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn is_empty(db: &Database) -> Result<bool, StoreError> {
    Ok(db.row("SELECT sku FROM product LIMIT 1", Vec::new()).await?.is_none())
}

/// One product as the transaction sees it.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn product_in(tx: &mut Tx, sku: &Sku) -> Result<Option<Available>, StoreError> {
    let rows = tx.rows(concat!(select_available!(), "WHERE p.sku = $1 AND p.active = 1"), args![sku]).await?;
    Ok(read_available(&rows)?.pop())
}

/// One product as committed.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn product(db: &Database, sku: &Sku) -> Result<Option<Available>, StoreError> {
    let rows = db.rows(concat!(select_available!(), "WHERE p.sku = $1 AND p.active = 1"), args![sku]).await?;
    Ok(read_available(&rows)?.pop())
}

/// What a list of products is narrowed to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Only this kind of goods.
    pub(crate) category: String,
    /// Only where a name or code contains this.
    pub(crate) text: String,
}

/// Products after a code, by code.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn products(
    db: &Database,
    filter: &Filter,
    after: &str,
    limit: i64,
) -> Result<Vec<Available>, StoreError> {
    let select = concat!(
        select_available!(),
        "WHERE p.active = 1 AND p.sku > $1 AND ($2 = '' OR p.category = $2) ",
        "AND ($3 = '' OR p.search LIKE $3 ESCAPE '!') ORDER BY p.sku LIMIT $4"
    );
    let rows = db.rows(select, args![after, &filter.category, like(&filter.text), limit]).await?;
    read_available(&rows)
}

/// A pattern for texts that contain this one; nothing for nothing.
fn like(text: &str) -> String {
    let text = text.trim().to_lowercase();
    if text.is_empty() {
        return text;
    }
    let text = text.replace('!', "!!").replace('%', "!%").replace('_', "!_");
    format!("%{text}%")
}

/// Products after a change, in the order of their last changes: for partners.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn changed(db: &Database, after: i64, limit: i64) -> Result<Vec<Available>, StoreError> {
    let select = concat!(select_available!(), "WHERE p.change > $1 ORDER BY p.change LIMIT $2");
    let rows = db.rows(select, args![after, limit]).await?;
    read_available(&rows)
}

/// Gives a product another list price, if `version` is its newest.
///
/// # Errors
/// There is no such product, it changed meanwhile, or the price makes no sense for it.
pub(crate) async fn set_price(tx: &mut Tx, sku: &Sku, version: i64, price: Money) -> Result<Available, Rejection> {
    let (product, _) = product_in(tx, sku).await?.ok_or(Rejection::NotFound("product"))?;
    if product.version != version {
        return Err(Rejection::Stale(product.version));
    }
    if price.currency != product.price.currency || price.minor < 0 {
        let pointer = "/price".to_owned();
        return Err(Rejection::Invalid { pointer, detail: "must not be negative, and in the currency of before" });
    }
    touch(tx, std::slice::from_ref(sku)).await?;
    tx.run("UPDATE product SET minor = $1 WHERE sku = $2", args![price.minor, sku]).await?;
    let insert = "
        INSERT INTO price (sku, since, minor) VALUES ($1, $2, $3)
        ON CONFLICT (sku, since) DO UPDATE SET minor = excluded.minor";
    tx.run(insert, args![sku, tx.now(), price.minor]).await?;
    product_in(tx, sku).await?.ok_or(Rejection::NotFound("product"))
}

/// Tells partners that these products changed, and gives them a new version.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn touch(tx: &mut Tx, skus: &[Sku]) -> Result<(), StoreError> {
    if skus.is_empty() {
        return Ok(());
    }
    let first = take_changes(tx, i64::try_from(skus.len()).unwrap_or(i64::MAX)).await?;
    let rows: Vec<_> = skus.iter().zip(first..).collect();
    let update = "
        UPDATE product SET version = product.version + 1, updated_at = $2, change = x.change
        FROM {rows $1 (sku text, change int)} AS x WHERE product.sku = x.sku";
    tx.run(update, args![serde_json::to_string(&rows)?, tx.now()]).await?;
    Ok(())
}

/// Puts more of a product on a shelf.
///
/// # Errors
/// There is no such product or place, or the quantity makes no sense.
pub(crate) async fn restock(
    tx: &mut Tx,
    location: &str,
    sku: &Sku,
    quantity: i64,
    who: &str,
) -> Result<Available, Rejection> {
    if !(1..=QUANTITY * 100).contains(&quantity) {
        return Err(Rejection::Invalid { pointer: "/quantity".to_owned(), detail: "must be 1 to 1000000" });
    }
    let update = "UPDATE stock SET on_hand = on_hand + $1 WHERE location = $2 AND sku = $3";
    if tx.run(update, args![quantity, location, sku]).await? == 0 {
        return Err(Rejection::NotFound("product"));
    }
    let insert = "INSERT INTO restock (at, who, location, sku, quantity) VALUES ($1, $2, $3, $4, $5)";
    tx.run(insert, args![tx.now(), who, location, sku, quantity]).await?;
    product_in(tx, sku).await?.ok_or(Rejection::NotFound("product"))
}

/// Whether [`announce`] has anything to do.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn stale_offers(db: &Database) -> Result<bool, StoreError> {
    Ok(!db.rows(STALE, args![1]).await?.is_empty())
}

/// Places and products of which partners think too wrongly.
const STALE: &str = "
    SELECT location, sku, on_hand - reserved FROM stock
    WHERE on_hand - reserved <> announced AND (on_hand - reserved = 0 OR announced = 0
        OR ABS(on_hand - reserved - announced) * 5 > announced)
    LIMIT $1";

/// Gives a new change number to products of which partners think too wrongly: sold out or not any more, or a fifth off.
/// Returns how many.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn announce(tx: &mut Tx) -> Result<i64, StoreError> {
    let rows = tx.rows(STALE, args![ANNOUNCE]).await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let mut stock = Vec::with_capacity(rows.len());
    for row in &rows {
        stock.push((row.text(0)?, row.text(1)?, row.int(2)?));
    }
    let update = "
        UPDATE stock SET announced = x.available FROM {rows $1 (location text, sku text, available int)} AS x
        WHERE stock.location = x.location AND stock.sku = x.sku";
    tx.run(update, args![serde_json::to_string(&stock)?]).await?;
    let mut skus: Vec<_> = stock.iter().map(|(_, sku, _)| *sku).collect();
    skus.sort_unstable();
    skus.dedup();
    let count = i64::try_from(skus.len()).unwrap_or(i64::MAX);
    let first = take_changes(tx, count).await?;
    let changes: Vec<_> = skus.iter().zip(first..).collect();
    let update = "
        UPDATE product SET change = x.change FROM {rows $1 (sku text, change int)} AS x WHERE product.sku = x.sku";
    tx.run(update, args![serde_json::to_string(&changes)?]).await?;
    Ok(count)
}

/// The list prices of products since a moment, and the one before it: product, from when, cents; by product and time.
///
/// # Errors
/// See [`StoreError`].
pub(crate) async fn prices(
    db: &Database,
    skus: &[&Sku],
    since: Timestamp,
) -> Result<Vec<(Sku, Timestamp, i64)>, StoreError> {
    let skus: Vec<_> = skus.iter().map(|sku| (sku,)).collect();
    let select = "
        SELECT p.sku, p.since, p.minor FROM {rows $1 (sku text)} AS x JOIN price AS p ON p.sku = x.sku
        WHERE p.since >= COALESCE((SELECT MAX(b.since) FROM price AS b WHERE b.sku = x.sku AND b.since <= $2), 0)
        ORDER BY p.sku, p.since";
    let rows = db.rows(select, args![serde_json::to_string(&skus)?, since]).await?;
    rows.iter().map(|row| Ok((row.parse(0, Sku::parse)?, row.time(1)?, row.int(2)?))).collect()
}
