//! Who is who among the services.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// One of the services: a folder of this crate, a database, an audience of tokens, a part of every path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Actor {
    /// Medicines and prescriptions.
    Pharmacy,
    /// The grocery with promotions and a restricted catalogue.
    Grocery,
    /// Furniture and its bulk catalogue.
    Furniture,
    /// One basket over all shops.
    Reseller,
    /// Stock, picking, packing.
    Warehouse,
    /// Parcels and routes.
    Courier,
    /// The simulated carrier.
    Carrier,
}

impl Actor {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Pharmacy, Self::Grocery, Self::Furniture, Self::Reseller, Self::Warehouse, Self::Courier, Self::Carrier];

    /// The name in paths, settings, tokens and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pharmacy => "pharmacy",
            Self::Grocery => "grocery",
            Self::Furniture => "furniture",
            Self::Reseller => "reseller",
            Self::Warehouse => "warehouse",
            Self::Courier => "courier",
            Self::Carrier => "carrier",
        }
    }

    /// The actor of a name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|actor| actor.as_str() == name)
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
