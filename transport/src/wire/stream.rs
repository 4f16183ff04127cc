//! Streams that show what passes to their tap.

use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::tap::Tap;
use crate::connection::{ReadError, RecvStream, SendStream, WriteError};

#[derive(Debug)]
pub(super) struct ObservedSendStream {
    inner: Box<dyn SendStream>,
    tap: Tap,
}

impl ObservedSendStream {
    pub(super) fn new(inner: Box<dyn SendStream>, tap: Tap) -> Self {
        Self { inner, tap }
    }
}

impl SendStream for ObservedSendStream {
    fn id(&self) -> u64 {
        self.inner.id()
    }

    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, WriteError>> {
        let before = chunks.to_vec();
        let outcome = ready!(self.inner.poll_write_chunks(cx, chunks));
        if outcome.is_ok() {
            // Written bytes are taken off the front of their chunk.
            for (mut whole, left) in before.into_iter().zip(chunks.iter()) {
                whole.truncate(whole.len() - left.len());
                self.tap.push(whole);
            }
        }
        Poll::Ready(outcome)
    }

    fn finish(&mut self) -> Result<(), WriteError> {
        self.inner.finish()
    }

    fn reset(&mut self, code: u64) {
        self.inner.reset(code);
    }

    fn set_priority(&mut self, priority: i32) {
        self.inner.set_priority(priority);
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        self.inner.poll_stopped(cx)
    }
}

#[derive(Debug)]
pub(super) struct ObservedRecvStream {
    inner: Box<dyn RecvStream>,
    tap: Tap,
}

impl ObservedRecvStream {
    pub(super) fn new(inner: Box<dyn RecvStream>, tap: Tap) -> Self {
        Self { inner, tap }
    }
}

impl RecvStream for ObservedRecvStream {
    fn id(&self) -> u64 {
        self.inner.id()
    }

    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Option<Bytes>, ReadError>> {
        let outcome = ready!(self.inner.poll_read_chunk(cx, max));
        if let Ok(Some(chunk)) = &outcome {
            self.tap.push(chunk.clone());
        }
        Poll::Ready(outcome)
    }

    fn stop(&mut self, code: u64) {
        self.inner.stop(code);
    }
}
