//! Handles to the two ends of a pipe.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;

use super::EndHandle;
use super::network::{End, StreamId, other};
use crate::connection::{CANCELLED, ReadError, RecvStream, SendStream, WriteError};

#[derive(Debug)]
pub(super) struct LoopbackSendStream {
    shared: Arc<EndHandle>,
    stream: StreamId,
    sender: End,
}

impl LoopbackSendStream {
    pub(super) fn new(shared: Arc<EndHandle>, stream: StreamId, sender: End) -> Self {
        Self { shared, stream, sender }
    }
}

impl SendStream for LoopbackSendStream {
    fn id(&self) -> u64 {
        self.stream
    }

    fn poll_write_chunks(&mut self, cx: &mut Context<'_>, chunks: &mut [Bytes]) -> Poll<Result<usize, WriteError>> {
        self.shared.change(|network, _| {
            if let Some(reason) = &network.ends[self.sender].closed {
                return Poll::Ready(Err(WriteError::Connection(reason.clone())));
            }
            match network.pipe(self.stream, self.sender) {
                Some(pipe) => pipe.poll_write(cx, chunks),
                None => Poll::Ready(Err(WriteError::Closed)),
            }
        })
    }

    fn finish(&mut self) -> Result<(), WriteError> {
        self.shared.change(|network, now| {
            let finished = network.pipe(self.stream, self.sender).map_or(Err(WriteError::Closed), |pipe| pipe.finish());
            network.settle(self.stream, now);
            finished
        })
    }

    fn reset(&mut self, code: u64) {
        self.shared.change(|network, now| {
            if network.pipe(self.stream, self.sender).is_some_and(|pipe| pipe.reset()) {
                network.reset(self.stream, self.sender, code, now);
                network.settle(self.stream, now);
            }
        });
    }

    fn set_priority(&mut self, priority: i32) {
        if let Some(pipe) = self.shared.lock().pipe(self.stream, self.sender) {
            pipe.priority = priority;
        }
    }

    fn poll_stopped(&mut self, cx: &mut Context<'_>) -> Poll<Option<u64>> {
        let mut network = self.shared.lock();
        if network.ends[self.sender].closed.is_some() {
            return Poll::Ready(None);
        }
        network.pipe(self.stream, self.sender).map_or(Poll::Ready(None), |pipe| pipe.poll_stopped(cx))
    }
}

impl Drop for LoopbackSendStream {
    fn drop(&mut self) {
        self.shared.change(|network, now| {
            let Some(pipe) = network.pipe(self.stream, self.sender) else { return };
            pipe.sender_gone = true;
            // A stopped stream still owes the peer its reset, as in QUIC.
            if !pipe.is_finished() && pipe.reset() {
                network.reset(self.stream, self.sender, CANCELLED, now);
            }
            network.settle(self.stream, now);
        });
    }
}

#[derive(Debug)]
pub(super) struct LoopbackRecvStream {
    shared: Arc<EndHandle>,
    stream: StreamId,
    sender: End,
}

impl LoopbackRecvStream {
    pub(super) fn new(shared: Arc<EndHandle>, stream: StreamId, sender: End) -> Self {
        Self { shared, stream, sender }
    }
}

impl RecvStream for LoopbackRecvStream {
    fn id(&self) -> u64 {
        self.stream
    }

    fn poll_read_chunk(&mut self, cx: &mut Context<'_>, max: usize) -> Poll<Result<Option<Bytes>, ReadError>> {
        let receiver = other(self.sender);
        self.shared.change(|network, now| {
            let closed = network.ends[receiver].closed.clone();
            let Some(pipe) = network.pipe(self.stream, self.sender) else { return Poll::Ready(Err(ReadError::Closed)) };
            let polled = pipe.poll_read(cx, max);
            if polled.is_pending()
                && let Some(reason) = closed
            {
                return Poll::Ready(Err(ReadError::Connection(reason)));
            }
            let outcome = ready!(polled);
            match &outcome {
                Ok(Some(chunk)) => network.credit(self.stream, receiver, chunk.len(), now),
                Ok(None) => network.settle(self.stream, now),
                Err(_) => {}
            }
            Poll::Ready(outcome)
        })
    }

    fn stop(&mut self, code: u64) {
        self.shared.change(|network, now| {
            if network.pipe(self.stream, self.sender).is_some_and(|pipe| pipe.stop()) {
                network.stop(self.stream, other(self.sender), code, now);
                network.settle(self.stream, now);
            }
        });
    }
}

impl Drop for LoopbackRecvStream {
    fn drop(&mut self) {
        self.stop(CANCELLED);
        self.shared.change(|network, now| {
            if let Some(pipe) = network.pipe(self.stream, self.sender) {
                pipe.receiver_gone = true;
            }
            network.settle(self.stream, now);
        });
    }
}
