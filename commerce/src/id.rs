//! Identifiers: time-ordered UUIDs under the name of what they identify, and the codes goods carry.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// Why a text is not the identifier it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {0}")]
pub(crate) struct IdError(pub &'static str);

/// A new time-ordered UUID (version 7, RFC 9562) as text.
#[must_use]
pub(crate) fn new_uuid() -> String {
    Uuid::now_v7().to_string()
}

/// A type for the UUIDs of one kind of thing.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
        #[serde(transparent)]
        #[schema(value_type = String, format = "uuid")]
        pub(crate) struct $name(String);

        impl $name {
            /// A new one, later in order than all before it.
            #[must_use]
            pub(crate) fn new() -> Self {
                Self(new_uuid())
            }

            /// Reads one that came from outside.
            ///
            /// # Errors
            /// The text is no UUID.
            pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
                Uuid::try_parse(text).map(|id| Self(id.to_string())).map_err(|_| IdError($what))
            }

            /// The text.
            #[must_use]
            pub(crate) fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }
    };
}

id!(
    /// An order, at a shop or at the reseller.
    OrderId,
    "order id"
);
id!(
    /// A prescription.
    PrescriptionId,
    "prescription id"
);

id!(
    /// A subscription to events by webhook.
    SubscriptionId,
    "subscription id"
);

id!(
    /// An export of a catalogue.
    ExportId,
    "export id"
);

id!(
    /// A promotion.
    PromotionId,
    "promotion id"
);

/// A shop's own code of a thing it sells: 1 to 64 letters, digits, `-`, `_` or `.`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^[A-Za-z0-9._-]{1,64}$", example = "SOFA-3-GREY")]
pub(crate) struct Sku(String);

impl Sku {
    /// Longest code, in bytes.
    pub(crate) const MAX_LENGTH: usize = 64;

    /// Reads a code that came from outside.
    ///
    /// # Errors
    /// The text is empty, too long, or holds other characters.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        let fits = (1..=Self::MAX_LENGTH).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
        if fits { Ok(Self(text.to_owned())) } else { Err(IdError("product code")) }
    }

    /// The text.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sku {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Sku {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// A Global Trade Item Number of 8, 12, 13 or 14 digits with its check digit (GS1 General Specifications, 7.9).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(transparent)]
#[schema(value_type = String, pattern = "^([0-9]{8}|[0-9]{12,14})$", example = "06412345678904")]
pub(crate) struct Gtin(String);

impl Gtin {
    /// Reads a number and checks its last digit. Kept as 14 digits, filled with zeros from the left.
    ///
    /// # Errors
    /// Another length, other characters, or a wrong check digit.
    pub(crate) fn parse(text: &str) -> Result<Self, IdError> {
        let error = IdError("GTIN");
        if !matches!(text.len(), 8 | 12 | 13 | 14) || !text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(error);
        }
        let (body, check) = text.split_at(text.len() - 1);
        if check.parse() == Ok(check_digit(body)) { Ok(Self(format!("{text:0>14}"))) } else { Err(error) }
    }

    /// The 14 digits.
    #[must_use]
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Gtin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Gtin {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'_, str>>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

/// The check digit of all GS1 keys: weights 3 and 1 in turn from the right. Counts only ASCII digits.
#[must_use]
pub(crate) fn check_digit(body: &str) -> u32 {
    let digits = body.bytes().rev().filter(u8::is_ascii_digit).map(|byte| u32::from(byte - b'0'));
    let sum: u32 = digits.enumerate().map(|(place, digit)| if place % 2 == 0 { digit * 3 } else { digit }).sum();
    (10 - sum % 10) % 10
}

#[cfg(test)]
mod tests {
    use super::{Gtin, OrderId, Sku, check_digit};

    #[test]
    fn gtin_check_digits() {
        // The examples of the GS1 General Specifications.
        assert_eq!(check_digit("629104150021"), 3);
        assert_eq!(Gtin::parse("6291041500213").unwrap().as_str(), "06291041500213");
        assert!(Gtin::parse("6291041500214").is_err());
        assert!(Gtin::parse("629104150021x").is_err());
    }

    #[test]
    fn ids_are_ordered_by_time() {
        let (first, second) = (OrderId::new(), OrderId::new());
        assert!(first < second);
        assert!(OrderId::parse("42").is_err());
    }

    #[test]
    fn product_codes_are_plain() {
        assert!(Sku::parse("SOFA-3.grey_1").is_ok());
        for bad in ["", "a b", "ä", "x'--"] {
            assert!(Sku::parse(bad).is_err(), "{bad}");
        }
        assert!(Sku::parse(&"x".repeat(65)).is_err());
    }
}
