//! What the warehouse tells and is told, and which step follows which. No IO.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::limit::{LINES, TEXT, UNIT_SIZE, UNITS};
use crate::actor::Actor;
use crate::address::Address;
use crate::clock::Timestamp;
use crate::id::{IdError, Sku};
use crate::money::{self, Money};

/// What lies on the shelves: the shop that sells it and the shop's own code, with a dot between.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = r"^(pharmacy|grocery|furniture|reseller|warehouse|courier|carrier)\.[A-Za-z0-9._-]{1,64}$", example = "furniture.SOFA-3-GREY")]
pub(crate) struct Item(String);

impl Item {
    /// Reads a code that came from outside.
    ///
    /// # Errors
    /// There is no such shop, or no code of goods behind it.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        let known =
            text.split_once('.').is_some_and(|(shop, sku)| Actor::parse(shop).is_some() && Sku::parse(sku).is_ok());
        if known { Ok(Self(text.to_owned())) } else { Err(IdError("item: <shop>.<sku>")) }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Item {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// An enum whose variants have words, in JSON, in the database and in metrics alike.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal,)* }) => {
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
        $(#[$doc])*
        // Not a rename each, which the description would not follow.
        #[serde(rename_all = "snake_case")]
        pub(crate) enum $name {
            $($(#[$variant_doc])* $variant,)*
        }

        impl $name {
            /// All of them.
            pub(crate) const ALL: &[Self] = &[$(Self::$variant),*];

            /// The word.
            pub(crate) fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $word,)*
                }
            }

            /// The variant of a word.
            pub(crate) fn parse(word: &str) -> Result<Self, IdError> {
                let found = Self::ALL.iter().copied().find(|known| known.as_str() == word);
                found.ok_or(IdError(stringify!($name)))
            }
        }
    };
}

words! {
    /// Where a shipment is.
    #[schema(as = ShipmentState)]
    State {
        /// Not all of its goods are here.
        Waiting = "waiting",
        /// Its goods are set aside.
        Reserved = "reserved",
        /// A picker walks, or has walked.
        Picking = "picking",
        /// In a box with a label.
        Packed = "packed",
        /// With the courier.
        Shipped = "shipped",
        /// With the one it is for.
        Delivered = "delivered",
        /// Goods that were set aside are not where they should be.
        Short = "short",
        /// Called off.
        Cancelled = "cancelled",
        /// The courier lost it.
        Lost = "lost",
        /// The courier brought it back.
        Returned = "returned",
    }
}

words! {
    /// Why the ledger has a row.
    Movement {
        /// Goods came in.
        Receive = "receive",
        /// Goods went from one bin into another.
        Put = "put",
        /// Units were set aside for a shipment.
        Reserve = "reserve",
        /// Units were no longer set aside.
        Release = "release",
        /// Units went from their bin to the packing place.
        Pick = "pick",
        /// Units left the house.
        Ship = "ship",
        /// The books were wrong.
        Count = "count",
        /// Units came back.
        Return = "return",
        /// Units were thrown away.
        Scrap = "scrap",
    }
}

/// What can be done with a shipment by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Pick,
    Pack,
    Ship,
    Cancel,
    Inspect,
}

impl State {
    /// Whether the step can follow.
    pub(crate) fn allows(self, step: Step) -> bool {
        match step {
            Step::Pick => matches!(self, Self::Reserved | Self::Picking),
            Step::Pack => self == Self::Picking,
            Step::Ship => self == Self::Packed,
            Step::Cancel => {
                matches!(self, Self::Waiting | Self::Reserved | Self::Picking | Self::Packed | Self::Short)
            }
            Step::Inspect => self == Self::Returned,
        }
    }

    /// The state that the courier's word about a parcel leads to, if it leads to another.
    pub(crate) fn heard(self, parcel: &str) -> Option<Self> {
        let next = match parcel {
            "parcel.delivered" => Self::Delivered,
            "parcel.lost" => Self::Lost,
            "parcel.returned" => Self::Returned,
            // No carrier takes it: it never left.
            "parcel.cancelled" => Self::Cancelled,
            _ => return None,
        };
        if next == Self::Cancelled && self == Self::Lost {
            return None;
        }
        // What was given up as lost may still be found. A packed one was booked by a process that died before it knew.
        matches!(self, Self::Packed | Self::Shipped | Self::Lost).then_some(next).filter(|next| *next != self)
    }
}

