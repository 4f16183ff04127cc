//! What a basket costs and where it would come from.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Reseller;
use super::limit::{MAX_CHOICES, MAX_LINES, MAX_QUANTITY};
use super::offers::{Medicine, Offer, ShopTerms, fresh, of_lines, terms};
use super::saga::{PartLine, Shop};
use super::sourcing::{Basket, Choice, Demand, Method, Shipping};
use crate::address::Address;
use crate::id::{Gtin, Sku};
use crate::language::Language;
use crate::money::{CurrencyCode, Money, VatLine};
use crate::problem::Problem;

/// One line of a basket: a shop's own code, or a GTIN that any shop may serve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct WantedLine {
    /// From this shop only.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) shop: Option<Shop>,
    /// The shop's code; a medicine's VNR.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sku: Option<Sku>,
    /// The code that all shops use for it.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) gtin: Option<Gtin>,
    /// Pieces.
    #[garde(range(min = 1, max = MAX_QUANTITY))]
    #[schema(minimum = 1, maximum = 999)]
    pub(crate) quantity: i64,
    /// The prescription that a medicine needs.
    #[garde(inner(length(chars, min = 1, max = 64)))]
    #[schema(min_length = 1, max_length = 64)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prescription: Option<String>,
}

/// A basket to be priced.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewQuote {
    /// What is wanted.
    #[garde(length(min = 1, max = MAX_LINES), dive)]
    #[schema(min_items = 1, max_items = 50)]
    pub(crate) lines: Vec<WantedLine>,
    /// Where to. Does not change the price yet.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) deliver_to: Option<Address>,
}

/// What one line of the basket comes down to at one shop.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct LineView {
    /// Index of the line in the request.
    pub(crate) line: usize,
    /// Who sells it.
    pub(crate) shop: Shop,
    /// The shop's code.
    pub(crate) sku: String,
    /// What it is.
    pub(crate) name: String,
    /// Pieces.
    pub(crate) quantity: i64,
    /// For one.
    pub(crate) unit_price: Money,
    /// For all pieces.
    pub(crate) total: Money,
    /// VAT inside, basis points.
    pub(crate) vat_rate: i64,
    /// The prescription it is taken from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) prescription: Option<String>,
}

impl LineView {
    /// A line of a part.
    pub(crate) fn new(shop: Shop, line: &PartLine, currency: CurrencyCode) -> Self {
        Self {
            line: line.line,
            shop,
            sku: line.sku.clone(),
            name: line.name.clone(),
            quantity: line.quantity,
            unit_price: Money { minor: line.price, currency },
            total: Money { minor: line.total(), currency },
            vat_rate: line.vat_rate,
            prescription: line.prescription.clone(),
        }
    }
}

/// What one shop asks for bringing its goods.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ShippingView {
    /// The shop.
    pub(crate) shop: Shop,
    /// Its name as the seller.
    pub(crate) seller: String,
    /// The fee.
    pub(crate) amount: Money,
}

/// A line that cannot be had in full.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct ShortView {
    /// Index of the line in the request.
    pub(crate) line: usize,
    /// Pieces that nobody has.
    pub(crate) missing: i64,
}

/// A basket with prices. Nothing is kept for anybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct QuoteView {
    /// What each line comes down to; one line may come from several shops.
    pub(crate) lines: Vec<LineView>,
    /// Shipping by shop.
    pub(crate) shipping: Vec<ShippingView>,
    /// What nobody has.
    pub(crate) short: Vec<ShortView>,
    /// All of it, VAT included.
    pub(crate) total: Money,
    /// The VAT inside.
    pub(crate) vat: Vec<VatLine>,
    /// How the shops were chosen.
    pub(crate) method: Method,
}

/// What one shop would sell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PlannedPart {
    pub(crate) shop: Shop,
    pub(crate) seller: String,
    pub(crate) lines: Vec<PartLine>,
    pub(crate) shipping: i64,
}

