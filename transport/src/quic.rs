//! MOQT straight on QUIC: quinn's connection and streams behind the seam.

use std::fmt::{Debug, Formatter};
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use quinn::VarInt;
use tokio::sync::OwnedSemaphorePermit;

use crate::connection::{
    BidiStream, BoxFuture, CANCELLED, Connection, ConnectionError, ConnectionInfo, ConnectionStats, DatagramError,
    ReadError, RecvStream, SendStream, WriteError,
};
use crate::turn::{Turn, Turns};

/// A raw QUIC connection; holds its place in the endpoint's connection limit.
#[derive(Debug)]
pub(crate) struct QuicConnection {
    inner: quinn::Connection,
    info: ConnectionInfo,
    turns: Arc<Turns>,
    _permit: Option<OwnedSemaphorePermit>,
}

impl QuicConnection {
    pub(crate) fn new(inner: quinn::Connection, info: ConnectionInfo, permit: Option<OwnedSemaphorePermit>) -> Self {
        Self { inner, info, turns: Arc::default(), _permit: permit }
    }

    fn bidi_stream(
        &self,
        halves: Result<(quinn::SendStream, quinn::RecvStream), quinn::ConnectionError>,
    ) -> Result<BidiStream, ConnectionError> {
        let (send, recv) = halves.map_err(connection_error)?;
        Ok((Box::new(QuicSendStream::new(send).in_turn(&self.turns)), Box::new(QuicRecvStream::new(recv))))
    }
}

impl Connection for QuicConnection {
    fn open_uni(&self) -> BoxFuture<'_, Result<Box<dyn SendStream>, ConnectionError>> {
        Box::pin(async {
            let send = self.inner.open_uni().await.map_err(connection_error)?;
            Ok(Box::new(QuicSendStream::new(send).in_turn(&self.turns)) as Box<dyn SendStream>)
        })
    }

    fn open_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(async { self.bidi_stream(self.inner.open_bi().await) })
    }

    fn accept_uni(&self) -> BoxFuture<'_, Result<Box<dyn RecvStream>, ConnectionError>> {
        Box::pin(async {
            let recv = self.inner.accept_uni().await.map_err(connection_error)?;
            Ok(Box::new(QuicRecvStream::new(recv)) as Box<dyn RecvStream>)
        })
    }

    fn accept_bidi(&self) -> BoxFuture<'_, Result<BidiStream, ConnectionError>> {
        Box::pin(async { self.bidi_stream(self.inner.accept_bi().await) })
    }

    fn send_datagram(&self, payload: Bytes) -> Result<(), DatagramError> {
        self.inner.send_datagram(payload).map_err(datagram_error)
    }

    fn read_datagram(&self) -> BoxFuture<'_, Result<Bytes, ConnectionError>> {
        Box::pin(async { self.inner.read_datagram().await.map_err(connection_error) })
    }

    fn max_datagram_size(&self) -> Option<usize> {
        self.inner.max_datagram_size()
    }

    fn set_max_incoming_uni(&self, count: u32) {
        self.inner.set_max_concurrent_uni_streams(count.into());
    }

    fn close(&self, code: u64, reason: &str) {
        self.inner.close(varint(code), reason.as_bytes());
    }

    fn closed(&self) -> BoxFuture<'_, ConnectionError> {
        Box::pin(async { connection_error(self.inner.closed().await) })
    }

    fn info(&self) -> &ConnectionInfo {
        &self.info
    }

    fn stats(&self) -> ConnectionStats {
        connection_stats(&self.inner)
    }
}

/// A sending stream with the codes as they are on the wire.
pub(crate) struct QuicSendStream {
    inner: quinn::SendStream,
    stopped: Option<StoppedFuture>,
    ended: bool,
    /// Its place among the session's streams; HTTP has none.
    turn: Option<Turn>,
    /// Code of the reset when dropped early.
    drop_code: u64,
}

type StoppedFuture = Pin<Box<dyn Future<Output = Result<Option<VarInt>, quinn::StoppedError>> + Send>>;

impl QuicSendStream {
    pub(crate) fn new(inner: quinn::SendStream) -> Self {
        Self::with_drop_code(inner, CANCELLED)
    }

    pub(crate) fn with_drop_code(inner: quinn::SendStream, drop_code: u64) -> Self {
        Self { inner, stopped: None, ended: false, turn: None, drop_code }
    }

    /// The stream takes turns with these when there is no room for all.
    pub(crate) fn in_turn(mut self, turns: &Arc<Turns>) -> Self {
        self.turn = Some(Turn::new(turns));
        self
    }
}

impl Debug for QuicSendStream {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("QuicSendStream")
            .field("id", &self.inner.id())
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}

impl SendStream for QuicSendStream {
    fn id(&self) -> u64 {
        VarInt::from(self.inner.id()).into_inner()
    }

    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, WriteError>> {
        if self.ended {
            return Poll::Ready(Err(WriteError::Closed));
        }
        if chunks.iter().all(Bytes::is_empty) {
            return Poll::Ready(Ok(chunks.len()));
        }
        if self.turn.as_mut().is_some_and(Turn::gives_way) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        // The future keeps no state between polls, so a fresh one per poll neither loses bytes nor allocates.
        let outcome = pin!(self.inner.write_chunks(chunks)).poll(cx);
        if let Some(turn) = &mut self.turn {
            if outcome.is_pending() { turn.wait() } else { turn.leave() }
        }
        outcome.map_ok(|written| written.chunks).map_err(write_error)
    }

