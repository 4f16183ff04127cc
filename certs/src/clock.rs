//! The wall clock as a value, so that rotation can be tested without waiting twelve days.

use std::{fmt, sync::Arc, time::SystemTime};

/// Tells the time of day to the store and its watcher.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

impl Clock {
    /// The computer's own clock.
    pub fn system() -> Self {
        Self::new(SystemTime::now)
    }

    /// Any other source of time; tests pass one that they move by hand.
    pub fn new(now: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Clock")
    }
}