/// A basket and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Quote {
    pub(crate) parts: Vec<PlannedPart>,
    pub(crate) short: Vec<ShortView>,
    pub(crate) currency: CurrencyCode,
    pub(crate) method: Method,
}

/// The VAT inside amounts of several rates.
pub(crate) fn vat_of(amounts: impl Iterator<Item = (i64, i64)>, currency: CurrencyCode) -> Vec<VatLine> {
    let mut sums = BTreeMap::<i64, i64>::new();
    for (rate, minor) in amounts {
        let sum = sums.entry(rate).or_default();
        *sum = sum.saturating_add(minor);
    }
    let line = |(rate, minor)| Money { minor, currency }.vat_included(rate).ok().map(|amount| VatLine { rate, amount });
    sums.into_iter().filter(|(_, minor)| *minor != 0).filter_map(line).collect()
}

impl Quote {
    /// What the customer is shown.
    pub(crate) fn view(&self, shipping_vat: i64) -> QuoteView {
        let money = |minor| Money { minor, currency: self.currency };
        let lines = self.parts.iter().flat_map(|part| part.lines.iter().map(|line| (part.shop, line)));
        let mut views: Vec<LineView> = lines.map(|(shop, line)| LineView::new(shop, line, self.currency)).collect();
        views.sort_by_key(|view| view.line);
        let fees: i64 = self.parts.iter().map(|part| part.shipping).sum();
        let amounts = views.iter().map(|view| (view.vat_rate, view.total.minor));
        let vat = vat_of(amounts.chain([(shipping_vat, fees)]), self.currency);
        let goods: i64 = views.iter().map(|view| view.total.minor).sum();
        let shipping = self.parts.iter().map(|part| ShippingView {
            shop: part.shop,
            seller: part.seller.clone(),
            amount: money(part.shipping),
        });
        QuoteView {
            shipping: shipping.collect(),
            lines: views,
            short: self.short.clone(),
            total: money(goods.saturating_add(fees)),
            vat,
            method: self.method,
        }
    }
}

/// Who asks, as far as it matters for what is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shopper {
    /// Whether restricted goods may be bought.
    pub(crate) restricted: bool,
    /// For the names.
    pub(crate) language: Language,
}

/// What can serve one line.
struct Ways {
    lines: Vec<(Shop, PartLine, i64)>,
}

impl Reseller {
    /// Prices a basket.
    ///
    /// # Errors
    /// A line names nothing that this customer may buy, or a shop that is needed does not answer.
    pub(crate) async fn quote(&self, wanted: &[WantedLine], shopper: Shopper) -> Result<Quote, Problem> {
        check(wanted)?;
        let medicines = try_join_all(wanted.iter().map(|line| self.medicine_of(line))).await?;
        let skus: Vec<(Shop, String)> = wanted.iter().filter_map(code).collect();
        let gtins: Vec<String> = wanted.iter().filter_map(|line| Some(line.gtin.as_ref()?.to_string())).collect();
        let mut offers = of_lines(self.db(), &skus, &gtins).await?;
        offers.retain(|offer| may_see(offer, shopper));
        let mut ways = Vec::with_capacity(wanted.len());
        for (at, (line, medicine)) in wanted.iter().zip(&medicines).enumerate() {
            let found = match medicine {
                Some(medicine) => vec![of_medicine(at, line, medicine)],
                None => self.ways_of(at, line, &offers, shopper.language)?,
            };
            if found.is_empty() {
                return Err(Problem::not_found("no shop offers this").at(format!("/lines/{at}"), "nobody offers this"));
            }
            ways.push(Ways { lines: found });
        }
        share_stock(wanted, &mut ways);
        self.plan(wanted.iter().map(|line| line.quantity).collect(), ways).await
    }

