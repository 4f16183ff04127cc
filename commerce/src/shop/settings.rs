//! What an operator decides about every shop.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Settings of the order book, the same for all shops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopSettings {
    /// Seconds that goods are kept for an order that is not confirmed.
    pub order_ttl_s: u64,
    /// Milliseconds after which a confirmed order is dispatched by itself; 0: only when staff does it.
    pub dispatch_after_ms: u64,
    /// Orders that wait to be decided; more are refused at once with 503. At ten thousand a second, a thousand wait 0.1 s.
    pub waiting: usize,
}

impl Default for ShopSettings {
    fn default() -> Self {
        Self { order_ttl_s: 600, dispatch_after_ms: 0, waiting: 1024 }
    }
}

impl ShopSettings {
    /// How long a reservation lasts: at least a second.
    pub(crate) fn ttl(&self) -> Duration {
        Duration::from_secs(self.order_ttl_s.max(1))
    }

    /// After what time confirmed orders are dispatched by themselves, if at all.
    pub(crate) fn dispatch_after(&self) -> Option<Duration> {
        (self.dispatch_after_ms > 0).then(|| Duration::from_millis(self.dispatch_after_ms))
    }
}
