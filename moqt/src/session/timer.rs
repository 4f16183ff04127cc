//! A deadline in a machine without a clock.

use std::time::Duration;

/// A wait that starts at the first `handle_timeout` after it was asked for, because only that call
/// brings the time.
#[derive(Clone, Copy, Debug)]
pub(super) enum Timer {
    /// Asked for; the next `handle_timeout` starts it.
    Waiting(Duration),
    /// Runs out at this time.
    Armed(Duration),
}

impl Timer {
    /// When `handle_timeout` is wanted next.
    pub(super) fn due(self, now: Duration) -> Duration {
        match self {
            Self::Waiting(_) => now,
            Self::Armed(at) => at,
        }
    }

    /// Starts a waiting timer; says whether an armed one ran out.
    pub(super) fn fire(&mut self, now: Duration) -> bool {
        match *self {
            Self::Waiting(wait) => {
                *self = Self::Armed(now.saturating_add(wait));
                wait.is_zero()
            }
            Self::Armed(at) => now >= at,
        }
    }
}
