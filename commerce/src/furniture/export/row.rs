//! One row of an export, borrowed from the database's answer.

use std::borrow::Cow;

use serde::Deserialize;

use crate::clock::Timestamp;
use crate::store::{Row, StoreError};

/// What every export selects, in the order of [`Item::read`]. `c` is the catalogue, `p` a product, `s` its stock.
macro_rules! export_columns {
    () => {
        "p.sku, p.active, p.change, p.updated_at, p.minor, p.currency, p.vat_rate, p.gtin, p.category, p.weight_g, \
         p.volume_ml, p.name, p.attributes, COALESCE(s.on_hand - s.reserved, 0)"
    };
}
pub(super) use export_columns;

/// A product as an export tells of it.
#[derive(Debug)]
pub(super) struct Item<'r> {
    pub(super) sku: &'r str,
    pub(super) change: i64,
    pub(super) updated_at: Timestamp,
    /// None if it is no longer sold.
    pub(super) goods: Option<Goods<'r>>,
}

/// What there is to know of a product that is sold.
#[derive(Debug)]
pub(super) struct Goods<'r> {
    pub(super) minor: i64,
    pub(super) currency: &'r str,
    pub(super) vat_rate: i64,
    pub(super) gtin: Option<&'r str>,
    pub(super) category: &'r str,
    pub(super) weight_g: i64,
    pub(super) volume_ml: i64,
    /// JSON: texts by language.
    pub(super) name: &'r str,
    /// JSON: texts by word.
    pub(super) attributes: &'r str,
    pub(super) available: i64,
}

/// The names of a product, for formats with a column for each.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Names<'r> {
    #[serde(borrow)]
    pub(super) en: Option<Cow<'r, str>>,
    #[serde(borrow)]
    pub(super) fi: Option<Cow<'r, str>>,
    #[serde(borrow)]
    pub(super) sv: Option<Cow<'r, str>>,
    #[serde(borrow)]
    pub(super) ru: Option<Cow<'r, str>>,
}

/// The attributes that furniture has, for formats with a column for each.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Traits<'r> {
    #[serde(borrow)]
    pub(super) width_mm: Option<Cow<'r, str>>,
    #[serde(borrow)]
    pub(super) depth_mm: Option<Cow<'r, str>>,
    #[serde(borrow)]
    pub(super) height_mm: Option<Cow<'r, str>>,
    #[serde(borrow)]
    pub(super) material: Option<Cow<'r, str>>,
    #[serde(borrow)]
    pub(super) colour: Option<Cow<'r, str>>,
}

impl<'r> Item<'r> {
    /// Reads the columns of [`export_columns`] that begin at `first`. None where an outer join found nothing.
    pub(super) fn read(row: &'r Row, first: usize) -> Result<Option<Self>, StoreError> {
        let Some(sku) = row.opt_text(first)? else { return Ok(None) };
        let goods = if row.flag(first + 1)? { Some(Goods::read(row, first + 4)?) } else { None };
        Ok(Some(Self { sku, change: row.int(first + 2)?, updated_at: row.time(first + 3)?, goods }))
    }
}

impl<'r> Goods<'r> {
    fn read(row: &'r Row, first: usize) -> Result<Self, StoreError> {
        Ok(Self {
            minor: row.int(first)?,
            currency: row.text(first + 1)?,
            vat_rate: row.int(first + 2)?,
            gtin: row.opt_text(first + 3)?,
            category: row.text(first + 4)?,
            weight_g: row.int(first + 5)?,
            volume_ml: row.int(first + 6)?,
            name: row.text(first + 7)?,
            attributes: row.text(first + 8)?,
            available: row.int(first + 9)?,
        })
    }

    pub(super) fn names(&self) -> Result<Names<'r>, StoreError> {
        Ok(serde_json::from_str(self.name)?)
    }

    pub(super) fn traits(&self) -> Result<Traits<'r>, StoreError> {
        Ok(serde_json::from_str(self.attributes)?)
    }
}
