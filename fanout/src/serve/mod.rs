//! Serving one subscription: which groups, which streams, when to stop.

mod policy;
mod server;
mod stream;
mod timeout;

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use moqt::{GroupOrder, Location, PublishDoneCode};

pub use policy::SlowViewerPolicy;
pub use timeout::{DeliveryTimeouts, Lateness};

use crate::log::TrackLog;
use crate::observer::ServeObserver;
use crate::sink::ViewerSink;
use server::{Server, Step};

/// How one subscription is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServeSettings {
    /// First location that passes: see [`crate::resolve_filter`].
    pub start: Location,
    /// Last group that passes, inclusive; `None` = open ended.
    pub end_group: Option<u64>,
    /// Whether objects are sent at first (FORWARD).
    pub forward: bool,
    /// The subscriber's priority, 0 most urgent.
    pub subscriber_priority: u8,
    /// The track's priority, for subgroups that have none of their own.
    pub publisher_priority: u8,
    /// Which of two groups in flight is sent first.
    pub order: GroupOrder,
    /// How late objects and subgroups may be.
    pub timeouts: DeliveryTimeouts,
    /// When a slow viewer loses the rest of a group.
    pub slow: SlowViewerPolicy,
}

/// Why serving ended. The subscription is over in every case, and no stream is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServeEnd {
    /// The track ended or the range is through; the viewer got PUBLISH_DONE with this status.
    Done(PublishDoneCode),
    /// The viewer cancelled.
    Cancelled,
    /// The viewer asked for an update that cannot be granted, and was refused.
    UpdateRefused,
    /// The viewer's session ended.
    Gone,
}

/// Sends a track's objects to one viewer until the track, the range or the viewer ends. One task per subscription.
///
/// Each subgroup goes out on a stream of its own, from the first object that passes on; streams of older groups go on while
/// newer ones begin, until [`ServeSettings::slow`] gives them up. The log's writer is never waited for nor held up. Dropping the
/// future resets the open streams.
pub async fn serve_subscription<S: ViewerSink>(
    log: &TrackLog,
    sink: S,
    settings: ServeSettings,
    observer: &dyn ServeObserver,
) -> ServeEnd {
    let mut server = Server::new(log, sink, settings, observer);
    let step = {
        let mut changed = pin!(log.signals().notify.notified());
        poll_fn(|cx| {
            // Registered before looking: a change during the look wakes this task again.
            while changed.as_mut().poll(cx).is_ready() {
                changed.set(log.signals().notify.notified());
            }
            match server.step(cx) {
                Step::Wait => Poll::Pending,
                end => Poll::Ready(end),
            }
        })
        .await
    };
    server.conclude(step).await
}
