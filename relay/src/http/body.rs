//! Response bodies that are written as objects arrive and read as the client takes them.

use std::sync::Arc;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use fanout::{FetchRange, FetchSink, GroupAnswer, GroupLog, GroupSource, SinkError};
use futures_util::stream;
use moqt::{FetchEncoder, FetchObjectHeader, GroupOrder, Location, StreamErrorCode};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::limit;

/// Writes into a response's body.
pub(super) type BodySender = mpsc::Sender<Result<Bytes, std::io::Error>>;

/// A body and what writes it. A full queue makes the writer wait until the client has read; an error in place of an end tells
/// it that something is missing.
pub(super) fn body() -> (BodySender, Body) {
    let (sender, receiver) = mpsc::channel(limit::HTTP_CHUNKS);
    let chunks = stream::unfold(receiver, async |mut receiver| receiver.recv().await.map(|chunk| (chunk, receiver)));
    (sender, Body::from_stream(chunks))
}

/// The range that is one whole group.
pub(super) fn whole(id: u64, default_priority: u8) -> FetchRange {
    let group = Location { group: id, object: 0 };
    FetchRange { start: group, end: group, order: GroupOrder::Ascending, default_priority }
}

/// A source of a single group.
pub(super) struct One(pub(super) Arc<GroupLog>);

impl GroupSource for One {
    async fn group(&self, _id: u64, _last: u64) -> GroupAnswer {
        GroupAnswer::Found(self.0.clone())
    }
}

/// How objects become bytes.
#[derive(Debug)]
pub(super) enum Framing {
    /// Payloads one after the other.
    Payloads,
    /// A FETCH stream.
    Objects(FetchEncoder),
}

/// Writes the objects of groups into a body.
#[derive(Debug)]
pub(super) struct BodySink {
    pub(super) sender: BodySender,
    framing: Framing,
    /// Headers that go before the next payload.
    head: BytesMut,
    /// Bytes that the object being written still lacks.
    left: u64,
}

impl BodySink {
    pub(super) fn new(sender: BodySender, framing: Framing) -> Self {
        Self { sender, framing, head: BytesMut::new(), left: 0 }
    }

    /// Whether the body could end or go on with any other object here.
    pub(super) fn between_objects(&self) -> bool {
        self.left == 0
    }

    /// Writes bytes that are no object.
    pub(super) async fn raw(&mut self, bytes: Bytes) -> Result<(), SinkError> {
        match timeout(limit::HTTP_STALL, self.sender.send(Ok(bytes))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(SinkError::Gone),
        }
    }

    /// Tells the client that something is missing. One that has not read for long is cut off all the same.
    pub(super) fn fail(self, reason: &'static str) {
        let _ = self.sender.try_send(Err(std::io::Error::other(reason)));
    }
}

impl FetchSink for &mut BodySink {
    fn object(&mut self, header: &FetchObjectHeader) -> Result<(), SinkError> {
        self.left = header.payload_len;
        match &mut self.framing {
            Framing::Payloads => Ok(()),
            Framing::Objects(encoder) => encoder.object(header, &mut self.head).map_err(|_| SinkError::Stopped),
        }
    }

    fn end_of_range(&mut self, location: Location, known: bool) -> Result<(), SinkError> {
        match &mut self.framing {
            Framing::Payloads => Ok(()),
            Framing::Objects(encoder) => {
                encoder.end_of_range(location, known, &mut self.head).map_err(|_| SinkError::Stopped)
            }
        }
    }

    async fn write(&mut self, chunks: &mut [Bytes]) -> Result<(), SinkError> {
        if !self.head.is_empty() {
            let head = self.head.split().freeze();
            self.raw(head).await?;
        }
        for chunk in chunks {
            self.left = self.left.saturating_sub(chunk.len() as u64);
            self.raw(std::mem::take(chunk)).await?;
        }
        Ok(())
    }

    async fn cancelled(&mut self) {
        self.sender.closed().await;
    }

    async fn finish(self) -> Result<(), SinkError> {
        Ok(())
    }

    // Who made the sink says what becomes of the body.
    fn reset(self, _code: StreamErrorCode) {}
}
