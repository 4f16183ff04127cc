//! The seam between serving and what carries it: implemented for the session's writers, and for null sinks in tests.

use std::future::Future;
use std::task::{Context, Poll};

use bytes::Bytes;
use moqt::{
    Datagram, FetchObjectHeader, Location, Parameters, PublishDoneCode, RequestErrorCode, StreamErrorCode, Version,
};
use transport::{SubgroupFields, SubscriptionEvent};

/// Why a stream takes nothing more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// The viewer does not want this stream.
    #[error("the viewer stopped the stream")]
    Stopped,
    /// The viewer's session is over.
    #[error("the viewer's session is over")]
    Gone,
}

/// One subscription as its server sees it. Dropping it ends the subscription abnormally.
pub trait ViewerSink: Send {
    /// A stream of one subgroup; dropped unfinished, it is reset.
    type Stream: StreamSink;

    /// The draft that the viewer speaks.
    fn version(&self) -> Version;

    /// Opens a subgroup stream with this header and transport priority. Asked with another header than before, an opening under
    /// way is given up.
    ///
    /// # Errors
    /// [`SinkError`].
    fn poll_open(
        &mut self,
        cx: &mut Context<'_>,
        fields: SubgroupFields,
        priority: i32,
    ) -> Poll<Result<Self::Stream, SinkError>>;

    /// The viewer's next wish; after `Cancelled`, `Cancelled` again.
    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<SubscriptionEvent>;

    /// Sends one object as a datagram, under this subscription's alias; what does not fit the path is dropped.
    ///
    /// # Errors
    /// [`SinkError::Gone`].
    fn send_datagram(&mut self, datagram: Datagram) -> Result<(), SinkError>;

    /// Answers the oldest unanswered update.
    fn accept_update(&mut self, parameters: Parameters);

    /// Refuses the oldest unanswered update and with it the subscription. All streams are closed.
    fn reject_update(self, code: RequestErrorCode, reason: &str) -> impl Future<Output = ()> + Send;

    /// Ends the subscription with PUBLISH_DONE. All streams are closed.
    fn done(self, status: PublishDoneCode, reason: &str) -> impl Future<Output = ()> + Send;
}

/// The sending half of one stream: see [`transport::SendStream`].
pub trait StreamSink: Send {
    /// Hands over as many chunks as flow control takes, without copying.
    ///
    /// # Errors
    /// [`SinkError`].
    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, SinkError>>;

    /// Ends the stream: everything was written.
    fn finish(&mut self);

    /// Gives the stream up.
    fn reset(&mut self, code: StreamErrorCode);

    /// Changes the transport priority (higher first).
    fn set_priority(&mut self, priority: i32);

    /// Ready when the viewer has acknowledged everything of a finished stream, or is gone.
    fn poll_acknowledged(&mut self, cx: &mut Context<'_>) -> Poll<()>;
}

/// The answer to one FETCH. Dropping it unfinished resets it.
pub trait FetchSink: Send {
    /// Queues an object's header; exactly `payload_len` bytes follow by [`FetchSink::write`].
    ///
    /// # Errors
    /// [`SinkError::Stopped`] when the header has no form for this viewer.
    fn object(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError>;

    /// Queues a record about everything from the last object up to `location`: it does not exist (`known`), or nobody knows.
    ///
    /// # Errors
    /// [`SinkError::Stopped`] when the record has no form for this viewer.
    fn end_of_range(&mut self, location: Location, known: bool) -> Result<(), SinkError>;

    /// Writes what was queued, then the chunks, waiting for flow control.
    ///
    /// # Errors
    /// [`SinkError`]: stopped, cancelled or gone.
    fn write(&mut self, chunks: &mut [Bytes]) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Waits until the viewer cancels the FETCH. Cancel safe.
    fn cancelled(&mut self) -> impl Future<Output = ()> + Send;

    /// Ends the answer: everything in the range was written.
    ///
    /// # Errors
    /// [`SinkError`].
    fn finish(self) -> impl Future<Output = Result<(), SinkError>> + Send;

    /// Gives the answer up.
    fn reset(self, code: StreamErrorCode);
}
