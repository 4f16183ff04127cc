//! Offers and medicines in SQL.

use std::time::Duration;

use super::model::{Medicine, Offer, Product, ShopOffer, ShopTerms, Terms};
use crate::clock::Timestamp;
use crate::reseller::limit::{MAX_PRICE, MEDICINES_KEPT};
use crate::reseller::saga::Shop;
use crate::store::{Database, Row, StoreError, Tx, args};

/// Keeps a page of a shop's offers and how far its feed was read. Returns how many were kept.
pub(crate) async fn put_offers(tx: &mut Tx, shop: Shop, offers: &[ShopOffer], next: i64) -> Result<u64, StoreError> {
    let now = tx.now();
    let kept = offers.iter().filter(|offer| (0..=MAX_PRICE).contains(&offer.price.minor));
    let rows: Vec<_> = kept.map(row_of).collect::<Result<_, _>>()?;
    let number = u64::try_from(rows.len()).unwrap_or(u64::MAX);
    let put = "
        INSERT INTO offer (shop, sku, gtin, category, restricted, words, body, seen_at)
        SELECT $2, x.sku, x.gtin, x.category, x.restricted, x.words, x.body, $3
        FROM {rows $1 (sku text, gtin text, category text, restricted int, words text, body text)} AS x WHERE true
        ON CONFLICT (shop, sku) DO UPDATE SET gtin = excluded.gtin, category = excluded.category,
            restricted = excluded.restricted, words = excluded.words, body = excluded.body, seen_at = excluded.seen_at";
    if !rows.is_empty() {
        tx.run(put, args![json(&rows)?, shop.as_str(), now]).await?;
    }
    let note = "
        INSERT INTO feed (shop, next, seen_at) VALUES ($1, $2, $3)
        ON CONFLICT (shop) DO UPDATE SET next = excluded.next, seen_at = excluded.seen_at";
    tx.run(note, args![shop.as_str(), next, now]).await?;
    Ok(number)
}

type OfferRow = (String, Option<String>, String, i64, String, String);

fn row_of(offer: &ShopOffer) -> Result<OfferRow, StoreError> {
    let names: Vec<&str> = offer.name.0.values().map(String::as_str).collect();
    let codes = [offer.sku.as_str(), offer.gtin.as_deref().unwrap_or_default(), offer.category.as_str()];
    let words = [names.as_slice(), &codes].concat().join(" ").to_lowercase();
    let (gtin, category) = (offer.gtin.clone(), offer.category.clone());
    Ok((offer.sku.clone(), gtin, category, i64::from(offer.restricted), words, json(offer)?))
}

fn json(value: &impl serde::Serialize) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| StoreError::Value(error.to_string()))
}