/// Goods of one lot that come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReceiptLine {
    #[garde(skip)]
    pub(crate) item: Item,
    /// What people call it.
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) name: String,
    /// Units.
    #[garde(range(min = 1, max = UNITS))]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(crate) quantity: i64,
    /// The maker's lot; goods that expire have one by their date if it is left out.
    #[garde(inner(length(chars, min = 1, max = TEXT)))]
    #[schema(min_length = 1, max_length = 120)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) lot: Option<String>,
    /// From when on nobody may have it.
    #[garde(skip)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) expires_at: Option<Timestamp>,
    /// Grams of one unit.
    #[garde(range(min = 1, max = UNIT_SIZE))]
    #[schema(minimum = 1, maximum = 4_000_000)]
    pub(crate) weight_g: i64,
    /// Millilitres of one unit.
    #[garde(range(min = 1, max = UNIT_SIZE))]
    #[schema(minimum = 1, maximum = 4_000_000)]
    pub(crate) volume_ml: i64,
    /// Whether it must be kept at 2 to 8 degrees.
    #[garde(skip)]
    #[serde(default)]
    pub(crate) cold_chain: bool,
}

impl ReceiptLine {
    /// The lot it is booked under: goods without one and without an end are all of the lot `-`.
    pub(crate) fn lot_code(&self) -> String {
        match (&self.lot, self.expires_at) {
            (Some(lot), _) => lot.clone(),
            (None, Some(end)) => end.to_string(),
            (None, None) => "-".to_owned(),
        }
    }
}

/// Goods come in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReceipt {
    /// The delivery note. The same one twice is one receipt.
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) reference: String,
    #[garde(length(min = 1, max = LINES), dive)]
    #[schema(min_items = 1, max_items = 200)]
    pub(crate) lines: Vec<ReceiptLine>,
}

/// Where goods of a receipt were put.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct PutAway {
    pub(crate) item: Item,
    pub(crate) lot: String,
    pub(crate) quantity: i64,
    /// The bin.
    pub(crate) bin: String,
}

/// Goods that came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Receipt {
    pub(crate) id: String,
    pub(crate) reference: String,
    pub(crate) lines: Vec<PutAway>,
    pub(crate) received_at: Timestamp,
}

/// Units of an item that somebody is to get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewLine {
    #[garde(skip)]
    pub(crate) item: Item,
    #[garde(range(min = 1, max = UNITS))]
    #[schema(minimum = 1, maximum = 1_000_000)]
    pub(crate) quantity: i64,
}

/// Goods that somebody is to get in one parcel.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewShipment {
    /// The caller's own name for it; events carry it.
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) reference: String,
    #[garde(dive)]
    pub(crate) deliver_to: Address,
    #[garde(length(min = 1, max = LINES), dive)]
    #[schema(min_items = 1, max_items = 200)]
    pub(crate) lines: Vec<NewLine>,
    /// What the courier insures.
    #[garde(custom(money::not_negative))]
    #[schema(schema_with = money::amount)]
    pub(crate) value: Money,
    /// Whether it may go with fewer units. Otherwise it waits until all are here.
    #[garde(skip)]
    #[serde(default)]
    pub(crate) partial: bool,
}

/// One line of a shipment: how far its units are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Line {
    pub(crate) item: Item,
    /// Units asked for.
    pub(crate) quantity: i64,
    /// Units set aside, picked ones included.
    pub(crate) reserved: i64,
    /// Units at the packing place.
    pub(crate) picked: i64,
    /// Units that have left.
    pub(crate) shipped: i64,
}

/// Goods that somebody gets in one parcel. Who and where is on the label only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Shipment {
    pub(crate) id: String,
    pub(crate) reference: String,
    pub(crate) state: State,
    pub(crate) partial: bool,
    pub(crate) lines: Vec<Line>,
    pub(crate) value: Money,
    /// The number on the label, from packing on.
    pub(crate) sscc: Option<String>,
    /// The courier's number, from shipping on.
    pub(crate) parcel: Option<String>,
    /// Grams of the box with what is in it, from packing on.
    pub(crate) weight_g: Option<i64>,
    /// Millilitres of what is in it, from packing on.
    pub(crate) volume_ml: Option<i64>,
    /// Whether something in it must be kept cold, from packing on.
    pub(crate) cold_chain: bool,
    /// Why the courier refused it, if it did.
    pub(crate) refusal: Option<String>,
    /// Whether returned goods were looked at.
    pub(crate) inspected: bool,
    pub(crate) created_at: Timestamp,
    pub(crate) changed_at: Timestamp,
    pub(crate) version: i64,
}

/// One stop of a picker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pick {
    /// Line of the shipment, from 0 on.
    pub(crate) line: i64,
    /// The stock row: with the line it names the pick.
    pub(crate) stock: i64,
    /// Where.
    pub(crate) bin: String,
    pub(crate) item: Item,
    pub(crate) name: String,
    pub(crate) lot: String,
    pub(crate) expires_at: Option<Timestamp>,
    /// Units to take.
    pub(crate) quantity: i64,
}