    fn finish(&mut self) -> Result<(), WriteError> {
        if std::mem::replace(&mut self.ended, true) {
            return Err(WriteError::Closed);
        }
        self.inner.finish().map_err(|_| WriteError::Closed)
    }

    fn reset(&mut self, code: u64) {
        self.ended = true;
        self.turn = None;
        // Fails only on a stream that has already ended, where there is nothing to give up.
        let _ = self.inner.reset(varint(code));
    }

    fn set_priority(&mut self, priority: i32) {
        if let Some(turn) = &mut self.turn {
            turn.set_priority(priority);
        }
        // Fails only on a stream that has already ended.
        let _ = self.inner.set_priority(priority);
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        let stopped = self.stopped.get_or_insert_with(|| Box::pin(self.inner.stopped()));
        let outcome = ready!(stopped.as_mut().poll(cx));
        self.stopped = None;
        Poll::Ready(outcome.ok().flatten().map(VarInt::into_inner))
    }
}

impl Drop for QuicSendStream {
    fn drop(&mut self) {
        if !self.ended {
            self.reset(self.drop_code);
        }
    }
}

/// A receiving stream with the codes as they are on the wire.
#[derive(Debug)]
pub(crate) struct QuicRecvStream {
    inner: quinn::RecvStream,
    /// What reading says from now on, once the stream has ended.
    ended: Option<Result<(), ReadError>>,
    /// Code of STOP_SENDING when dropped early.
    drop_code: u64,
}

impl QuicRecvStream {
    pub(crate) fn new(inner: quinn::RecvStream) -> Self {
        Self::with_drop_code(inner, CANCELLED)
    }

    pub(crate) fn with_drop_code(inner: quinn::RecvStream, drop_code: u64) -> Self {
        Self { inner, ended: None, drop_code }
    }

    pub(crate) fn set_drop_code(&mut self, drop_code: u64) {
        self.drop_code = drop_code;
    }
}

impl RecvStream for QuicRecvStream {
    fn id(&self) -> u64 {
        VarInt::from(self.inner.id()).into_inner()
    }

    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Option<Bytes>, ReadError>> {
        if let Some(ended) = &self.ended {
            return Poll::Ready(ended.clone().map(|()| None));
        }
        let outcome = ready!(pin!(self.inner.read_chunk(max, true)).poll(cx));
        Poll::Ready(match outcome {
            Ok(Some(chunk)) => Ok(Some(chunk.bytes)),
            Ok(None) => {
                self.ended = Some(Ok(()));
                Ok(None)
            }
            Err(error) => {
                let error = read_error(error);
                self.ended = Some(Err(error.clone()));
                Err(error)
            }
        })
    }

    fn stop(&mut self, code: u64) {
        if self.ended.is_none() {
            self.ended = Some(Err(ReadError::Closed));
            // Fails only on a stream that has already ended.
            let _ = self.inner.stop(varint(code));
        }
    }
}

impl Drop for QuicRecvStream {
    fn drop(&mut self) {
        self.stop(self.drop_code);
    }
}

/// A code as a QUIC integer; codes that do not fit become the largest one that does.
pub(crate) fn varint(code: u64) -> VarInt {
    VarInt::from_u64(code).unwrap_or(VarInt::MAX)
}

pub(crate) fn connection_stats(connection: &quinn::Connection) -> ConnectionStats {
    let stats = connection.stats();
    ConnectionStats {
        rtt: stats.path.rtt,
        lost_packets: stats.path.lost_packets,
        sent_packets: stats.path.sent_packets,
        sent_bytes: stats.udp_tx.bytes,
        received_bytes: stats.udp_rx.bytes,
        congestion_window: stats.path.cwnd,
    }
}

pub(crate) fn connection_error(error: quinn::ConnectionError) -> ConnectionError {
    match error {
        quinn::ConnectionError::ApplicationClosed(close) => ConnectionError::Closed {
            code: close.error_code.into_inner(),
            reason: String::from_utf8_lossy(&close.reason).into_owned(),
        },
        quinn::ConnectionError::LocallyClosed => ConnectionError::LocallyClosed,
        quinn::ConnectionError::TimedOut => ConnectionError::TimedOut,
        other => ConnectionError::Transport(other.to_string()),
    }
}

pub(crate) fn datagram_error(error: quinn::SendDatagramError) -> DatagramError {
    match error {
        quinn::SendDatagramError::UnsupportedByPeer | quinn::SendDatagramError::Disabled => DatagramError::Unsupported,
        quinn::SendDatagramError::TooLarge => DatagramError::TooLarge,
        quinn::SendDatagramError::ConnectionLost(error) => DatagramError::Connection(connection_error(error)),
    }
}

fn write_error(error: quinn::WriteError) -> WriteError {
    match error {
        quinn::WriteError::Stopped(code) => WriteError::Stopped(code.into_inner()),
        quinn::WriteError::ConnectionLost(error) => WriteError::Connection(connection_error(error)),
        quinn::WriteError::ClosedStream | quinn::WriteError::ZeroRttRejected => WriteError::Closed,
    }
}

fn read_error(error: quinn::ReadError) -> ReadError {
    match error {
        quinn::ReadError::Reset(code) => ReadError::Reset(code.into_inner()),
        quinn::ReadError::ConnectionLost(error) => ReadError::Connection(connection_error(error)),
        quinn::ReadError::ClosedStream | quinn::ReadError::IllegalOrderedRead | quinn::ReadError::ZeroRttRejected => {
            ReadError::Closed
        }
    }
}
