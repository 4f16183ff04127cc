//! When a worker looks for jobs: once in a while, and at once after a push in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use apalis::prelude::{PollSnapshot, PollStrategy};
use futures_util::task::AtomicWaker;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::limit;

/// Tells a worker that there is something new. Clones wake the same worker.
#[derive(Debug, Clone, Default)]
pub(super) struct Wake(Arc<(AtomicBool, AtomicWaker)>);

impl Wake {
    /// Has the worker look now.
    pub(super) fn wake(&self) {
        self.0.0.store(true, Ordering::SeqCst);
        self.0.1.wake();
    }
}

/// The strategy that apalis asks.
#[derive(Debug)]
pub(super) struct Look {
    wake: Wake,
    interval: Interval,
}

impl Look {
    pub(super) fn new(wake: Wake) -> Self {
        let mut interval = interval(limit::LOOK_EVERY);
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self { wake, interval }
    }
}

impl PollStrategy for Look {
    /// apalis asks before every look at the database and ignores the answer. A wake-up that comes while a look is under
    /// way must cause another look after it: hence the wake-up of ourselves, once per event.
    fn poll_drive(&mut self, cx: &mut Context<'_>, _: &PollSnapshot) -> Poll<Option<()>> {
        self.wake.0.1.register(cx.waker());
        let pushed = self.wake.0.0.swap(false, Ordering::SeqCst);
        let mut due = false;
        while self.interval.poll_tick(cx).is_ready() {
            due = true;
        }
        if pushed || due {
            cx.waker().wake_by_ref();
            return Poll::Ready(Some(()));
        }
        Poll::Pending
    }
}
