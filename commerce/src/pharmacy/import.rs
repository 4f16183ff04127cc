//! Imports a price list into the catalogue: all of it or nothing, in bounded batches.
//!
//! The rows are first written aside in batches of their own. Only when every line of the file is good, one transaction takes
//! them over, so that readers see the catalogue of before or of after, and a process that dies leaves nothing behind but rows
//! that the next import clears away.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use tokio::sync::mpsc;

use super::catalogue;
use super::limit::{IMPORT_CHUNK, MAX_IMPORT_ERRORS, MAX_PACKAGES};
use super::medicine::{Control, Medicine, VAT_RATE};
use super::nomenclature::{Nomenclature, NomenclatureError};
use super::price_list::{Columns, Entry, LineError, PriceList};
use crate::id::{Sku, new_uuid};
use crate::language::{Language, Localized};
use crate::money::Money;
use crate::shop::{self, NewProduct};
use crate::store::{Database, StoreError, Tx, args};

/// Why a price list was not imported. Nothing of it was.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ImportError {
    /// The file cannot be opened.
    #[error("the file cannot be opened: {0}")]
    File(#[from] std::io::Error),
    /// Lines of the file are wrong.
    #[error("nothing was imported:{}", .0.iter().map(|error| format!("\n  {error}")).collect::<String>())]
    Lines(Vec<LineError>),
    /// The lists that are part of the program are wrong.
    #[error(transparent)]
    Names(#[from] NomenclatureError),
    /// Storage failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Imported {
    /// Packages that are new or changed in the catalogue.
    pub packages: usize,
    /// Of these, packages with a price: for sale.
    pub priced: usize,
    /// Lines without a package.
    pub skipped: usize,
}

/// Reads a price list and takes it over. `progress` hears how many lines were read, now and then.
pub(crate) async fn import(
    db: &Database,
    path: &Path,
    columns: &Columns,
    progress: &mut (dyn FnMut(usize) + Send),
) -> Result<Imported, ImportError> {
    let names = Nomenclature::load()?;
    let run = new_uuid();
    // Rows that an interrupted import left behind.
    clear(db).await?;
    let list =
        PriceList::open(BufReader::new(File::open(path)?), columns).map_err(|error| ImportError::Lines(vec![error]))?;
    // Two batches on their way: one is written while the next is read.
    let (sender, mut batches) = mpsc::channel::<Vec<Entry>>(2);
    let reading = tokio::task::spawn_blocking(move || read(list, &sender));
    let mut packages = 0;
    while let Some(batch) = batches.recv().await {
        packages += batch.len();
        set_aside(db, &run, &names, batch).await?;
        progress(packages);
    }
    let (skipped, errors) = reading.await.map_err(|error| StoreError::Value(format!("reading the file: {error}")))?;
    if !errors.is_empty() {
        clear(db).await?;
        return Err(ImportError::Lines(errors));
    }
    let priced = take_over(db, run).await?;
    Ok(Imported { packages, priced, skipped })
}

/// Reads the file and sends its packages in batches. Returns lines without a package, and what is wrong.
fn read<R: std::io::BufRead>(list: PriceList<R>, batches: &mpsc::Sender<Vec<Entry>>) -> (usize, Vec<LineError>) {
    let (mut skipped, mut errors, mut batch) = (0, Vec::new(), Vec::with_capacity(IMPORT_CHUNK));
    let mut seen: HashMap<String, u64> = HashMap::new();
    for line in list {
        match line {
            Ok(None) => skipped += 1,
            Ok(Some(entry)) => {
                if let Some(first) = seen.insert(entry.vnr.as_str().to_owned(), entry.line) {
                    let detail = format!("{} stands in line {first} already", entry.vnr);
                    errors.push(LineError { line: entry.line, field: String::new(), detail });
                } else if seen.len() > MAX_PACKAGES {
                    let detail = format!("more than {MAX_PACKAGES} packages");
                    errors.push(LineError { line: entry.line, field: String::new(), detail });
                    break;
                } else {
                    batch.push(entry);
                }
            }
            Err(error) => errors.push(error),
        }
        if errors.len() >= MAX_IMPORT_ERRORS {
            break;
        }
        let full = batch.len() >= IMPORT_CHUNK;
        // Nobody listens any more if writing failed.
        if full && batches.blocking_send(std::mem::take(&mut batch)).is_err() {
            return (skipped, errors);
        }
    }
    if !batch.is_empty() {
        let _closed = batches.blocking_send(batch);
    }
    (skipped, errors)
}

async fn clear(db: &Database) -> Result<(), StoreError> {
    db.write::<(), StoreError, _>(None, |tx| {
        Box::pin(async move { tx.run("DELETE FROM import_row", args![]).await.map(drop) })
    })
    .await
}

async fn set_aside(db: &Database, run: &str, names: &Nomenclature, batch: Vec<Entry>) -> Result<(), StoreError> {
    let rows = batch
        .into_iter()
        .map(|entry| {
            let minor = entry.price.map(|price| price.minor);
            let medicine = medicine(entry, names);
            Ok((medicine.vnr.as_str().to_owned(), minor, serde_json::to_string(&medicine)?))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    let (rows, run) = (serde_json::to_string(&rows)?, run.to_owned());
    db.write::<(), StoreError, _>(None, move |tx| {
        Box::pin(async move {
            let insert = "
                INSERT INTO import_row (run, vnr, minor, body) SELECT $2, x.vnr, x.minor, x.body
                FROM {rows $1 (vnr text, minor int, body text)} AS x";
            tx.run(insert, args![rows, run]).await.map(drop)
        })
    })
    .await
}

fn medicine(entry: Entry, names: &Nomenclature) -> Medicine {
    let finnish = entry.form.unwrap_or_default();
    let form = names.form_in_finnish(&finnish.to_lowercase());
    let (grams, millilitres) = form.map_or((100, 250), |form| (form.grams, form.millilitres));
    let substance = entry.atc.as_ref().and_then(|atc| names.substance(atc));
    Medicine {
        vnr: entry.vnr,
        atc: entry.atc,
        gtin: None,
        name: entry.name,
        substance: substance.map(|substance| substance.name.clone()).unwrap_or_default(),
        form: form.map_or_else(|| Localized([(Language::Fi, finnish)].into()), |form| form.name.clone()),
        strength: entry.strength,
        pack: entry.pack,
        status: entry.status,
        control: substance.map_or(Control::Ordinary, |substance| substance.control),
        substitution_group: entry.group,
        list_price: entry.price,
        vat_rate: VAT_RATE,
        weight_g: grams,
        volume_ml: millilitres,
        cold_chain: substance.is_some_and(|substance| substance.cold),
        synthetic: false,
        version: 1,
    }
}

/// Takes over what was set aside, in one transaction but a batch at a time. Returns how many packages have a price.
async fn take_over(db: &Database, run: String) -> Result<usize, StoreError> {
    db.write::<usize, StoreError, _>(None, move |tx| {
        Box::pin(async move {
            let (mut after, mut priced) = (String::new(), 0);
            loop {
                let select = "
                    SELECT i.vnr, i.minor, i.body, m.body FROM import_row AS i LEFT JOIN medicine AS m ON m.vnr = i.vnr
                    WHERE i.run = $1 AND i.vnr > $2 ORDER BY i.vnr LIMIT $3";
                let limit = i64::try_from(IMPORT_CHUNK).unwrap_or(i64::MAX);
                let rows = tx.rows(select, args![&run, &after, limit]).await?;
                let Some(last) = rows.last() else { break };
                after = last.text(0)?.to_owned();
                let mut medicines = Vec::with_capacity(rows.len());
                for row in &rows {
                    let mut medicine: Medicine = row.json(2)?;
                    medicine.list_price = row.opt_int(1)?.map(Money::eur);
                    if row.opt_text(3)?.is_some() {
                        keep(&mut medicine, &row.json(3)?);
                    }
                    medicines.push(medicine);
                }
                catalogue::put(tx, &medicines).await?;
                priced += sell(tx, &medicines).await?;
            }
            tx.run("DELETE FROM import_row", args![]).await?;
            Ok(priced)
        })
    })
    .await
}

/// What a price list does not tell and the catalogue knows already.
fn keep(new: &mut Medicine, old: &Medicine) {
    new.version = old.version + 1;
    new.gtin = new.gtin.take().or_else(|| old.gtin.clone());
}

/// Puts these on sale at their prices: new ones without stock, known ones with another price where it changed.
async fn sell(tx: &mut Tx, medicines: &[Medicine]) -> Result<usize, StoreError> {
    let products: Vec<NewProduct> =
        medicines.iter().filter_map(|medicine| catalogue::product(medicine, |_| 0)).collect();
    if products.is_empty() {
        return Ok(0);
    }
    let prices: Vec<_> = products.iter().map(|product| (product.sku.as_str(), product.price.minor)).collect();
    let prices = serde_json::to_string(&prices)?;
    let select = "
        SELECT p.sku FROM {rows $1 (sku text, minor int)} AS x JOIN product AS p ON p.sku = x.sku WHERE p.minor <> x.minor";
    let rows = tx.rows(select, args![&prices]).await?;
    let changed = rows.iter().map(|row| row.parse(0, Sku::parse)).collect::<Result<Vec<_>, _>>()?;
    shop::touch(tx, &changed).await?;
    let changed: Vec<_> = changed.iter().map(|sku| (sku.as_str(),)).collect();
    let changed = serde_json::to_string(&changed)?;
    let update = "
        UPDATE product SET minor = x.minor FROM {rows $1 (sku text, minor int)} AS x
        WHERE product.sku = x.sku AND product.minor <> x.minor";
    tx.run(update, args![&prices]).await?;
    let insert = "
        INSERT INTO price (sku, since, minor) SELECT p.sku, $2, p.minor
        FROM {rows $1 (sku text)} AS x JOIN product AS p ON p.sku = x.sku
        WHERE true ON CONFLICT (sku, since) DO UPDATE SET minor = excluded.minor";
    tx.run(insert, args![changed, tx.now()]).await?;
    shop::fill(tx, &products, "import").await?;
    Ok(products.len())
}
