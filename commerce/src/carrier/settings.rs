//! What the simulated carriers are told.

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Settings of the carrier simulator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CarrierSettings {
    /// Where they are if not in this process: `http://host:port`, before `/api/v1`.
    #[garde(skip)]
    pub url: Option<String>,
    /// How many times faster than in the world parcels move. 1 is real; 1800 brings a parcel of 16 hours in 32 seconds.
    #[garde(range(min = 1, max = 10_000_000))]
    pub speed: u32,
    /// Of a hundred parcels, how many are late.
    #[garde(range(max = 100))]
    pub delay_percent: u8,
    /// Of a hundred parcels, how many get lost.
    #[garde(range(max = 100))]
    pub lost_percent: u8,
    /// Of a hundred parcels, how many come back to the sender.
    #[garde(range(max = 100))]
    pub return_percent: u8,
    /// With the parcel's number it decides what happens to a parcel: the same seed and number, the same fate.
    #[garde(skip)]
    pub seed: u64,
}

impl Default for CarrierSettings {
    fn default() -> Self {
        Self { url: None, speed: 1800, delay_percent: 0, lost_percent: 0, return_percent: 0, seed: 1 }
    }
}
