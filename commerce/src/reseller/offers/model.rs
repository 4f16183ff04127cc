//! Offers as shops send them, as they are kept, and as customers see them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::clock::Timestamp;
use crate::language::{Language, Localized};
use crate::money::Money;
use crate::reseller::saga::Shop;

/// One offer in a shop's feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShopOffer {
    pub(crate) sku: String,
    #[serde(default)]
    pub(crate) gtin: Option<String>,
    pub(crate) name: Localized,
    pub(crate) category: String,
    pub(crate) price: Money,
    pub(crate) vat_rate: i64,
    pub(crate) available: i64,
    pub(crate) weight_g: i64,
    pub(crate) volume_ml: i64,
    pub(crate) cold_chain: bool,
    pub(crate) restricted: bool,
    pub(crate) change: i64,
}

/// A page of a shop's feed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct ShopOffers {
    pub(crate) offers: Vec<ShopOffer>,
    pub(crate) next: i64,
    pub(crate) more: bool,
}

/// What a shop says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShopTerms {
    pub(crate) seller: String,
    pub(crate) shipping: Money,
    #[serde(default)]
    pub(crate) free_from: Option<Money>,
}

/// A shop's terms as they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) shop: Shop,
    pub(crate) terms: ShopTerms,
}

/// An offer as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Offer {
    /// Whose.
    pub(crate) shop: Shop,
    /// The offer: its price is what the shop asks.
    pub(crate) offer: ShopOffer,
    /// When the shop last said so.
    pub(crate) seen_at: Timestamp,
}

/// What is needed of a pharmacy's product.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Product {
    pub(crate) sku: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) price: Money,
    pub(crate) vat_rate: i64,
    pub(crate) available: i64,
    pub(crate) weight_g: i64,
    pub(crate) volume_ml: i64,
    pub(crate) cold_chain: bool,
}

/// A medicine as the pharmacy last told of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Medicine {
    pub(crate) product: Product,
    pub(crate) seen_at: Timestamp,
}

/// An offer as customers see it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct OfferView {
    /// Who sells it.
    pub(crate) shop: Shop,
    /// The shop's code.
    pub(crate) sku: String,
    /// The code that all shops use for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gtin: Option<String>,
    /// In the asked language.
    pub(crate) name: String,
    /// The shop's category.
    pub(crate) category: String,
    /// What the customer pays for one, shipping apart.
    pub(crate) price: Money,
    /// VAT inside, basis points.
    pub(crate) vat_rate: i64,
    /// Pieces the shop had when it was last asked.
    pub(crate) available: i64,
    /// Shown only with the scope `catalog:restricted`.
    pub(crate) restricted: bool,
    /// Must be kept cold.
    pub(crate) cold_chain: bool,
    /// Milliseconds since the shop was last asked.
    pub(crate) age_ms: i64,
}

impl OfferView {
    /// An offer at the customer's price.
    pub(crate) fn new(offer: &Offer, price: Money, language: Language, now: Timestamp) -> Self {
        let of = &offer.offer;
        Self {
            shop: offer.shop,
            sku: of.sku.clone(),
            gtin: of.gtin.clone(),
            name: of.name.get(language).to_owned(),
            category: of.category.clone(),
            price,
            vat_rate: of.vat_rate,
            available: of.available,
            restricted: of.restricted,
            cold_chain: of.cold_chain,
            age_ms: now.0.saturating_sub(offer.seen_at.0).max(0),
        }
    }

    /// A medicine at the pharmacy's price.
    pub(crate) fn of_medicine(medicine: &Medicine, now: Timestamp) -> Self {
        let of = &medicine.product;
        Self {
            shop: Shop::Pharmacy,
            sku: of.sku.clone(),
            gtin: None,
            name: of.name.clone(),
            category: of.category.clone(),
            price: of.price,
            vat_rate: of.vat_rate,
            available: of.available,
            restricted: false,
            cold_chain: of.cold_chain,
            age_ms: now.0.saturating_sub(medicine.seen_at.0).max(0),
        }
    }
}
