//! Where goods go.

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A postal address. Personal data: never in logs, metrics, or answers to people who are not logged in.
#[derive(Clone, PartialEq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Address {
    /// Who takes it in.
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    pub name: String,
    /// Street, house, door.
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(min_length = 1, max_length = 200)]
    pub street: String,
    /// Postcode: five digits in Finland.
    #[garde(length(chars, min = 2, max = 12))]
    #[schema(min_length = 2, max_length = 12, example = "00100")]
    pub postcode: String,
    /// Town.
    #[garde(length(chars, min = 1, max = 100))]
    #[schema(min_length = 1, max_length = 100)]
    pub city: String,
    /// ISO 3166-1 alpha-2 country.
    #[garde(length(chars, min = 2, max = 2))]
    #[serde(default = "finland")]
    #[schema(min_length = 2, max_length = 2, example = "FI")]
    pub country: String,
    /// Degrees north, if known; otherwise the postcode tells.
    #[garde(inner(range(min = -90.0, max = 90.0)))]
    #[schema(minimum = -90.0, maximum = 90.0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lat: Option<f64>,
    /// Degrees east, if known.
    #[garde(inner(range(min = -180.0, max = 180.0)))]
    #[schema(minimum = -180.0, maximum = 180.0)]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lon: Option<f64>,
}

fn finland() -> String {
    "FI".to_owned()
}

impl std::fmt::Debug for Address {
    /// Only what does not name a person or a door.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Address").field("country", &self.country).finish_non_exhaustive()
    }
}
