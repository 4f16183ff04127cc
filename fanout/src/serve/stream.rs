//! One open stream of a viewer: a cursor, the chunks in between, the transport's stream.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use moqt::{StreamErrorCode, Version};
use tokio::time::{Instant, Sleep};

use super::{DeliveryTimeouts, Lateness};
use crate::limit;
use crate::log::{Cursor, GroupLog, Pending, SubgroupLog, SubgroupState};
use crate::observer::ServeObserver;
use crate::sink::{SinkError, StreamSink};

/// Where one pump left a stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pumped {
    /// Everything that is here was handed over; or the transport takes nothing now, and will wake the task.
    Open,
    /// Everything was handed over, and the end.
    Finished,
    /// The stream has ended before its subgroup.
    Ended,
    /// The viewer's session is over.
    Gone,
    /// Enough for this poll; there is more.
    Yield,
}

#[derive(Debug)]
pub(super) struct ViewerStream<T> {
    group: Arc<GroupLog>,
    cursor: Cursor,
    pending: Pending,
    /// When the oldest object that is pending from its beginning was received.
    oldest: Option<Instant>,
    stream: T,
}

/// What one look at all streams of a viewer may do, and did.
#[derive(Debug, Default)]
pub(super) struct Burst {
    writes: usize,
    /// The viewer's transport took something.
    pub(super) moved: bool,
}

/// What the timeouts of one subscription need.
#[derive(Debug)]
pub(super) struct Late<T> {
    /// The stricter of what both sides ask for.
    pub(super) limits: Lateness,
    /// Finished streams whose acknowledgement has a deadline.
    pub(super) unconfirmed: VecDeque<Unconfirmed<T>>,
    /// Runs to the next deadline of a subgroup.
    pub(super) expiry: Option<Pin<Box<Sleep>>>,
}

impl<T> Late<T> {
    /// `None` when neither side asks for anything.
    pub(super) fn new(timeouts: &DeliveryTimeouts) -> Option<Box<Self>> {
        let limits = timeouts.stricter();
        let any = limits.object.is_some() || limits.subgroup.is_some();
        any.then(|| Box::new(Self { limits, unconfirmed: VecDeque::new(), expiry: None }))
    }
}

/// A stream that was handed over to its end, and what is left of the time for its acknowledgement.
#[derive(Debug)]
pub(super) struct Unconfirmed<T> {
    pub(super) stream: T,
    pub(super) deadline: Instant,
}

impl<T: StreamSink> ViewerStream<T> {
    pub(super) fn new(group: Arc<GroupLog>, part: Arc<SubgroupLog>, index: usize, version: Version, stream: T) -> Self {
        Self { group, cursor: Cursor::new(part, index, version), pending: Pending::default(), oldest: None, stream }
    }

    pub(super) fn group(&self) -> &Arc<GroupLog> {
        &self.group
    }

    pub(super) fn publisher_priority(&self) -> Option<u8> {
        self.cursor.part().meta.priority
    }

    pub(super) fn set_priority(&mut self, priority: i32) {
        self.stream.set_priority(priority);
    }

    /// Bytes that are here and not sent.
    pub(super) fn behind(&self) -> u64 {
        self.cursor.behind() + self.pending.left()
    }

    pub(super) fn reset(&mut self, code: StreamErrorCode, observer: &dyn ServeObserver) {
        self.stream.reset(code);
        observer.stream_reset(code);
    }

    /// Hands over what is here, as far as the transport takes it.
    pub(super) fn pump(
        &mut self,
        cx: &mut Context<'_>,
        timeout: Option<Duration>,
        burst: &mut Burst,
        observer: &dyn ServeObserver,
    ) -> Pumped {
        loop {
            if self.is_too_old(timeout) {
                self.reset(StreamErrorCode::DeliveryTimeout, observer);
                return Pumped::Ended;
            }
            if self.pending.is_empty() {
                let gathered = self.cursor.gather(&mut self.pending);
                if self.pending.is_empty() {
                    return self.conclude(gathered.end, observer);
                }
                if timeout.is_some() {
                    self.oldest = gathered.received;
                }
                observer.sent(gathered.objects, gathered.bytes);
                if let Some(received) = gathered.received {
                    observer.dwell(received.elapsed());
                }
            }
            if burst.writes == limit::WRITES_PER_POLL {
                return Pumped::Yield;
            }
            burst.writes += 1;
            match self.stream.poll_write_chunks(cx, self.pending.rest()) {
                Poll::Ready(Ok(count)) => {
                    burst.moved = true;
                    self.pending.advance(count);
                }
                Poll::Ready(Err(SinkError::Stopped)) => return Pumped::Ended,
                Poll::Ready(Err(SinkError::Gone)) => return Pumped::Gone,
                Poll::Pending => return Pumped::Open,
            }
        }
    }

    fn conclude(&mut self, end: Option<SubgroupState>, observer: &dyn ServeObserver) -> Pumped {
        match end {
            None | Some(SubgroupState::Open) => return Pumped::Open,
            Some(SubgroupState::Finished) => {
                self.stream.finish();
                return Pumped::Finished;
            }
            Some(SubgroupState::Reset(code)) => self.reset(code, observer),
        }
        Pumped::Ended
    }

    /// When the end of its subgroup became known.
    pub(super) fn ended(&self) -> Option<Instant> {
        self.cursor.part().ended()
    }

    /// What is left to watch after [`Pumped::Finished`].
    pub(super) fn into_stream(self) -> T {
        self.stream
    }

    /// An object that is to be handed over waited longer than the viewer wants (draft-18 section 10.2.3).
    fn is_too_old(&self, timeout: Option<Duration>) -> bool {
        let Some(timeout) = timeout.filter(|timeout| !timeout.is_zero()) else { return false };
        let oldest = if self.pending.is_empty() { self.cursor.next_received() } else { self.oldest };
        oldest.is_some_and(|received| Instant::now().duration_since(received) > timeout)
    }
}
