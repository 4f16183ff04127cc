//! Streams of a session: a prefix in front of the first bytes, and codes translated.

use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::Bytes;

use super::DriverTask;
use super::code;
use super::state::application_code;
use crate::connection::{CANCELLED, ReadError, RecvStream, SendStream, WriteError};
use crate::quic::{QuicRecvStream, QuicSendStream};

/// A sending stream that belongs to a session.
#[derive(Debug)]
pub(crate) struct SessionSendStream {
    inner: QuicSendStream,
    /// Stream type and session id, sent with the first bytes so that those already have their priority; empty once sent.
    prefix: Bytes,
    session: Arc<DriverTask>,
}

impl SessionSendStream {
    /// `prefix` is empty on the answering half of a peer's stream.
    pub(crate) fn new(inner: quinn::SendStream, prefix: Bytes, session: Arc<DriverTask>) -> Self {
        let inner = QuicSendStream::with_drop_code(inner, code::to_http(CANCELLED)).in_turn(&session.turns);
        Self { inner, prefix, session }
    }

    fn poll_write_first(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, WriteError>> {
        let mut all = Vec::with_capacity(chunks.len() + 1);
        all.push(std::mem::take(&mut self.prefix));
        all.extend(chunks.iter_mut().map(std::mem::take));
        let outcome = self.inner.poll_write_chunks(cx, &mut all);
        let mut left = all.into_iter();
        self.prefix = left.next().unwrap_or_default();
        for (chunk, rest) in chunks.iter_mut().zip(left) {
            *chunk = rest;
        }
        outcome.map_ok(|written| written.saturating_sub(1))
    }
}

impl SendStream for SessionSendStream {
    fn id(&self) -> u64 {
        self.inner.id()
    }

    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, WriteError>> {
        if let Some(reason) = self.session.state.over() {
            return Poll::Ready(Err(WriteError::Connection(reason)));
        }
        let outcome = if self.prefix.is_empty() {
            self.inner.poll_write_chunks(cx, chunks)
        } else {
            self.poll_write_first(cx, chunks)
        };
        outcome.map_err(|error| self.session.state.write_error(error))
    }

    fn finish(&mut self) -> Result<(), WriteError> {
        if !self.prefix.is_empty() {
            // An empty stream still has to say whose it is. Without room for three bytes there is nobody to tell: it is given up.
            let mut cx = Context::from_waker(Waker::noop());
            let written = self.poll_write_first(&mut cx, &mut []);
            if written.is_pending() || !self.prefix.is_empty() {
                self.reset(CANCELLED);
                return Ok(());
            }
        }
        self.inner.finish().map_err(|error| self.session.state.write_error(error))
    }

    fn reset(&mut self, code: u64) {
        self.inner.reset(code::to_http(code));
    }

    fn set_priority(&mut self, priority: i32) {
        self.inner.set_priority(priority);
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        self.inner.poll_stopped(cx).map(|code| code.map(application_code))
    }
}

/// A receiving stream that belongs to a session.
#[derive(Debug)]
pub(crate) struct SessionRecvStream {
    inner: QuicRecvStream,
    /// Bytes that came in one chunk with the prefix.
    pending: Bytes,
    session: Arc<DriverTask>,
}

impl SessionRecvStream {
    /// `inner` drops with [`recv_drop_code`]; `pending` are bytes already read from it.
    pub(crate) fn new(inner: QuicRecvStream, pending: Bytes, session: Arc<DriverTask>) -> Self {
        Self { inner, pending, session }
    }

    /// The answering half of a stream opened here.
    pub(crate) fn opened(inner: quinn::RecvStream, session: Arc<DriverTask>) -> Self {
        Self::new(QuicRecvStream::with_drop_code(inner, recv_drop_code()), Bytes::new(), session)
    }
}

/// STOP_SENDING code of a session's stream that was dropped early.
pub(crate) fn recv_drop_code() -> u64 {
    code::to_http(CANCELLED)
}

impl RecvStream for SessionRecvStream {
    fn id(&self) -> u64 {
        self.inner.id()
    }

    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Option<Bytes>, ReadError>> {
        if let Some(reason) = self.session.state.over() {
            return Poll::Ready(Err(ReadError::Connection(reason)));
        }
        if !self.pending.is_empty() {
            let taken = self.pending.len().min(max);
            return Poll::Ready(Ok(Some(self.pending.split_to(taken))));
        }
        let outcome = ready!(self.inner.poll_read_chunk(cx, max));
        Poll::Ready(outcome.map_err(|error| self.session.state.read_error(error)))
    }

    fn stop(&mut self, code: u64) {
        self.pending.clear();
        self.inner.stop(code::to_http(code));
    }
}
