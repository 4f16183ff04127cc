//! The catalogue of medicines: rows in the database, and in memory the index that searches them.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use super::index::Index;
use super::limit::{CATALOGUE_CHECK, IMPORT_CHUNK, MAX_PACKAGES};
use super::medicine::Medicine;
use super::nomenclature::Nomenclature;
use super::seed;
use crate::id::Sku;
use crate::language::{Language, Localized};
use crate::money::{CurrencyCode, Money};
use crate::shop::{self, NewProduct};
use crate::store::{Database, StoreError, Tx, args};

/// Medicines and the names they are found by. Clones share them.
#[derive(Clone)]
pub(crate) struct Catalogue {
    db: Database,
    names: Arc<Nomenclature>,
    loaded: Arc<RwLock<Loaded>>,
}

impl std::fmt::Debug for Catalogue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalogue").finish_non_exhaustive()
    }
}

struct Loaded {
    index: Arc<Index>,
    /// The state of the rows it was built from.
    change: i64,
    /// When that was last compared with the database.
    checked: Instant,
}

/// What a package costs and where it is, now.
#[derive(Debug, Clone, Default)]
pub(crate) struct Offer {
    /// Its price, if it is for sale.
    pub price: Option<Money>,
    /// Packages that can be ordered, by place.
    pub places: Vec<(String, i64)>,
}

impl Catalogue {
    /// Loads the catalogue of a database.
    pub(crate) async fn open(db: Database, names: Nomenclature) -> Result<Self, StoreError> {
        let names = Arc::new(names);
        let (index, change) = load(&db, &names).await?;
        let loaded = Loaded { index, change, checked: Instant::now() };
        Ok(Self { db, names, loaded: Arc::new(RwLock::new(loaded)) })
    }

    /// The index as it was loaded last: asks nobody.
    pub(crate) fn current(&self) -> Arc<Index> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner).index)
    }

    /// The index, loaded anew if another process or an import has changed the rows more than a moment ago.
    pub(crate) async fn index(&self) -> Result<Arc<Index>, StoreError> {
        let known = {
            let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
            if loaded.checked.elapsed() < CATALOGUE_CHECK {
                return Ok(Arc::clone(&loaded.index));
            }
            // Whoever comes meanwhile uses what is there.
            loaded.checked = Instant::now();
            loaded.change
        };
        if change(&self.db).await? != known {
            self.reload().await?;
        }
        Ok(self.current())
    }

    /// Loads the index anew.
    pub(crate) async fn reload(&self) -> Result<(), StoreError> {
        let (index, change) = load(&self.db, &self.names).await?;
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        *loaded = Loaded { index, change, checked: Instant::now() };
        Ok(())
    }

    /// What these packages cost and where they are.
    pub(crate) async fn offers(&self, vnrs: &[&str]) -> Result<HashMap<String, Offer>, StoreError> {
        let vnrs: Vec<_> = vnrs.iter().map(|vnr| (vnr,)).collect();
        let select = "
            SELECT p.sku, p.minor, p.currency, s.location, s.on_hand - s.reserved
            FROM {rows $1 (vnr text)} AS x
            JOIN product AS p ON p.sku = x.vnr AND p.active = 1
            LEFT JOIN stock AS s ON s.sku = p.sku
            ORDER BY p.sku, s.location";
        let mut offers: HashMap<String, Offer> = HashMap::new();
        for row in self.db.rows(select, args![serde_json::to_string(&vnrs)?]).await? {
            let currency = CurrencyCode::parse(row.text(2)?).unwrap_or(CurrencyCode::EUR);
            let offer = offers.entry(row.text(0)?.to_owned()).or_default();
            offer.price = Some(Money { minor: row.int(1)?, currency });
            if let (Some(location), Some(available)) = (row.opt_text(3)?, row.opt_int(4)?) {
                offer.places.push((location.to_owned(), available));
            }
        }
        Ok(offers)
    }

    /// Fills an empty catalogue with made-up packages and stock. Does nothing if there is anything in it.
    pub(crate) async fn seed(&self, packages: Vec<Medicine>) -> Result<(), StoreError> {
        if !self.current().all().is_empty() {
            return Ok(());
        }
        self.db
            .write::<(), StoreError, _>(None, move |tx| {
                Box::pin(async move {
                    put(tx, &packages).await?;
                    let products: Vec<NewProduct> = packages
                        .iter()
                        .enumerate()
                        .filter_map(|(number, medicine)| product(medicine, |pharmacy| seed::stock(pharmacy, number)))
                        .collect();
                    shop::fill(tx, &products, "seed").await
                })
            })
            .await?;
        self.reload().await
    }

    /// The place that can serve all of an order, the nearest to where it goes if that is known; else the place that has most
    /// of it.
    pub(crate) async fn place_for(
        &self,
        lines: &[(Sku, i64)],
        near: Option<(f64, f64)>,
    ) -> Result<&'static str, StoreError> {
        let vnrs: Vec<&str> = lines.iter().map(|(sku, _)| sku.as_str()).collect();
        let offers = self.offers(&vnrs).await?;
        let served = |location: &str| {
            let serves = |(sku, quantity): &&(Sku, i64)| {
                let places = offers.get(sku.as_str()).map(|offer| &offer.places);
                places.is_some_and(|all| all.iter().any(|(at, free)| at == location && free >= quantity))
            };
            lines.iter().filter(serves).count()
        };
        let best = seed::PHARMACIES.iter().max_by(|left, right| {
            let by_lines = served(left.location).cmp(&served(right.location));
            by_lines.then_with(|| right.far_from(near).total_cmp(&left.far_from(near)))
        });
        Ok(best.map_or(seed::PHARMACIES[0].location, |pharmacy| pharmacy.location))
    }
}

