//! What an operator decides about the pharmacy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the pharmacy beside those of every shop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PharmacySettings {
    /// Where it is if not in this process: `http://host:port`, before `/api/v1`.
    pub url: Option<String>,
    /// Seconds that medicines are kept and a prescription is locked for an order that is not confirmed: longer than in other
    /// shops, as a pharmacist speaks with the customer first.
    pub order_ttl_s: u64,
    /// Made-up packages at least, if empty databases are filled: more makers' of the same substances beyond the first four
    /// hundred.
    pub seed_packages: usize,
    /// Milliseconds after which a synthetic desk advises on an order by itself (demonstrations); 0: pharmacists do.
    pub auto_advice_ms: u64,
}

impl Default for PharmacySettings {
    fn default() -> Self {
        Self { url: None, order_ttl_s: 24 * 3600, seed_packages: 0, auto_advice_ms: 0 }
    }
}

impl PharmacySettings {
    /// How long a reservation lasts: at least a second.
    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_secs(self.order_ttl_s.max(1))
    }

    /// After what time a synthetic desk advises, if at all.
    pub(crate) fn auto_advice(&self) -> Option<Duration> {
        (self.auto_advice_ms > 0).then(|| Duration::from_millis(self.auto_advice_ms))
    }
}
