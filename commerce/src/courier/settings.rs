//! What the couriers are told.

use garde::Validate;
use serde::{Deserialize, Serialize};

/// Settings of the couriers. Hours are those of the carrier's time: a simulated carrier's may go faster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate)]
#[serde(default, deny_unknown_fields)]
pub struct CourierSettings {
    /// Where they are if not in this process: `http://host:port`, before `/api/v1`.
    #[garde(skip)]
    pub url: Option<String>,
    /// What an hour sooner is worth when a carrier is chosen, in minor units of the price.
    #[garde(range(min = 0, max = 100_000))]
    pub hour_value: i64,
    /// After so many hours without a report the carrier is asked.
    #[garde(range(min = 1, max = 720))]
    pub ask_after_hours: u32,
    /// After so many hours without a report, counted from the promised time at the earliest, a parcel is lost.
    #[garde(range(min = 1, max = 2160))]
    pub lost_after_hours: u32,
    /// Vans of each carrier that keeps nothing cold.
    #[garde(range(max = 20))]
    pub vans: usize,
    /// Vans that keep parcels cold.
    #[garde(range(max = 20))]
    pub cold_vans: usize,
    /// Grams that a van carries.
    #[garde(range(min = 1, max = 40_000_000))]
    pub van_weight_g: i64,
    /// Millilitres that a van carries.
    #[garde(range(min = 1, max = 100_000_000))]
    pub van_volume_ml: i64,
    /// Hours of the day, in Helsinki, between which vans are out.
    #[garde(custom(in_order))]
    pub shift: (u8, u8),
}

impl Default for CourierSettings {
    fn default() -> Self {
        Self {
            url: None,
            hour_value: 20,
            ask_after_hours: 6,
            lost_after_hours: 120,
            vans: 3,
            cold_vans: 3,
            van_weight_g: 900_000,
            van_volume_ml: 8_000_000,
            shift: (8, 20),
        }
    }
}

fn in_order(shift: &(u8, u8), _: &()) -> garde::Result {
    if shift.0 < shift.1 && shift.1 <= 24 { Ok(()) } else { Err(garde::Error::new("two hours of a day in order")) }
}
