//! What an operator decides about the pharmacy.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the pharmacy beside those of every shop.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PharmacySettings {
    /// Where it is if not in this process: `http://host:port`, before `/api/v1`.
    pub url: Option<String>,
    /// Made-up packages at least, if empty databases are filled: more makers' of the same substances beyond the first four
    /// hundred.
    pub seed_packages: usize,
    /// Milliseconds after which a synthetic desk advises on an order by itself (demonstrations); 0: pharmacists do.
    pub auto_advice_ms: u64,
}

impl PharmacySettings {
    /// After what time a synthetic desk advises, if at all.
    pub(crate) fn auto_advice(&self) -> Option<Duration> {
        (self.auto_advice_ms > 0).then(|| Duration::from_millis(self.auto_advice_ms))
    }
}
