//! The seam between MOQT and whatever carries it: object-safe traits for a connection and its streams.
//!
//! QUIC, WebTransport and the in-memory loopback implement them; the session above knows only these. Everything that waits is
//! either a `poll_*` method (streams, the hot path: no allocation) or a boxed future (connections, a few per stream).

use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;

/// A boxed future that may borrow from the connection it came from.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Stream error code of a stream that its owner dropped before its end: CANCELLED (draft-18 section 15.10.4).
pub const CANCELLED: u64 = 0x1;

/// One QUIC-like connection: streams, datagrams and a close code.
///
/// Used as `Arc<dyn Connection>`. Once the last handle and all its streams are dropped the connection ends with code 0 and undelivered data
/// is lost; call [`Connection::close`] for an orderly end.
/// Every returned future is cancel safe: a stream or datagram that was not returned stays queued for the next call.
pub trait Connection: Send + Sync + Debug + 'static {
    /// Opens a sending stream, waiting while the peer's stream limit is used up.
    ///
    /// # Errors
    /// Resolves to the reason once the connection has ended.
    fn open_uni(&self) -> BoxFuture<'_, Result<Box<dyn SendStream>, ConnectionError>>;

    /// Opens a stream with both halves, waiting while the peer's stream limit is used up.
    ///
    /// # Errors
    /// Resolves to the reason once the connection has ended.
    fn open_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>>;

    /// Waits for the peer's next sending stream. Several callers may wait at once; each stream goes to one of them.
    ///
    /// # Errors
    /// Resolves to the reason once the connection has ended.
    fn accept_uni(&self) -> BoxFuture<'_, Result<Box<dyn RecvStream>, ConnectionError>>;

    /// Waits for the peer's next stream with both halves.
    ///
    /// # Errors
    /// Resolves to the reason once the connection has ended.
    fn accept_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>>;

    /// Queues one unreliable datagram; when the queue is full the oldest queued one is dropped.
    ///
    /// # Errors
    /// Too large for the path, unsupported by the peer, or the connection has ended.
    fn send_datagram(&self, payload: Bytes) -> Result<(), DatagramError>;

    /// Waits for the peer's next datagram.
    ///
    /// # Errors
    /// Resolves to the reason once the connection has ended.
    fn read_datagram(&self) -> BoxFuture<'_, Result<Bytes, ConnectionError>>;

    /// Largest datagram payload in bytes that fits the path now; `None` when the peer takes no datagrams.
    fn max_datagram_size(&self) -> Option<usize>;

    /// Lets the peer hold this many sending streams open at once. Raised for publishers, which open one per subgroup.
    fn set_max_incoming_uni(&self, count: u32);

    /// Ends the connection with an application code and reason. Waiting futures fail at once, streams at their next use; idempotent.
    /// Does not wait: the peer is told in the background, even when the last handle is dropped right away.
    fn close(&self, code: u64, reason: &str);

    /// Waits until the connection has ended, and says why.
    fn closed(&self) -> BoxFuture<'_, ConnectionError>;

    /// What is known about the peer and the negotiation; fixed for the life of the connection.
    fn info(&self) -> &ConnectionInfo;

    /// Counters of the path as of now.
    fn stats(&self) -> ConnectionStats;
}

/// Both halves of a bidirectional stream.
pub type BidiStream = (Box<dyn SendStream>, Box<dyn RecvStream>);

/// The sending half of a stream. Dropped before [`SendStream::finish`], it resets the stream with [`CANCELLED`].
pub trait SendStream: Send + Debug {
    /// The stream's number on its QUIC connection.
    fn id(&self) -> u64;

    /// Hands over as many of `chunks` as flow control takes, without copying them.
    ///
    /// Ready with the number of whole chunks written, which may be 0 when only a part of the first one fitted: written bytes
    /// are taken off the front of the chunk they came from, wholly written chunks are left empty. Pending when nothing fits. An empty slice is ready
    /// with 0. Cancel safe: what was written shows in `chunks`.
    ///
    /// # Errors
    /// The peer asked to stop, the stream is finished or reset, or the connection has ended.
    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, WriteError>>;

    /// Marks the end of the stream; what was written is still delivered.
    ///
    /// # Errors
    /// The stream was already finished, reset or stopped.
    fn finish(&mut self) -> Result<(), WriteError>;

    /// Gives the stream up with an error code; undelivered bytes are dropped. Does nothing on an ended stream.
    fn reset(&mut self, code: u64);

    /// Sets the place among this connection's streams: higher numbers are sent first. See [`crate::stream_priority`].
    fn set_priority(&mut self, priority: i32);

    /// Waits for the peer's STOP_SENDING code, or for `None`: everything was acknowledged, or the stream or connection is gone.
    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>>;
}

/// The receiving half of a stream. Dropped before its end, it stops the sender with [`CANCELLED`].
pub trait RecvStream: Send + Debug {
    /// The stream's number on its QUIC connection.
    fn id(&self) -> u64;

