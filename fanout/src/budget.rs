//! A hard ceiling on bytes, shared by every log and cache of the process.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// Asked to free memory when a reservation does not fit: a cache sheds entries.
pub trait Reclaim: Send + Sync + Debug {
    /// Drops charges of about `bytes` bytes in total, if it can, before it returns. Called without locks held; must not reserve.
    fn reclaim(&self, bytes: u64);
}

/// A ceiling in bytes that is never exceeded. Clones share it.
#[derive(Debug, Clone)]
pub struct MemoryBudget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    limit: u64,
    used: AtomicU64,
    refused: AtomicU64,
    reclaim: OnceLock<Arc<dyn Reclaim>>,
}

impl MemoryBudget {
    /// A budget of `limit` bytes with nothing used.
    #[must_use]
    pub fn new(limit: u64) -> Self {
        let inner = Inner { limit, used: AtomicU64::new(0), refused: AtomicU64::new(0), reclaim: OnceLock::new() };
        Self(Arc::new(inner))
    }

    /// Names who frees memory on demand. Only the first call counts.
    pub fn set_reclaim(&self, reclaim: Arc<dyn Reclaim>) {
        // A second hook would leave two owners shedding for one reservation.
        let _ = self.0.reclaim.set(reclaim);
    }

    /// Reserves `bytes`, asking the hook to free memory if they do not fit at once. `None`: they do not fit.
    #[must_use]
    pub fn reserve(&self, bytes: u64) -> Option<Charge> {
        self.take(bytes).then(|| Charge { budget: self.clone(), bytes: AtomicU64::new(bytes) })
    }

    /// Bytes in use.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.0.used.load(Ordering::Relaxed)
    }

    /// The ceiling in bytes.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.0.limit
    }

    /// Reservations refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    fn take(&self, bytes: u64) -> bool {
        if self.try_take(bytes) {
            return true;
        }
        if let Some(reclaim) = self.0.reclaim.get()
            && bytes <= self.0.limit
        {
            reclaim.reclaim(bytes.saturating_sub(self.0.limit.saturating_sub(self.used())));
            if self.try_take(bytes) {
                return true;
            }
        }
        self.0.refused.fetch_add(1, Ordering::Relaxed);
        false
    }

    fn try_take(&self, bytes: u64) -> bool {
        let fits = |used: u64| used.checked_add(bytes).filter(|sum| *sum <= self.0.limit);
        self.0.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).is_ok()
    }
}

/// Bytes taken from a [`MemoryBudget`]; given back on drop.
#[derive(Debug)]
pub struct Charge {
    budget: MemoryBudget,
    bytes: AtomicU64,
}

impl Charge {
    /// Takes `bytes` more. `false`: they do not fit, and nothing changed.
    #[must_use]
    pub fn grow(&self, bytes: u64) -> bool {
        let fits = self.budget.take(bytes);
        if fits {
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// Gives `bytes` back, at most what is held.
    pub fn shrink(&self, bytes: u64) {
        let less = |held: u64| Some(held.saturating_sub(bytes));
        if let Ok(held) = self.bytes.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less) {
            self.budget.0.used.fetch_sub(held.min(bytes), Ordering::Relaxed);
        }
    }

    /// Bytes held.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn charges_are_given_back_and_the_ceiling_holds() {
        let budget = MemoryBudget::new(100);
        let first = budget.reserve(60).unwrap();
        assert!(budget.reserve(41).is_none());
        assert_eq!(budget.refused(), 1);
        assert!(first.grow(40));
        assert!(!first.grow(1));
        first.shrink(50);
        assert_eq!((budget.used(), first.bytes()), (50, 50));
        first.shrink(500);
        assert_eq!((budget.used(), first.bytes()), (0, 0));
        drop(first);
        assert_eq!(budget.used(), 0);
        assert!(budget.reserve(u64::MAX).is_none());
    }

    #[derive(Debug, Default)]
    struct Shelf(Mutex<Vec<Charge>>);

    impl Reclaim for Shelf {
        fn reclaim(&self, bytes: u64) {
            let mut shelf = self.0.lock().unwrap();
            let mut freed = 0;
            while freed < bytes
                && let Some(charge) = shelf.pop()
            {
                freed += charge.bytes();
            }
        }
    }

    #[test]
    fn the_hook_frees_what_is_missing() {
        let budget = MemoryBudget::new(100);
        let shelf = Arc::new(Shelf::default());
        shelf.0.lock().unwrap().extend((0..10).map(|_| budget.reserve(10).unwrap()));
        budget.set_reclaim(shelf.clone());
        let live = budget.reserve(25).unwrap();
        assert_eq!(shelf.0.lock().unwrap().len(), 7);
        assert_eq!(budget.used(), 95);
        assert!(budget.reserve(200).is_none());
        assert_eq!(shelf.0.lock().unwrap().len(), 7, "a hopeless reservation sheds nothing");
        drop(live);
    }
}
