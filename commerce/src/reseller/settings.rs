//! What is set for the reseller.

use std::collections::BTreeMap;
use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};

use super::offers::{Margins, Rounding};
use super::saga::Policy;

/// The reseller's settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct ResellerSettings {
    /// Where it is if not in this process: `http://host:port`, before `/api/v1`.
    #[garde(skip)]
    pub url: Option<String>,
    /// Margin on the shops' prices, basis points. Medicines are passed on at the pharmacy's price.
    #[garde(range(min = 0, max = 10_000))]
    pub margin: i64,
    /// Other margins of some categories.
    #[garde(custom(in_range))]
    pub margins: BTreeMap<String, i64>,
    /// Whether prices end at exact cents or at the next five.
    #[garde(skip)]
    pub rounding: Rounding,
    /// VAT on what is asked for shipping, basis points.
    #[garde(range(min = 0, max = 10_000))]
    pub shipping_vat: i64,
    /// Milliseconds between two looks at a shop's offers.
    #[garde(range(min = 50, max = 3_600_000))]
    pub offers_every_ms: u64,
    /// Seconds between two looks at a medicine's availability.
    #[garde(range(min = 1, max = 86_400))]
    pub medicines_every_s: u64,
    /// Milliseconds the solver may take for one basket.
    #[garde(range(min = 1, max = 1_000))]
    pub sourcing_ms: u64,
    /// Seconds that shops and payment may take to answer, before an order is undone.
    #[garde(range(min = 1, max = 3_600))]
    pub hold_timeout_s: u64,
    /// Hours a shop may take from its confirmation to its dispatch.
    #[garde(range(min = 1, max = 2_160))]
    pub collect_timeout_h: u64,
    /// Whether lost goods are bought again, once, rather than paid back.
    #[garde(skip)]
    pub reship: bool,
    /// Whether the whole order is undone if a shop gives up its part after the payment.
    #[garde(skip)]
    pub all_or_nothing: bool,
    /// Basis points that a shop's price may exceed the customer's: what the reseller loses rather than cancel.
    #[garde(range(min = 0, max = 10_000))]
    pub loss: i64,
}

fn in_range(margins: &BTreeMap<String, i64>, _: &()) -> garde::Result {
    let out = margins.iter().find(|(_, margin)| !(0..=10_000).contains(*margin));
    out.map_or(Ok(()), |(category, _)| Err(garde::Error::new(format!("{category}: not from 0 to 10000"))))
}

impl Default for ResellerSettings {
    fn default() -> Self {
        Self {
            url: None,
            margin: 1_200,
            margins: BTreeMap::new(),
            rounding: Rounding::FiveCents,
            shipping_vat: 2_550,
            offers_every_ms: 2_000,
            medicines_every_s: 60,
            sourcing_ms: 20,
            hold_timeout_s: 60,
            collect_timeout_h: 14 * 24,
            reship: false,
            all_or_nothing: false,
            loss: 500,
        }
    }
}

impl ResellerSettings {
    pub(crate) fn margins(&self) -> Margins {
        Margins { default: self.margin, of_category: self.margins.clone(), rounding: self.rounding }
    }

    pub(crate) fn policy(&self) -> Policy {
        Policy {
            hold_timeout: Duration::from_secs(self.hold_timeout_s),
            collect_timeout: Duration::from_secs(self.collect_timeout_h * 3_600),
            reship: self.reship,
            all_or_nothing: self.all_or_nothing,
            loss: self.loss,
        }
    }
}
