//! The few chunks between a cursor and its stream.

use bytes::Bytes;

use crate::limit::GATHER_CHUNKS;

/// Chunks gathered for one write; what the stream did not take stays for the next.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    chunks: [Bytes; GATHER_CHUNKS],
    start: usize,
    end: usize,
    bytes: u64,
}

impl Pending {
    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(crate) fn has_room(&self) -> bool {
        self.end < GATHER_CHUNKS
    }

    /// Adds a chunk; there must be room.
    pub(crate) fn push(&mut self, chunk: Bytes) {
        self.bytes += chunk.len() as u64;
        self.chunks[self.end] = chunk;
        self.end += 1;
    }

    /// Bytes added since the last time everything was taken.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes not taken yet.
    pub(crate) fn left(&self) -> u64 {
        self.chunks[self.start..self.end].iter().map(|chunk| chunk.len() as u64).sum()
    }

    /// The chunks not wholly taken yet.
    pub(crate) fn rest(&mut self) -> &mut [Bytes] {
        &mut self.chunks[self.start..self.end]
    }

    /// Marks `count` chunks as wholly taken, and lets go of them.
    pub(crate) fn advance(&mut self, count: usize) {
        let taken = self.start..(self.start + count).min(self.end);
        self.start = taken.end;
        self.chunks[taken].fill(Bytes::new());
        if self.is_empty() {
            (self.start, self.end, self.bytes) = (0, 0, 0);
        }
    }
}