    /// Finds other shops for lines that one shop cannot serve. None if they cannot be covered.
    pub(crate) async fn other_shops(
        &self,
        lines: &[PartLine],
        instead_of: Shop,
        shopper: Shopper,
    ) -> Result<Option<Quote>, Problem> {
        let gtins: Vec<String> = lines.iter().filter_map(|line| line.gtin.clone()).collect();
        let mut offers = of_lines(self.db(), &[], &gtins).await?;
        offers.retain(|offer| may_see(offer, shopper) && offer.shop != instead_of);
        let mut ways = Vec::with_capacity(lines.len());
        for line in lines {
            let found = offers.iter().filter(|offer| offer.offer.gtin == line.gtin);
            let found = found.map(|offer| self.way(line.line, offer, shopper.language));
            ways.push(Ways { lines: found.collect::<Result<_, _>>()? });
        }
        let quote = self.plan(lines.iter().map(|line| line.quantity).collect(), ways).await?;
        Ok(Some(quote).filter(|quote| quote.short.is_empty()))
    }

    async fn medicine_of(&self, line: &WantedLine) -> Result<Option<Medicine>, Problem> {
        match (line.shop, &line.sku) {
            (Some(Shop::Pharmacy), Some(sku)) => fresh(self, sku.as_str()).await,
            _ => Ok(None),
        }
    }

    fn ways_of(
        &self,
        at: usize,
        line: &WantedLine,
        offers: &[Offer],
        language: Language,
    ) -> Result<Vec<(Shop, PartLine, i64)>, Problem> {
        let fits = |offer: &&Offer| match (&line.gtin, &line.sku) {
            (Some(gtin), _) => offer.offer.gtin.as_deref() == Some(gtin.as_str()),
            (None, Some(sku)) => Some(offer.shop) == line.shop && offer.offer.sku == sku.as_str(),
            (None, None) => false,
        };
        let mut found = Vec::new();
        for offer in offers.iter().filter(fits) {
            let mut way = self.way(at, offer, language)?;
            // Only a line that names no shop may move to another one.
            way.1.gtin = way.1.gtin.filter(|_| line.gtin.is_some());
            found.push(way);
        }
        found.sort_by_key(|(_, way, _)| way.price);
        found.truncate(MAX_CHOICES);
        Ok(found)
    }

    fn way(&self, at: usize, offer: &Offer, language: Language) -> Result<(Shop, PartLine, i64), Problem> {
        let of = &offer.offer;
        let price = self.margins().price(offer.shop, &of.category, of.price)?;
        let line = PartLine {
            line: at,
            sku: of.sku.clone(),
            name: of.name.get(language).to_owned(),
            quantity: 0,
            price: price.minor,
            cost: of.price.minor,
            vat_rate: of.vat_rate,
            prescription: None,
            gtin: of.gtin.clone(),
            weight_g: of.weight_g,
            volume_ml: of.volume_ml,
            cold_chain: of.cold_chain,
        };
        Ok((offer.shop, line, of.available))
    }

    async fn plan(&self, quantities: Vec<i64>, ways: Vec<Ways>) -> Result<Quote, Problem> {
        let known = terms(self.db()).await?;
        let terms_of = |shop: Shop| known.iter().find(|terms| terms.shop == shop).map(|terms| &terms.terms);
        let shipping = |shop: Shop| {
            let fee = terms_of(shop).map_or(0, |terms| terms.shipping.minor.max(0));
            Shipping { fee, free_from: terms_of(shop).and_then(free_from) }
        };
        let lines = ways
            .iter()
            .zip(&quantities)
            .map(|(ways, &quantity)| Demand { quantity, choices: ways.lines.iter().map(choice).collect() });
        let basket = Basket { shops: Shop::ALL.into_iter().map(shipping).collect(), lines: lines.collect() };
        let plan = self.planner().plan(basket).await;
        metrics::counter!("efir_commerce_reseller_plans_total", "method" => format!("{:?}", plan.method)).increment(1);
        let mut parts: Vec<PlannedPart> = Vec::new();
        for (ways, taken) in ways.into_iter().zip(&plan.take) {
            for ((shop, line, _), &quantity) in ways.lines.into_iter().zip(taken).filter(|(_, taken)| **taken > 0) {
                let line = PartLine { quantity, ..line };
                match parts.iter_mut().find(|part| part.shop == shop) {
                    Some(part) => part.lines.push(line),
                    None => parts.push(PlannedPart {
                        shop,
                        seller: terms_of(shop).map_or_else(String::new, |terms| terms.seller.clone()),
                        lines: vec![line],
                        shipping: plan.shipping[place(shop)],
                    }),
                }
            }
        }
        let short = plan.short.iter().enumerate().filter(|(_, missing)| **missing > 0);
        let short = short.map(|(line, &missing)| ShortView { line, missing }).collect();
        Ok(Quote { parts, short, currency: CurrencyCode::EUR, method: plan.method })
    }
}