/// How far a shop's feed was read.
pub(crate) async fn progress(db: &Database, shop: Shop) -> Result<i64, StoreError> {
    let row = db.row("SELECT next FROM feed WHERE shop = $1", args![shop.as_str()]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

/// Keeps a shop's terms.
pub(crate) async fn put_terms(tx: &mut Tx, shop: Shop, terms: &ShopTerms) -> Result<(), StoreError> {
    let put = "INSERT INTO terms (shop, body) VALUES ($1, $2) ON CONFLICT (shop) DO UPDATE SET body = excluded.body";
    tx.run(put, args![shop.as_str(), json(terms)?]).await.map(drop)
}

/// The terms of all shops that told theirs.
pub(crate) async fn terms(db: &Database) -> Result<Vec<Terms>, StoreError> {
    let rows = db.rows("SELECT shop, body FROM terms ORDER BY shop", args![]).await?;
    rows.iter().map(|row| Ok(Terms { shop: shop_of(row, 0)?, terms: row.json(1)? })).collect()
}

fn shop_of(row: &Row, column: usize) -> Result<Shop, StoreError> {
    let word = row.text(column)?;
    Shop::parse(word).ok_or_else(|| StoreError::Value(format!("no shop: {word}")))
}

/// The shop, offer and time of a row whose first columns these are. An offer is as fresh as its shop's feed.
fn offer_of(row: &Row) -> Result<Offer, StoreError> {
    Ok(Offer { shop: shop_of(row, 0)?, offer: row.json(1)?, seen_at: row.time(2)? })
}

/// What customers look for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Search {
    /// Words that must all be found.
    pub(crate) words: Vec<String>,
    /// One category only.
    pub(crate) category: Option<String>,
    /// One shop only.
    pub(crate) shop: Option<Shop>,
    /// Whether restricted goods are shown.
    pub(crate) restricted: bool,
    /// After this shop and code.
    pub(crate) after: Option<(String, String)>,
    /// At most so many.
    pub(crate) limit: i64,
}

/// Words of a search; more are not looked at.
const WORDS: usize = 4;

impl Search {
    /// The words as patterns, whatever the words hold.
    fn patterns(&self) -> [String; WORDS] {
        let plain = |word: &String| word.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
        let mut patterns = [const { String::new() }; WORDS];
        for (at, pattern) in patterns.iter_mut().enumerate() {
            *pattern = self.words.get(at).map_or_else(|| "%".to_owned(), |word| format!("%{}%", plain(word)));
        }
        patterns
    }
}

/// Offers in the order of shop and code.
pub(crate) async fn search(db: &Database, search: &Search) -> Result<Vec<Offer>, StoreError> {
    let sql = "
        SELECT o.shop, o.body, f.seen_at FROM offer o JOIN feed f ON f.shop = o.shop
        WHERE (o.shop > $1 OR (o.shop = $1 AND o.sku > $2)) AND (o.restricted = 0 OR $3 = 1)
            AND (o.category = $4 OR $4 = '') AND (o.shop = $10 OR $10 = '')
            AND o.words LIKE $5 ESCAPE '\\' AND o.words LIKE $6 ESCAPE '\\'
            AND o.words LIKE $7 ESCAPE '\\' AND o.words LIKE $8 ESCAPE '\\'
        ORDER BY o.shop, o.sku LIMIT $9";
    let (shop, sku) = search.after.clone().unwrap_or_default();
    let [first, second, third, fourth] = search.patterns();
    let category = search.category.clone().unwrap_or_default();
    let only = search.shop.map_or("", Shop::as_str);
    let restricted = i64::from(search.restricted);
    let args = args![shop, sku, restricted, category, first, second, third, fourth, search.limit, only];
    db.rows(sql, args).await?.iter().map(offer_of).collect()
}

/// The offers of these shops' codes and of these GTINs.
pub(crate) async fn of_lines(
    db: &Database,
    skus: &[(Shop, String)],
    gtins: &[String],
) -> Result<Vec<Offer>, StoreError> {
    let sql = "
        SELECT o.shop, o.body, f.seen_at FROM offer o JOIN feed f ON f.shop = o.shop
        JOIN {rows $1 (shop text, sku text)} AS x ON o.shop = x.shop AND o.sku = x.sku
        UNION
        SELECT o.shop, o.body, f.seen_at FROM offer o JOIN feed f ON f.shop = o.shop
        JOIN {rows $2 (gtin text)} AS y ON o.gtin = y.gtin";
    let gtins: Vec<(&String,)> = gtins.iter().map(|gtin| (gtin,)).collect();
    db.rows(sql, args![json(&skus)?, json(&gtins)?]).await?.iter().map(offer_of).collect()
}

/// Makes medicines be looked at from time to time, and at once if they are new. Only the most recently asked for are kept.
pub(crate) async fn want_medicines(tx: &mut Tx, skus: &[String]) -> Result<(), StoreError> {
    let now = tx.now();
    let rows: Vec<(&String,)> = skus.iter().map(|sku| (sku,)).collect();
    let put = "
        INSERT INTO medicine (sku, due, asked_at) SELECT x.sku, $2, $2 FROM {rows $1 (sku text)} AS x WHERE true
        ON CONFLICT (sku) DO UPDATE SET asked_at = excluded.asked_at";
    tx.run(put, args![json(&rows)?, now]).await?;
    let drop_old = "
        DELETE FROM medicine WHERE sku IN (SELECT sku FROM medicine ORDER BY asked_at DESC, sku LIMIT 1000000 OFFSET $1)";
    tx.run(drop_old, args![MEDICINES_KEPT]).await.map(drop)
}

/// Medicines whose time has come: code and failures so far.
pub(crate) async fn due_medicines(db: &Database, now: Timestamp, most: i64) -> Result<Vec<(String, u32)>, StoreError> {
    let sql = "SELECT sku, failures FROM medicine WHERE due <= $1 ORDER BY due LIMIT $2";
    let rows = db.rows(sql, args![now, most]).await?;
    rows.iter().map(|row| Ok((row.text(0)?.to_owned(), u32::try_from(row.int(1)?).unwrap_or(u32::MAX)))).collect()
}

/// Keeps what the pharmacy told of medicines, each with the time of the next look.
pub(crate) async fn put_medicines(tx: &mut Tx, told: &[(Product, Duration)]) -> Result<(), StoreError> {
    let now = tx.now();
    let row = |(product, wait): &(Product, Duration)| {
        let words = format!("{} {} {}", product.name, product.sku, product.category).to_lowercase();
        Ok((product.sku.clone(), words, json(product)?, now.after(*wait).0))
    };
    let rows: Vec<_> = told.iter().map(row).collect::<Result<_, StoreError>>()?;
    let put = "
        INSERT INTO medicine (sku, words, body, seen_at, due, asked_at)
        SELECT x.sku, x.words, x.body, $2, x.due, $2
        FROM {rows $1 (sku text, words text, body text, due int)} AS x WHERE true
        ON CONFLICT (sku) DO UPDATE SET words = excluded.words, body = excluded.body, seen_at = excluded.seen_at,
            due = excluded.due, failures = 0";
    tx.run(put, args![json(&rows)?, now]).await.map(drop)
}

/// Notes that the pharmacy did not tell of a medicine.
pub(crate) async fn medicine_failed(tx: &mut Tx, sku: &str, wait: Duration) -> Result<(), StoreError> {
    let due = tx.now().after(wait);
    let put = "UPDATE medicine SET failures = failures + 1, due = $2 WHERE sku = $1";
    tx.run(put, args![sku, due]).await.map(drop)
}

/// Medicines as last told, by words or by code.
pub(crate) async fn medicines(db: &Database, search: &Search) -> Result<Vec<Medicine>, StoreError> {
    let sql = "
        SELECT body, seen_at FROM medicine WHERE body IS NOT NULL AND sku > $1
            AND words LIKE $2 ESCAPE '\\' AND words LIKE $3 ESCAPE '\\'
            AND words LIKE $4 ESCAPE '\\' AND words LIKE $5 ESCAPE '\\'
        ORDER BY sku LIMIT $6";
    let [first, second, third, fourth] = search.patterns();
    let after = search.after.clone().map(|(_, sku)| sku).unwrap_or_default();
    let rows = db.rows(sql, args![after, first, second, third, fourth, search.limit]).await?;
    rows.iter().map(|row| Ok(Medicine { product: row.json(0)?, seen_at: row.time(1)? })).collect()
}

/// One medicine as last told.
pub(crate) async fn medicine(db: &Database, sku: &str) -> Result<Option<Medicine>, StoreError> {
    let row = db.row("SELECT body, seen_at FROM medicine WHERE sku = $1 AND body IS NOT NULL", args![sku]).await?;
    row.map(|row| Ok(Medicine { product: row.json(0)?, seen_at: row.time(1)? })).transpose()
}