/// What a picker found where there should have been more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Found {
    #[garde(range(min = 0, max = i64::try_from(LINES).unwrap_or(i64::MAX)))]
    #[schema(minimum = 0, maximum = 200)]
    pub(crate) line: i64,
    #[garde(range(min = 1))]
    #[schema(minimum = 1)]
    pub(crate) stock: i64,
    #[garde(range(min = 0, max = UNITS))]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub(crate) quantity: i64,
}

/// A walk along the pick list.
#[derive(Debug, Clone, Default, Serialize, Deserialize, Validate, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Walk {
    /// Picks of which fewer units were found; all others were found whole. The bin of a short pick is taken as empty.
    #[garde(length(max = LINES), dive)]
    #[schema(max_items = 200)]
    pub(crate) found: Vec<Found>,
}

/// Calling a shipment off.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cancel {
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) reason: String,
}

/// What of a returned lot is as good as new, and what is not.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct InspectedLot {
    #[garde(skip)]
    pub(crate) item: Item,
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) lot: String,
    /// Units that go back on the shelf.
    #[garde(range(min = 0, max = UNITS))]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub(crate) sellable: i64,
    /// Units that are thrown away.
    #[garde(range(min = 0, max = UNITS))]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub(crate) scrap: i64,
}

/// The look at what came back: every lot that was in the parcel.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Inspection {
    #[garde(length(min = 1, max = LINES), dive)]
    #[schema(min_items = 1, max_items = 200)]
    pub(crate) lots: Vec<InspectedLot>,
}

/// Somebody counted a lot in a bin.
#[derive(Debug, Clone, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewCount {
    #[garde(skip)]
    pub(crate) item: Item,
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) lot: String,
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) bin: String,
    /// Units that are there.
    #[garde(range(min = 0, max = UNITS))]
    #[schema(minimum = 0, maximum = 1_000_000)]
    pub(crate) counted: i64,
    /// Why it was counted.
    #[garde(length(chars, min = 1, max = TEXT))]
    #[schema(min_length = 1, max_length = 120)]
    pub(crate) reason: String,
}

words! {
    /// What became of a count.
    CountState {
        /// The books were right.
        Agreed = "agreed",
        /// The books were corrected.
        Corrected = "corrected",
        /// Too far off to be believed once: somebody has to count again.
        CountAgain = "count_again",
    }
}

/// A count and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Count {
    pub(crate) id: String,
    pub(crate) item: Item,
    pub(crate) lot: String,
    pub(crate) bin: String,
    /// Units in the books before.
    pub(crate) expected: i64,
    pub(crate) counted: i64,
    pub(crate) state: CountState,
    pub(crate) at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::{CountState, Item, Movement, State, Step};

    #[test]
    fn items_name_a_shop_and_a_code() {
        assert_eq!(Item::parse("grocery.MILK-1.5").unwrap().as_str(), "grocery.MILK-1.5");
        for bad in ["grocery.", "grocery", "bakery.BUN", ".X", "grocery.a b"] {
            assert!(Item::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn words_are_the_same_everywhere() {
        assert!(State::ALL.iter().all(|word| serde_json::to_value(word).unwrap() == word.as_str()));
        assert!(Movement::ALL.iter().all(|word| serde_json::to_value(word).unwrap() == word.as_str()));
        assert!(CountState::ALL.iter().all(|word| serde_json::to_value(word).unwrap() == word.as_str()));
    }

    #[test]
    fn what_has_left_cannot_be_called_off() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Ok(*state));
            let gone =
                matches!(state, State::Shipped | State::Delivered | State::Lost | State::Returned | State::Cancelled);
            assert_eq!(state.allows(Step::Cancel), !gone, "{state:?}");
        }
    }

    #[test]
    fn the_courier_is_heard_once() {
        assert_eq!(State::Shipped.heard("parcel.delivered"), Some(State::Delivered));
        assert_eq!(State::Packed.heard("parcel.lost"), Some(State::Lost));
        assert_eq!(State::Lost.heard("parcel.returned"), Some(State::Returned));
        assert_eq!(State::Lost.heard("parcel.lost"), None);
        assert_eq!(State::Shipped.heard("parcel.cancelled"), Some(State::Cancelled));
        assert_eq!(State::Lost.heard("parcel.cancelled"), None);
        assert_eq!(State::Delivered.heard("parcel.lost"), None);
        assert_eq!(State::Shipped.heard("parcel.in_transit"), None);
        assert_eq!(State::Reserved.heard("parcel.delivered"), None);
    }
}
