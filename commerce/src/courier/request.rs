//! What senders ask for, and which carrier gets it.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::adapter::Offer;
use crate::address::Address;
use crate::clock::Timestamp;
use crate::money::{self, Money};

/// A parcel to be carried.
#[derive(Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ParcelRequest {
    /// The sender's own name for it: asked for twice, it is booked once.
    #[garde(length(chars, min = 1, max = 128))]
    #[schema(min_length = 1, max_length = 128)]
    pub reference: String,
    /// The number on its label (GS1 AI 00), if it has one.
    #[garde(inner(length(chars, min = 18, max = 18), ascii))]
    #[schema(pattern = "^[ -~]{18}$")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sscc: Option<String>,
    /// Where it is fetched.
    #[garde(dive)]
    pub from: Address,
    /// Where it goes.
    #[garde(dive)]
    pub to: Address,
    /// Grams.
    #[garde(range(min = 1, max = 10_000_000))]
    #[schema(minimum = 1, maximum = 10_000_000)]
    pub weight_g: i64,
    /// Millilitres.
    #[garde(range(min = 1, max = 100_000_000))]
    #[schema(minimum = 1, maximum = 100_000_000)]
    pub volume_ml: i64,
    /// Whether it must stay cold.
    #[garde(skip)]
    #[serde(default)]
    pub cold_chain: bool,
    /// What it is worth.
    #[garde(custom(money::not_negative))]
    #[schema(schema_with = money::amount)]
    pub value: Money,
    /// When somebody is at the door.
    #[garde(dive)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<Window>,
}

impl std::fmt::Debug for ParcelRequest {
    /// Without the people.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ParcelRequest").field("cold_chain", &self.cold_chain).finish_non_exhaustive()
    }
}

/// From when until when.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Window {
    /// Not before.
    #[garde(skip)]
    pub from: Timestamp,
    /// Not after.
    #[garde(custom(after(&self.from)))]
    pub to: Timestamp,
}

fn after(from: &Timestamp) -> impl FnOnce(&Timestamp, &()) -> garde::Result + '_ {
    move |to, ()| if to > from { Ok(()) } else { Err(garde::Error::new("must be after from")) }
}

/// The offer to take: of those that keep cold what must be, and of those in time if any is, the one that is cheapest when an
/// hour sooner is worth `hour_value`. None of the carriers in `refused`.
pub(crate) fn choose<'o>(
    asked: &ParcelRequest,
    offers: &'o [Offer],
    refused: &[String],
    hour_value: i64,
    now: Timestamp,
) -> Option<&'o Offer> {
    let able = offers.iter().filter(|offer| {
        (offer.cold_chain || !asked.cold_chain)
            && !refused.contains(&offer.carrier)
            && offer.price.currency == asked.value.currency
    });
    let late = |offer: &Offer| asked.window.is_some_and(|window| offer.promised_at > window.to);
    let worth = |offer: &Offer| {
        let waits = i128::from(offer.promised_at.0 - now.0) * i128::from(offer.pace);
        i128::from(offer.price.minor) + waits * i128::from(hour_value) / 3_600_000
    };
    able.min_by_key(|offer| (late(offer), worth(offer), offer.carrier.as_str()))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{ParcelRequest, Window, choose};
    use crate::address::Address;
    use crate::clock::Timestamp;
    use crate::courier::adapter::Offer;
    use crate::money::Money;

    pub(crate) fn address(postcode: &str) -> Address {
        Address {
            name: "Secret Person".to_owned(),
            street: "Hidden street 7 B 12".to_owned(),
            postcode: postcode.to_owned(),
            city: "Helsinki".to_owned(),
            country: "FI".to_owned(),
            lat: None,
            lon: None,
        }
    }

    pub(crate) fn request(reference: &str, cold_chain: bool) -> ParcelRequest {
        ParcelRequest {
            reference: reference.to_owned(),
            sscc: None,
            from: address("01510"),
            to: address("00530"),
            weight_g: 2_000,
            volume_ml: 4_000,
            cold_chain,
            value: Money::eur(4_900),
            window: None,
        }
    }

    fn offer(carrier: &str, minor: i64, hours: i64, cold_chain: bool) -> Offer {
        let promised_at = Timestamp(hours * 3_600_000);
        Offer { carrier: carrier.to_owned(), price: Money::eur(minor), promised_at, cold_chain, pace: 1 }
    }

    #[test]
    fn price_time_and_cold_decide() {
        let offers = [offer("slow", 500, 20, false), offer("fast", 700, 5, false), offer("cold", 900, 6, true)];
        let name = |asked: &ParcelRequest, refused: &[String], hour| {
            choose(asked, &offers, refused, hour, Timestamp(0)).map(|offer| offer.carrier.as_str())
        };
        let mut asked = request("r", false);
        assert_eq!(name(&asked, &[], 0), Some("slow"));
        assert_eq!(name(&asked, &[], 20), Some("fast"));
        assert_eq!(name(&asked, &["slow".to_owned()], 0), Some("fast"));
        asked.window = Some(Window { from: Timestamp(0), to: Timestamp(6 * 3_600_000) });
        assert_eq!(name(&asked, &[], 0), Some("fast"));
        asked.cold_chain = true;
        assert_eq!(name(&asked, &[], 0), Some("cold"));
        assert_eq!(name(&asked, &["cold".to_owned()], 0), None);
    }
}