/// Writes medicines, new or changed, and tells every process that they changed.
pub(crate) async fn put(tx: &mut Tx, medicines: &[Medicine]) -> Result<(), StoreError> {
    for chunk in medicines.chunks(IMPORT_CHUNK) {
        let rows = chunk
            .iter()
            .map(|medicine| Ok((medicine.vnr.as_str(), serde_json::to_string(medicine)?)))
            .collect::<Result<Vec<_>, StoreError>>()?;
        let upsert = "
            INSERT INTO medicine (vnr, body) SELECT x.vnr, x.body FROM {rows $1 (vnr text, body text)} AS x
            WHERE true ON CONFLICT (vnr) DO UPDATE SET body = excluded.body";
        tx.run(upsert, args![serde_json::to_string(&rows)?]).await?;
    }
    changed(tx).await
}

/// Tells every process that medicines changed.
pub(crate) async fn changed(tx: &mut Tx) -> Result<(), StoreError> {
    tx.run("UPDATE medicines SET change = change + 1 WHERE one = 1", args![]).await?;
    Ok(())
}

/// The medicine as the order book sells it, if it has a price.
pub(crate) fn product(medicine: &Medicine, stock: impl Fn(usize) -> i64) -> Option<NewProduct> {
    let stock = seed::PHARMACIES.iter().enumerate().map(|(number, pharmacy)| (pharmacy.location, stock(number)));
    let title = medicine.title();
    let description = |language: Language| {
        format!(
            "{}, {} {}, {}",
            medicine.substance.get(language),
            medicine.form.get(language),
            medicine.strength,
            medicine.pack
        )
    };
    let texts = |text: &dyn Fn(Language) -> String| {
        Localized(Language::ALL.into_iter().map(|language| (language, text(language))).collect())
    };
    let mut attributes = std::collections::BTreeMap::new();
    attributes.insert("status".to_owned(), medicine.status.as_str().to_owned());
    if let Some(atc) = &medicine.atc {
        attributes.insert("atc".to_owned(), atc.as_str().to_owned());
    }
    if medicine.synthetic {
        attributes.insert("synthetic".to_owned(), "true".to_owned());
    }
    Some(NewProduct {
        sku: medicine.vnr.sku().ok()?,
        gtin: medicine.gtin.clone(),
        name: texts(&|_| title.clone()),
        description: texts(&description),
        category: category(medicine).to_owned(),
        price: medicine.list_price?,
        vat_rate: medicine.vat_rate,
        weight_g: medicine.weight_g,
        volume_ml: medicine.volume_ml,
        cold_chain: medicine.cold_chain,
        attributes,
        stock: stock.collect(),
    })
}

fn category(medicine: &Medicine) -> &'static str {
    match medicine.status {
        super::medicine::Status::R => "prescription",
        super::medicine::Status::K => "self-care",
    }
}

async fn change(db: &Database) -> Result<i64, StoreError> {
    let row = db.row("SELECT change FROM medicines WHERE one = 1", args![]).await?;
    row.map_or(Ok(0), |row| row.int(0))
}

async fn load(db: &Database, names: &Arc<Nomenclature>) -> Result<(Arc<Index>, i64), StoreError> {
    // The count first: a change in between is then noticed by the next look.
    let change = change(db).await?;
    let limit = i64::try_from(MAX_PACKAGES).unwrap_or(i64::MAX);
    let rows = db.rows("SELECT body FROM medicine ORDER BY vnr LIMIT $1", args![limit]).await?;
    let packages = rows.iter().map(|row| row.json(0)).collect::<Result<Vec<Medicine>, _>>()?;
    let names = Arc::clone(names);
    let built = tokio::task::spawn_blocking(move || Arc::new(Index::build(packages, &names))).await;
    let index = built.map_err(|error| StoreError::Value(format!("the index of medicines: {error}")))?;
    Ok((index, change))
}
