//! Waits that grow with every failure and are never the same twice.

use std::{
    hash::{BuildHasher, RandomState},
    time::Duration,
};

/// Doubles from `first` to `longest`; half of every wait is random, so that those who failed together
/// do not come back together.
#[derive(Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Backoff {
    /// The first wait is up to `first`, every further one up to twice the one before, none above `longest`.
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self { first, longest, next: first }
    }

    /// How long to wait now.
    pub fn next_wait(&mut self) -> Duration {
        let whole = self.next;
        self.next = (whole * 2).min(self.longest);
        // A fresh RandomState is seeded by the system: enough for spreading, no crate needed.
        let random = RandomState::new().hash_one(whole) >> 32;
        whole / 2 + whole.mul_f64(random as f64 / f64::from(u32::MAX)) / 2
    }

    /// All is well: the next failure is the first one again.
    pub fn reset(&mut self) {
        self.next = self.first;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_differ() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_millis(800));
        for whole in [100, 200, 400, 800, 800] {
            let wait = backoff.next_wait().as_millis();
            assert!((whole / 2..=whole).contains(&wait), "{wait} of {whole}");
        }
        backoff.reset();
        assert!(backoff.next_wait().as_millis() <= 100);
        let mut same = 0;
        for _ in 0..8 {
            backoff.reset();
            let first = backoff.next_wait();
            backoff.reset();
            same += usize::from(first == backoff.next_wait());
        }
        assert!(same < 8, "no jitter at all");
    }
}
