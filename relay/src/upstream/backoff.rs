//! Pauses between attempts: doubling, bounded, jittered so that many relays do not come back in step.

use std::time::Duration;

use crate::limit;

/// The next pause of a series of failed attempts.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    seed: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { next: limit::BACKOFF_FIRST, seed: crate::relay::random_id() | 1 }
    }
}

impl Backoff {
    /// The pause before the next attempt: between half and all of the current step.
    pub(crate) fn next(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(limit::BACKOFF_MOST);
        // xorshift64: the spread only has to differ between processes.
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        step / 2 + step.mul_f64((self.seed % 1000) as f64 / 2000.0)
    }

    /// An attempt worked: the series starts anew.
    pub(crate) fn reset(&mut self) {
        self.next = limit::BACKOFF_FIRST;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_to_its_bound_and_starts_anew() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..20).map(|_| backoff.next()).collect();
        assert!(pauses[0] >= limit::BACKOFF_FIRST / 2 && pauses[0] <= limit::BACKOFF_FIRST);
        assert!(pauses.iter().all(|pause| *pause <= limit::BACKOFF_MOST));
        assert!(pauses[19] >= limit::BACKOFF_MOST / 2);
        backoff.reset();
        assert!(backoff.next() <= limit::BACKOFF_FIRST);
    }
}
