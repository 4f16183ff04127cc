//! Leaves a peer alone that fails again and again, so that those who wait for it do not fill this process.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use process::Backoff;
use tokio::time::Instant;

use super::limit::{PEER_FAILURES, PEER_REST};

/// Counts failures in a row. After enough of them nobody is let through until a growing time is over, then one at a time.
#[derive(Debug)]
pub(super) struct Breaker {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    failures: u32,
    backoff: Backoff,
    closed_until: Option<Instant>,
}

impl Breaker {
    pub(super) fn new() -> Self {
        let backoff = Backoff::new(PEER_REST.0, PEER_REST.1);
        Self { state: Mutex::new(State { failures: 0, backoff, closed_until: None }) }
    }

    /// Whether a call may be tried now; else how long not.
    pub(super) fn permit(&self) -> Result<(), Duration> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(until) = state.closed_until else { return Ok(()) };
        let now = Instant::now();
        if now < until {
            return Err(until - now);
        }
        // This call finds out; others wait for what it finds, or as long again.
        state.closed_until = Some(now + state.backoff.next_wait());
        Ok(())
    }

    /// What became of a call.
    pub(super) fn report(&self, well: bool) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if well {
            if state.failures > 0 {
                state.backoff.reset();
                (state.failures, state.closed_until) = (0, None);
            }
            return;
        }
        state.failures = state.failures.saturating_add(1);
        if state.failures >= PEER_FAILURES && state.closed_until.is_none_or(|until| until <= Instant::now()) {
            state.closed_until = Some(Instant::now() + state.backoff.next_wait());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Breaker, PEER_FAILURES, PEER_REST};

    #[tokio::test(start_paused = true)]
    async fn opens_after_failures_and_lets_one_through_to_find_out() {
        let breaker = Breaker::new();
        for _ in 0..PEER_FAILURES {
            assert!(breaker.permit().is_ok());
            breaker.report(false);
        }
        let wait = breaker.permit().unwrap_err();
        assert!(wait <= PEER_REST.0, "{wait:?}");
        tokio::time::advance(wait).await;
        assert!(breaker.permit().is_ok());
        assert!(breaker.permit().is_err(), "only one finds out");
        breaker.report(true);
        assert!(breaker.permit().is_ok() && breaker.permit().is_ok());
        breaker.report(false);
        assert!(breaker.permit().is_ok(), "one failure is none in a row");
    }
}
