//! What there is to do, how often it is tried, and what its handlers get and say.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// A kind of job: its name, and how its jobs are run. Made once as a constant by whoever handles it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct JobKind {
    pub(crate) name: &'static str,
    /// Jobs of this kind that one process runs at once.
    pub(crate) at_once: usize,
    /// Tries before the job is given up.
    pub(crate) attempts: usize,
    /// Pause after the first failure; doubles with every further one.
    pub(crate) first_pause: Duration,
    /// Longest pause.
    pub(crate) longest_pause: Duration,
    /// How long one try may take.
    pub(crate) timeout: Duration,
}

impl JobKind {
    /// A kind with usual numbers: four at once, ten tries within about an hour and a half, one minute each.
    pub(crate) const fn new(name: &'static str) -> Self {
        Self {
            name,
            at_once: 4,
            attempts: 10,
            first_pause: Duration::from_secs(2),
            longest_pause: Duration::from_secs(30 * 60),
            timeout: Duration::from_secs(60),
        }
    }

    /// The same with another number of jobs at once.
    pub(crate) const fn at_once(self, at_once: usize) -> Self {
        Self { at_once, ..self }
    }

    /// The same with other tries and pauses between them.
    pub(crate) const fn tries(self, attempts: usize, first_pause: Duration, longest_pause: Duration) -> Self {
        Self { attempts, first_pause, longest_pause, ..self }
    }

    /// The same with another time for one try.
    pub(crate) const fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// The pause after this many failures: doubled each time up to the longest, half of it random so that jobs that failed
    /// together do not come back together.
    pub(crate) fn pause(&self, failures: usize) -> Duration {
        let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(31);
        let whole = self.first_pause.saturating_mul(1 << doublings).min(self.longest_pause);
        let random = RandomState::new().hash_one(failures) >> 32;
        whole / 2 + whole.mul_f64(random as f64 / f64::from(u32::MAX)) / 2
    }
}

/// One job as its handler sees it. It may come again even after it was done: effects must bear that.
#[derive(Debug, Clone)]
pub(crate) struct Job<P> {
    /// What was pushed.
    pub(crate) payload: P,
    /// 1 at the first try.
    pub(crate) attempt: usize,
    /// There is no other try after this one.
    pub(crate) last: bool,
}

/// Why a try failed. The texts are kept and logged: no personal data.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JobError {
    /// To be tried again after a growing pause.
    #[error("{0}")]
    Again(String),
    /// To be tried again after this time.
    #[error("{1}")]
    After(Duration, String),
    /// No other try would help.
    #[error("{0}")]
    Never(String),
}

impl From<crate::store::StoreError> for JobError {
    fn from(error: crate::store::StoreError) -> Self {
        Self::Again(error.to_string())
    }
}

/// Why a job could not be queued.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PushError {
    /// Too many of this kind wait already.
    #[error("too many jobs of the kind {0} are waiting")]
    Full(&'static str),
    /// The payload cannot be written as JSON.
    #[error("the payload is no JSON: {0}")]
    Payload(#[from] serde_json::Error),
    /// The queue's database failed.
    #[error(transparent)]
    Database(#[from] super::JobsError),
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::JobKind;

    proptest! {
        #[test]
        fn pauses_grow_and_end(failures in 1_usize..10_000, first in 1_u64..100, longest in 100_u64..1_000_000) {
            let (first, longest) = (Duration::from_secs(first), Duration::from_secs(longest));
            let kind = JobKind::new("test").tries(5, first, longest);
            let pause = kind.pause(failures);
            prop_assert!(pause <= longest);
            let whole = first.saturating_mul(1 << (failures - 1).min(31)).min(longest);
            prop_assert!(pause >= whole / 2 && pause <= whole);
        }
    }
}
