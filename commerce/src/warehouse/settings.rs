//! What can be set about the warehouse.

use serde::{Deserialize, Serialize};

use crate::address::Address;

/// Settings of the warehouse.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarehouseSettings {
    /// Where it is if not in this process: `http://host:port`, before `/api/v1`.
    pub url: Option<String>,
    /// Milliseconds after which robots do the next step by themselves: pick, pack, ship. 0: people do.
    pub auto_ms: u64,
    /// Where parcels come from: the sender on the label, and where the courier collects.
    pub address: Address,
}

impl Default for WarehouseSettings {
    fn default() -> Self {
        let address = Address {
            name: "Efir warehouse".to_owned(),
            street: "Varastokatu 1".to_owned(),
            postcode: "00580".to_owned(),
            city: "Helsinki".to_owned(),
            country: "FI".to_owned(),
            lat: Some(60.188),
            lon: Some(24.977),
        };
        Self { url: None, auto_ms: 0, address }
    }
}
