//! Products: what is stored, what is shown, what partners are offered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::id::{Gtin, Sku};
use crate::language::{Language, Localized};
use crate::money::{CurrencyCode, Money};
use crate::store::{Row, StoreError};

use super::rules::Shown;

/// A product as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Product {
    /// The shop's own code.
    pub(crate) sku: Sku,
    /// Counts its changes; the ETag of changes to it.
    pub(crate) version: i64,
    /// When it changed last.
    pub(crate) updated_at: Timestamp,
    /// Number of the change in the catalogue.
    pub(crate) change: i64,
    /// List price, VAT included.
    pub(crate) price: Money,
    /// VAT in basis points.
    pub(crate) vat_rate: i64,
    /// The world's code.
    pub(crate) gtin: Option<Gtin>,
    /// Kind of goods.
    pub(crate) category: String,
    /// Grams, packed.
    pub(crate) weight_g: i64,
    /// Millilitres of space, packed.
    pub(crate) volume_ml: i64,
    /// Whether it must stay cold.
    pub(crate) cold_chain: bool,
    /// In several languages.
    pub(crate) name: Localized,
    /// In several languages.
    pub(crate) description: Localized,
    /// Anything else worth knowing.
    pub(crate) attributes: BTreeMap<String, String>,
}

/// The columns of [`Product::read`], in its order.
macro_rules! product_columns {
    () => {
        "p.sku, p.version, p.updated_at, p.change, p.minor, p.currency, p.vat_rate, p.gtin, p.category, p.weight_g, \
         p.volume_ml, p.cold_chain, p.name, p.description, p.attributes"
    };
}
pub(super) use product_columns;

impl Product {
    /// Number of columns that [`Product::read`] takes.
    pub(super) const COLUMNS: usize = 15;

    /// Reads the columns of [`product_columns`].
    pub(super) fn read(row: &Row) -> Result<Self, StoreError> {
        let currency = currency(row.text(5)?)?;
        Ok(Self {
            sku: row.parse(0, Sku::parse)?,
            version: row.int(1)?,
            updated_at: row.time(2)?,
            change: row.int(3)?,
            price: Money { minor: row.int(4)?, currency },
            vat_rate: row.int(6)?,
            gtin: row
                .opt_text(7)?
                .map(Gtin::parse)
                .transpose()
                .map_err(|error| StoreError::Value(error.to_string()))?,
            category: row.text(8)?.to_owned(),
            weight_g: row.int(9)?,
            volume_ml: row.int(10)?,
            cold_chain: row.flag(11)?,
            name: row.json(12)?,
            description: row.json(13)?,
            attributes: row.json(14)?,
        })
    }
}

/// A stored currency.
pub(super) fn currency(code: &str) -> Result<CurrencyCode, StoreError> {
    CurrencyCode::parse(code).ok_or_else(|| StoreError::Value(format!("no currency: {code}")))
}

/// A product that comes into the catalogue, with what is there of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct NewProduct {
    /// The shop's own code.
    pub(crate) sku: Sku,
    /// The world's code.
    pub(crate) gtin: Option<Gtin>,
    /// In several languages.
    pub(crate) name: Localized,
    /// In several languages.
    pub(crate) description: Localized,
    /// Kind of goods.
    pub(crate) category: String,
    /// List price, VAT included.
    pub(crate) price: Money,
    /// VAT in basis points.
    pub(crate) vat_rate: i64,
    /// Grams, packed.
    pub(crate) weight_g: i64,
    /// Millilitres of space, packed.
    pub(crate) volume_ml: i64,
    /// Whether it must stay cold.
    pub(crate) cold_chain: bool,
    /// Anything else worth knowing.
    pub(crate) attributes: BTreeMap<String, String>,
    /// How many there are, and where.
    pub(crate) stock: Vec<(&'static str, i64)>,
}

/// A product as readers see it, in their language.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ProductView {
    /// The shop's own code.
    pub(crate) sku: Sku,
    /// The world's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gtin: Option<Gtin>,
    /// In the asked language.
    pub(crate) name: String,
    /// In the asked language.
    pub(crate) description: String,
    /// Kind of goods.
    pub(crate) category: String,
    /// What one costs now, VAT included.
    pub(crate) price: Money,
    /// If it is reduced: the lowest price of the 30 days before the reduction (Directive 98/6/EC, article 6a).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) was: Option<Money>,
    /// VAT in basis points.
    pub(crate) vat_rate: i64,
    /// How many could be ordered, up to two seconds ago.
    pub(crate) available: i64,
    /// Grams, packed.
    pub(crate) weight_g: i64,
    /// Millilitres of space, packed.
    pub(crate) volume_ml: i64,
    /// Whether it must stay cold.
    pub(crate) cold_chain: bool,
    /// Anything else worth knowing.
    pub(crate) attributes: BTreeMap<String, String>,
    /// Counts the product's changes; `If-Match` of changes to it.
    pub(crate) version: i64,
    /// Fields of the shop's own, such as `promotion`.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    pub(crate) extra: Map<String, Value>,
}

impl ProductView {
    /// What a reader sees of it.
    pub(crate) fn new(product: &Product, available: i64, shown: Shown, language: Language) -> Self {
        Self {
            sku: product.sku.clone(),
            gtin: product.gtin.clone(),
            name: product.name.get(language).to_owned(),
            description: product.description.get(language).to_owned(),
            category: product.category.clone(),
            price: shown.price,
            was: shown.was,
            vat_rate: product.vat_rate,
            available,
            weight_g: product.weight_g,
            volume_ml: product.volume_ml,
            cold_chain: product.cold_chain,
            attributes: product.attributes.clone(),
            version: product.version,
            extra: shown.extra,
        }
    }
}

/// A product as partners are offered it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Offer {
    /// The shop's own code.
    pub(crate) sku: Sku,
    /// The world's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gtin: Option<Gtin>,
    /// In several languages.
    pub(crate) name: Localized,
    /// Kind of goods.
    pub(crate) category: String,
    /// What one costs now, VAT included.
    pub(crate) price: Money,
    /// VAT in basis points.
    pub(crate) vat_rate: i64,
    /// How many there were at the last look.
    pub(crate) available: i64,
    /// Grams, packed.
    pub(crate) weight_g: i64,
    /// Millilitres of space, packed.
    pub(crate) volume_ml: i64,
    /// Whether it must stay cold.
    pub(crate) cold_chain: bool,
    /// Whether only some people may see it.
    pub(crate) restricted: bool,
    /// Number of its last change: ask for more after it.
    pub(crate) change: i64,
}

/// A page of the partners' feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Offers {
    /// In the order of their last changes.
    pub(crate) offers: Vec<Offer>,
    /// `after` of the next page.
    pub(crate) next: i64,
    /// Whether there is more at once.
    pub(crate) more: bool,
}

/// What a partner has to know before ordering.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Terms {
    /// Who sells, as on the receipt.
    pub(crate) seller: String,
    /// What sending one order costs.
    pub(crate) shipping: Money,
    /// From this total on it costs nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) free_from: Option<Money>,
    /// Seconds that a reservation lasts.
    pub(crate) order_ttl_s: u64,
}
