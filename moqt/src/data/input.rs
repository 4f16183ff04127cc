//! Bytes of a data stream as they arrive: payload passes as slices, only a header that is split over
//! two reads is copied together.

use bytes::{Buf, Bytes, BytesMut};

use crate::codec::{DecodeError, ProtocolError};
use crate::limit::{CARRY_STEP_BYTES, OBJECT_HEADER_BYTES};

#[derive(Debug, Default)]
pub(crate) struct Input {
    /// The beginning of a header whose end has not arrived; at most [`OBJECT_HEADER_BYTES`].
    carry: BytesMut,
    chunk: Bytes,
}

impl Input {
    /// Adds what was read next. Costs a copy unless the last chunk was used up first.
    pub(crate) fn push(&mut self, data: Bytes) {
        if self.chunk.is_empty() {
            self.chunk = data;
        } else {
            let mut joined = BytesMut::from(std::mem::take(&mut self.chunk));
            joined.extend_from_slice(&data);
            self.chunk = joined.freeze();
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.carry.is_empty() && self.chunk.is_empty()
    }

    /// Bytes that wait for the rest of their header.
    pub(crate) fn carried(&self) -> &[u8] {
        &self.carry
    }

    /// Reads a header, and returns it with its bytes; `None` when more are needed.
    pub(crate) fn header<T>(
        &mut self,
        mut parse: impl FnMut(&mut Bytes) -> Result<T, DecodeError>,
    ) -> Result<Option<(T, Bytes)>, ProtocolError> {
        let mut step = if self.carry.is_empty() { self.chunk.len() } else { CARRY_STEP_BYTES };
        while !self.chunk.is_empty() {
            let carried = self.carry.len();
            let step_now = step.min(self.chunk.len());
            let joined = if carried == 0 {
                self.chunk.clone()
            } else {
                self.carry.extend_from_slice(&self.chunk[..step_now]);
                std::mem::take(&mut self.carry).freeze()
            };
            let mut rest = joined.clone();
            match parse(&mut rest) {
                Ok(header) => {
                    let length = joined.len() - rest.len();
                    self.chunk.advance(length - carried);
                    return Ok(Some((header, joined.slice(..length))));
                }
                Err(DecodeError::Invalid(error)) => return Err(error),
                Err(DecodeError::Incomplete) if joined.len() > OBJECT_HEADER_BYTES => {
                    return Err(ProtocolError::violation("an object header above our limit"));
                }
                Err(DecodeError::Incomplete) => {
                    drop(rest);
                    // The carry must not keep a whole read buffer alive for a few bytes of it.
                    self.carry = if carried == 0 { BytesMut::from(&joined[..]) } else { BytesMut::from(joined) };
                    self.chunk.advance(step_now);
                    step *= 2;
                }
            }
        }
        Ok(None)
    }

    /// The next at most `max` bytes of payload, if any have arrived.
    pub(crate) fn payload(&mut self, max: u64) -> Option<Bytes> {
        let length = usize::try_from(max).unwrap_or(usize::MAX).min(self.chunk.len());
        (length > 0).then(|| self.chunk.split_to(length))
    }
}
