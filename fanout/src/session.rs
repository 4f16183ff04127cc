//! The session's writers as sinks.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use moqt::{
    Datagram, FetchObjectHeader, Location, Parameters, PublishDoneCode, RequestErrorCode, StreamErrorCode, Version,
};
use tokio::time::timeout;
use transport::{FetchWriter, StreamFailure, SubgroupFields, SubgroupWriter, SubscriptionEvent, SubscriptionWriter};

use crate::limit::OPEN_SLICE;
use crate::sink::{FetchSink, SinkError, StreamSink, ViewerSink};

/// A subscription of a session, ready to be served.
pub struct SubscriptionSink {
    version: Version,
    state: State,
}

enum State {
    Idle(Box<SubscriptionWriter>),
    /// Opening a stream takes the writer along; it comes back at the latest after [`OPEN_SLICE`].
    Opening(SubgroupFields, Pin<Box<dyn Future<Output = Opened> + Send>>),
    /// Only while the state changes.
    Moving,
}

struct Opened {
    writer: Box<SubscriptionWriter>,
    /// `None`: the viewer has no room for another stream yet.
    stream: Option<Result<SubgroupWriter, StreamFailure>>,
}

impl SubscriptionSink {
    /// Wraps the writer of a session that speaks `version`.
    #[must_use]
    pub fn new(writer: SubscriptionWriter, version: Version) -> Self {
        Self { version, state: State::Idle(Box::new(writer)) }
    }

    /// The writer, once it is back; a stream opened meanwhile is reset.
    async fn into_writer(self) -> Option<Box<SubscriptionWriter>> {
        match self.state {
            State::Idle(writer) => Some(writer),
            State::Opening(_, opening) => Some(opening.await.writer),
            State::Moving => None,
        }
    }

    /// The writer, unless it is away opening a stream.
    fn writer(&mut self) -> Option<&mut SubscriptionWriter> {
        match &mut self.state {
            State::Idle(writer) => Some(writer),
            State::Opening(..) | State::Moving => None,
        }
    }
}

impl fmt::Debug for SubscriptionSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opening = matches!(self.state, State::Opening(..));
        f.debug_struct("SubscriptionSink")
            .field("version", &self.version)
            .field("opening", &opening)
            .finish_non_exhaustive()
    }
}

impl From<StreamFailure> for SinkError {
    fn from(failure: StreamFailure) -> Self {
        match failure {
            StreamFailure::Session(_) => Self::Gone,
            _ => Self::Stopped,
        }
    }
}

impl ViewerSink for SubscriptionSink {
    type Stream = SubgroupWriter;

    fn version(&self) -> Version {
        self.version
    }

    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        fields: SubgroupFields,
        priority: i32,
    ) -> Poll<Result<SubgroupWriter, SinkError>> {
        self.state = match std::mem::replace(&mut self.state, State::Moving) {
            State::Idle(writer) => {
                let opening = async move {
                    let stream = timeout(OPEN_SLICE, writer.open_subgroup(fields, priority)).await.ok();
                    Opened { writer, stream }
                };
                State::Opening(fields, Box::pin(opening))
            }
            busy => busy,
        };
        let State::Opening(wanted, opening) = &mut self.state else { return Poll::Ready(Err(SinkError::Gone)) };
        let wanted = *wanted == fields;
        let Poll::Ready(Opened { writer, stream }) = opening.as_mut().poll(cx) else { return Poll::Pending };
        self.state = State::Idle(writer);
        match stream.filter(|_| wanted) {
            Some(opened) => Poll::Ready(opened.map_err(SinkError::from)),
            None => {
                // The caller looks at events, then asks again.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SubscriptionEvent> {
        match self.writer() {
            // The queue behind it keeps the waker when the future is dropped.
            Some(writer) => pin!(writer.next_event()).poll(cx),
            None => Poll::Pending,
        }
    }

    fn send_datagram(&mut self, datagram: Datagram) -> Result<(), SinkError> {
        match self.writer() {
            Some(writer) => writer.send_datagram(datagram).map_err(|_| SinkError::Gone),
            // Datagrams may be lost; one more while the viewer is short of streams is no harm.
            None => Ok(()),
        }
    }

    fn accept_update(&mut self, parameters: Parameters) {
        if let Some(writer) = self.writer() {
            writer.accept_update(parameters);
        }
    }

    async fn reject_update(self, code: RequestErrorCode, reason: &str) {
        if let Some(writer) = self.into_writer().await {
            writer.reject_update(code, reason);
        }
    }

    async fn done(self, status: PublishDoneCode, reason: &str) {
        if let Some(writer) = self.into_writer().await {
            writer.done(status, reason);
        }
    }
}

impl StreamSink for SubgroupWriter {
    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, SinkError>> {
        Self::poll_write_chunks(self, cx, chunks).map_err(SinkError::from)
    }

    fn finish(&mut self) {
        Self::finish(self);
    }

    fn reset(&mut self, code: StreamErrorCode) {
        Self::reset(self, code);
    }

    fn set_priority(&mut self, priority: i32) {
        Self::set_priority(self, priority);
    }

    fn poll_acknowledged(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_stopped(cx).map(|_| ())
    }
}

impl FetchSink for FetchWriter {
    fn object(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError> {
        Ok(Self::object(self, header)?)
    }

    fn end_of_range(&mut self, location: Location, known: bool) -> Result<(), SinkError> {
        Ok(Self::end_of_range(self, location, known)?)
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), SinkError> {
        Ok(Self::write(self, chunks).await?)
    }

    async fn cancelled(&mut self) {
        Self::cancelled(self).await;
    }

    async fn finish(self) -> Result<(), SinkError> {
        Ok(Self::finish(self).await?)
    }

    fn reset(self, code: StreamErrorCode) {
        Self::reset(self, code);
    }
}