fn place(shop: Shop) -> usize {
    Shop::ALL.into_iter().position(|other| other == shop).unwrap_or(0)
}

fn free_from(terms: &ShopTerms) -> Option<i64> {
    terms.free_from.map(|from| from.minor)
}

fn choice((shop, line, available): &(Shop, PartLine, i64)) -> Choice {
    Choice { shop: place(*shop), price: line.price, cost: line.cost, available: (*available).clamp(0, MAX_QUANTITY) }
}

/// The shop and code of a line, if it names goods of a shop whose offers are kept here.
fn code(line: &WantedLine) -> Option<(Shop, String)> {
    let shop = line.shop.filter(|shop| shop.through_warehouse())?;
    Some((shop, line.sku.as_ref()?.to_string()))
}

fn may_see(offer: &Offer, shopper: Shopper) -> bool {
    let open = !offer.offer.restricted && offer.shop != Shop::Grocery;
    (open || shopper.restricted) && offer.offer.price.currency == CurrencyCode::EUR
}

fn of_medicine(at: usize, wanted: &WantedLine, medicine: &Medicine) -> (Shop, PartLine, i64) {
    let of = &medicine.product;
    let line = PartLine {
        line: at,
        sku: of.sku.clone(),
        name: of.name.clone(),
        quantity: 0,
        price: of.price.minor,
        cost: of.price.minor,
        vat_rate: of.vat_rate,
        prescription: wanted.prescription.clone(),
        gtin: None,
        weight_g: of.weight_g,
        volume_ml: of.volume_ml,
        cold_chain: of.cold_chain,
    };
    (Shop::Pharmacy, line, of.available)
}

/// Each line names either a shop and its code, or a GTIN; and no two lines name the same.
fn check(wanted: &[WantedLine]) -> Result<(), Problem> {
    for (at, line) in wanted.iter().enumerate() {
        let wrong = |detail: &str| Err(Problem::invalid("a line is not valid").at(format!("/lines/{at}"), detail));
        match (&line.shop, &line.sku, &line.gtin) {
            (Some(_), Some(_), None) | (None, None, Some(_)) => {}
            _ => return wrong("name a shop and its code, or a GTIN"),
        }
        if line.prescription.is_some() && line.shop != Some(Shop::Pharmacy) {
            return wrong("only the pharmacy takes prescriptions");
        }
        let same = |other: &WantedLine| {
            (other.shop, &other.sku, &other.gtin) == (line.shop, &line.sku, &line.gtin)
                && other.prescription == line.prescription
        };
        if wanted[..at].iter().any(same) {
            return wrong("the same goods are in another line: add the quantities up");
        }
    }
    Ok(())
}

/// Lines that name a shop have no choice: what they take is not there for lines that do.
fn share_stock(wanted: &[WantedLine], ways: &mut [Ways]) {
    let mut taken = BTreeMap::<(Shop, String), i64>::new();
    let lines = || wanted.iter().enumerate();
    let order = lines().filter(|(_, line)| line.gtin.is_none()).chain(lines().filter(|(_, line)| line.gtin.is_some()));
    for (at, line) in order {
        for (shop, way, available) in &mut ways[at].lines {
            let used = taken.entry((*shop, way.sku.clone())).or_default();
            *available = available.saturating_sub(*used).max(0);
            if line.gtin.is_none() {
                *used = used.saturating_add(line.quantity.min(*available));
            }
        }
    }
}