    /// Takes the next bytes in order, at most `max` of them, without copying; `None` at the end of the stream.
    ///
    /// # Errors
    /// The peer reset the stream, it was stopped here, or the connection has ended.
    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Option<Bytes>, ReadError>>;

    /// Asks the peer to stop sending, with an error code; unread bytes are dropped. Does nothing on an ended stream.
    fn stop(&mut self, code: u64);
}

/// What the handshake established about a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionInfo {
    /// The peer's address when the connection was made.
    pub peer: SocketAddr,
    /// The MOQT draft agreed on by ALPN or WebTransport sub-protocol.
    pub version: moqt::Version,
    /// What carries the connection.
    pub kind: TransportKind,
    /// WebTransport request path and query, e.g. `/live?token=x`; empty on raw QUIC, where SETUP carries it.
    pub path: String,
    /// `host:port` of the WebTransport request, or as dialed; empty on the serving side of raw QUIC.
    pub authority: String,
    /// Which end of the connection this is.
    pub side: Side,
    /// Original Destination Connection ID as hexadecimal digits: the name under which both ends log a connection.
    pub id: String,
}

/// What carries a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransportKind {
    /// MOQT straight on QUIC, chosen by ALPN.
    Quic,
    /// A WebTransport session on HTTP/3.
    WebTransport,
    /// In memory.
    Loopback,
}

/// Which end of a connection this is; decides request id parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that dialed.
    Client,
    /// The end that accepted.
    Server,
}

/// Counters of one connection's path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ConnectionStats {
    /// Smoothed round-trip time.
    pub rtt: Duration,
    /// Packets declared lost.
    pub lost_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// UDP payload bytes sent.
    pub sent_bytes: u64,
    /// UDP payload bytes received.
    pub received_bytes: u64,
    /// Congestion window in bytes.
    pub congestion_window: u64,
}

/// Why a connection ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConnectionError {
    /// The peer closed it.
    #[error("peer closed the connection with code {code:#x}: {reason}")]
    Closed {
        /// The application's code.
        code: u64,
        /// The peer's words; may be empty.
        reason: String,
    },
    /// [`Connection::close`] was called here.
    #[error("connection was closed locally")]
    LocallyClosed,
    /// Nothing was heard from the peer for the idle timeout.
    #[error("peer went silent: connection timed out")]
    TimedOut,
    /// The transport below failed: a QUIC, TLS or HTTP/3 violation, or a reset.
    #[error("transport failed: {0}")]
    Transport(String),
}

/// Why a datagram was not sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DatagramError {
    /// Larger than the path carries; draft-18 drops such objects.
    #[error("datagram is larger than the path carries")]
    TooLarge,
    /// The peer takes no datagrams.
    #[error("peer does not take datagrams")]
    Unsupported,
    /// The connection has ended.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
}

/// Why writing to a stream failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// The peer sent STOP_SENDING with this code.
    #[error("peer stopped the stream with code {0:#x}")]
    Stopped(u64),
    /// The connection has ended.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The stream was finished or reset here before.
    #[error("stream is already finished or reset")]
    Closed,
}

/// Why reading from a stream failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// The peer reset the stream with this code.
    #[error("peer reset the stream with code {0:#x}")]
    Reset(u64),
    /// The connection has ended.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The stream was stopped here before, or has ended.
    #[error("stream is already stopped")]
    Closed,
}

/// Writes every byte of `chunks`, waiting for flow control. Cancel safe: what was written is gone from `chunks`.
///
/// # Errors
/// As [`SendStream::poll_write_chunks`].
pub async fn write_all_chunks(stream: &mut dyn SendStream, chunks: &mut [Bytes]) -> Result<(), WriteError> {
    let mut done = 0;
    while done < chunks.len() {
        done += poll_fn(|cx| stream.poll_write_chunks(cx, &mut chunks[done..])).await?;
    }
    Ok(())
}

/// Writes one chunk completely, waiting for flow control. Not cancel safe: a part may have been written.
///
/// # Errors
/// As [`SendStream::poll_write_chunks`].
pub async fn write_all(stream: &mut dyn SendStream, chunk: Bytes) -> Result<(), WriteError> {
    write_all_chunks(stream, &mut [chunk]).await
}

/// Reads the next bytes, at most `max`; `None` at the end of the stream. Cancel safe.
///
/// # Errors
/// As [`RecvStream::poll_read_chunk`].
pub async fn read_chunk(stream: &mut dyn RecvStream, max: usize) -> Result<Option<Bytes>, ReadError> {
    poll_fn(|cx| stream.poll_read_chunk(cx, max)).await
}

/// Waits for the peer to stop the stream (its code) or for the stream to end otherwise (`None`). Cancel safe.
pub async fn stopped(stream: &mut dyn SendStream) -> Option<u64> {
    poll_fn(|cx| stream.poll_stopped(cx)).await
}
