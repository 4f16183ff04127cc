//! HTTP/3 frames out of a stream's bytes (RFC 9114 section 7), poll-based and bounded.

use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use wtransport_proto::bytes::{BytesReader, BytesWriter};
use wtransport_proto::varint::VarInt;

use super::error::Http3Error;
use crate::connection::RecvStream;
use crate::limit;
use crate::quic::QuicRecvStream;

pub(crate) const DATA: u64 = 0x00;
pub(crate) const HEADERS: u64 = 0x01;
pub(crate) const SETTINGS: u64 = 0x04;
/// Turns the rest of a bidirectional stream over to a WebTransport session.
pub(crate) const WEBTRANSPORT_STREAM: u64 = 0x41;

/// Types that HTTP/2 used and HTTP/3 forbids (RFC 9114 section 7.2.8).
const RESERVED: [u64; 4] = [0x02, 0x06, 0x08, 0x09];

/// One frame, or a part of a DATA frame.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Encoded field section.
    Headers(Bytes),
    /// Settings, still encoded.
    Settings(Bytes),
    /// Some bytes of a body; frame boundaries mean nothing.
    Data(Bytes),
    /// From here on the stream belongs to this session.
    WebTransport(u64),
}

/// Reads frames from one stream, skipping unknown ones unread.
#[derive(Debug)]
pub(crate) struct FrameReader {
    stream: QuicRecvStream,
    buffer: BytesMut,
    /// Bytes left of the DATA frame being read.
    data_left: u64,
    /// Bytes left of an unknown frame being skipped.
    skip_left: u64,
}

enum Parsed {
    Frame(Frame),
    NeedMore,
}

impl FrameReader {
    pub(crate) fn new(stream: QuicRecvStream) -> Self {
        Self { stream, buffer: BytesMut::new(), data_left: 0, skip_left: 0 }
    }

    /// The stream and the bytes already read from it, for when it stops being HTTP/3 frames.
    pub(crate) fn into_parts(self) -> (QuicRecvStream, Bytes) {
        (self.stream, self.buffer.freeze())
    }

    pub(crate) fn stream_mut(&mut self) -> &mut QuicRecvStream {
        &mut self.stream
    }

    /// The type a unidirectional stream begins with; `None` when it ends before that. Cancel safe.
    pub(crate) async fn stream_type(&mut self) -> Result<Option<u64>, Http3Error> {
        self.varint().await
    }

    /// Reads one integer from the front of the stream. Cancel safe.
    pub(crate) async fn varint(&mut self) -> Result<Option<u64>, Http3Error> {
        std::future::poll_fn(|cx| {
            loop {
                let mut view: &[u8] = &self.buffer;
                if let Some(value) = view.get_varint() {
                    let used = self.buffer.len() - view.len();
                    self.buffer.advance(used);
                    return Poll::Ready(Ok(Some(value.into_inner())));
                }
                if !ready!(self.poll_fill(cx))? {
                    return Poll::Ready(Ok(None));
                }
            }
        })
        .await
    }

    /// The next frame; `None` at the end of the stream. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<Frame>, Http3Error> {
        std::future::poll_fn(|cx| self.poll_next(cx)).await
    }

    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>, Http3Error>> {
        loop {
            if let Parsed::Frame(frame) = self.parse()? {
                return Poll::Ready(Ok(Some(frame)));
            }
            if !ready!(self.poll_fill(cx))? {
                let inside = !self.buffer.is_empty() || self.data_left > 0 || self.skip_left > 0;
                return Poll::Ready(if inside {
                    Err(Http3Error::Frame("stream ended inside a frame"))
                } else {
                    Ok(None)
                });
            }
        }
    }

    /// False at the end of the stream.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, Http3Error>> {
        let chunk = ready!(self.stream.poll_read_chunk(cx, limit::HTTP3_READ_CHUNK))?;
        Poll::Ready(Ok(chunk.is_some_and(|bytes| {
            self.buffer.extend_from_slice(&bytes);
            true
        })))
    }

    fn parse(&mut self) -> Result<Parsed, Http3Error> {
        loop {
            if self.skip_left > 0 {
                let skipped = available(&self.buffer, self.skip_left);
                self.buffer.advance(skipped);
                self.skip_left -= skipped as u64;
                if self.skip_left > 0 {
                    return Ok(Parsed::NeedMore);
                }
            }
            if self.data_left > 0 {
                let taken = available(&self.buffer, self.data_left);
                if taken == 0 {
                    return Ok(Parsed::NeedMore);
                }
                self.data_left -= taken as u64;
                return Ok(Parsed::Frame(Frame::Data(self.buffer.split_to(taken).freeze())));
            }
            let mut view: &[u8] = &self.buffer;
            let (Some(kind), Some(length)) = (view.get_varint(), view.get_varint()) else {
                return Ok(Parsed::NeedMore);
            };
            let (kind, length, head) = (kind.into_inner(), length.into_inner(), self.buffer.len() - view.len());
            match kind {
                DATA => self.data_left = length,
                HEADERS | SETTINGS => return self.parse_whole(kind, head, length),
                // Here the second integer is the session's id and no length.
                WEBTRANSPORT_STREAM => {
                    self.buffer.advance(head);
                    return Ok(Parsed::Frame(Frame::WebTransport(length)));
                }
                kind if RESERVED.contains(&kind) => {
                    return Err(Http3Error::UnexpectedFrame("frame type reserved by HTTP/3"));
                }
                _ => self.skip_left = length,
            }
            self.buffer.advance(head);
        }
    }

    fn parse_whole(&mut self, kind: u64, head: usize, length: u64) -> Result<Parsed, Http3Error> {
        let most = if kind == HEADERS { limit::MAX_FIELD_SECTION } else { limit::MAX_SETTINGS_FRAME };
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= most)
            .ok_or(Http3Error::FrameTooLarge { limit: most })?;
        if self.buffer.len() < head + length {
            return Ok(Parsed::NeedMore);
        }
        self.buffer.advance(head);
        let payload = self.buffer.split_to(length).freeze();
        Ok(Parsed::Frame(if kind == HEADERS { Frame::Headers(payload) } else { Frame::Settings(payload) }))
    }
}

fn available(buffer: &BytesMut, wanted: u64) -> usize {
    usize::try_from(wanted).map_or(buffer.len(), |wanted| wanted.min(buffer.len()))
}

/// A frame's head: its type and length.
pub(crate) fn frame_head(kind: u64, length: usize) -> Bytes {
    varints(&[kind, length as u64])
}

/// Integers one after the other, each at most 2^62 - 1; larger ones are cut to that.
pub(crate) fn varints(values: &[u64]) -> Bytes {
    let mut out = Vec::with_capacity(values.len() * VarInt::MAX_SIZE);
    for value in values {
        let value = VarInt::try_from_u64(*value).unwrap_or(VarInt::MAX);
        // A Vec grows: writing to it cannot fail.
        let _ = out.put_varint(value);
    }
    out.into()
}
