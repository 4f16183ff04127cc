//! Faults on purpose: what tests and the stress tool make go wrong, by name, while the process runs.
//!
//! | Name | Effect |
//! |---|---|
//! | `payment.refused` | the payment provider refuses |
//! | `carrier.lost`, `carrier.delay` | the carrier simulator loses or delays a parcel |
//! | `shop.slow` | every request to a shop waits `delay_ms` |
//! | `event.doubled` | an event is delivered twice |
//! | `kill:<step>` | the process dies at the named step, at once and without cleaning up |

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use garde::Validate;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How often a fault strikes and what it does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Validate, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Fault {
    /// Of a hundred occasions, how many it strikes, evenly spread.
    #[garde(range(max = 100))]
    #[schema(maximum = 100)]
    pub percent: u8,
    /// How often it strikes before it is over; without end if absent.
    #[garde(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub times: Option<u32>,
    /// Milliseconds by which it delays, for faults that delay.
    #[garde(range(max = 60_000))]
    #[schema(maximum = 60_000)]
    pub delay_ms: u64,
}

impl Default for Fault {
    fn default() -> Self {
        Self { percent: 100, times: None, delay_ms: 0 }
    }
}

/// The faults of a process by name. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Faults {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    /// Whether there are any: all that a healthy process reads.
    armed: AtomicBool,
    faults: Mutex<BTreeMap<String, Armed>>,
}

#[derive(Debug)]
struct Armed {
    fault: Fault,
    /// Hundredths of a strike that occasions have added up to.
    due: u32,
}

impl Faults {
    /// Puts these in place of all before.
    pub(crate) fn set(&self, faults: BTreeMap<String, Fault>) {
        let mut armed = self.lock();
        *armed = faults.into_iter().map(|(name, fault)| (name, Armed { fault, due: 0 })).collect();
        self.shared.armed.store(!armed.is_empty(), Ordering::Release);
    }

    /// Whether any may strike.
    pub(crate) fn are_armed(&self) -> bool {
        self.shared.armed.load(Ordering::Acquire)
    }

    /// Those that are not over.
    pub(crate) fn list(&self) -> BTreeMap<String, Fault> {
        self.lock().iter().map(|(name, armed)| (name.clone(), armed.fault.clone())).collect()
    }

    /// Whether the fault strikes on this occasion.
    pub(crate) fn hit(&self, name: &str) -> bool {
        self.strike(name).is_some()
    }

    /// Waits as long as the fault delays on this occasion. Cancel safe.
    pub(crate) async fn delay(&self, name: &str) {
        if let Some(fault) = self.strike(name) {
            tokio::time::sleep(Duration::from_millis(fault.delay_ms)).await;
        }
    }

    /// A place where a test may have the process killed.
    pub(crate) fn step(&self, step: &str) {
        if self.are_armed() && self.hit(&format!("kill:{step}")) {
            tracing::error!(step, "killed on purpose");
            std::process::abort();
        }
    }

    fn strike(&self, name: &str) -> Option<Fault> {
        if !self.are_armed() {
            return None;
        }
        let mut faults = self.lock();
        let armed = faults.get_mut(name)?;
        armed.due += u32::from(armed.fault.percent);
        if armed.due < 100 {
            return None;
        }
        armed.due -= 100;
        match &mut armed.fault.times {
            Some(0) => None,
            Some(left) => {
                *left -= 1;
                Some(armed.fault.clone())
            }
            None => Some(armed.fault.clone()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Armed>> {
        self.shared.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::{Fault, Faults};

    #[test]
    fn strikes_as_often_as_told() {
        let faults = Faults::default();
        assert!(!faults.hit("payment.refused"));
        let fault = Fault { percent: 25, times: Some(2), delay_ms: 0 };
        faults.set([("payment.refused".to_owned(), fault)].into());
        let hits: Vec<_> = (0..16).map(|_| faults.hit("payment.refused")).collect();
        assert_eq!(hits.iter().filter(|hit| **hit).count(), 2);
        assert!(hits[3] && hits[7] && !faults.hit("carrier.lost"));
    }
}
