//! The sample tables of an ordinary MP4 file, walked one sample at a time.

use mp4_atom::{Co64, Ctts, Stco, Stsc, Stss, Stsz, StszSamples, Stts};

use super::{fragment::Sample, movie::MovieTrack};
use crate::{bmff::BoxKind, codec::Codec, error::DemuxError, limit::MAX_SAMPLE_BYTES};

/// Walks one track in decode order.
#[derive(Debug)]
pub(super) struct SampleTable {
    track: u32,
    codec: Codec,
    pub(super) timescale: u32,
    /// Where the `stbl` stands, for errors.
    offset: u64,
    sizes: StszSamples,
    durations: Runs<u32>,
    offsets: Option<Runs<i64>>,
    /// Numbers of sync samples from 1, ascending; `None` when every sample is one.
    sync: Option<Vec<u32>>,
    sync_next: usize,
    chunks: Chunks,
    /// Index of the next sample.
    index: u32,
    /// Decode time of the next sample, with the shift.
    time: u64,
}

/// Run-length coded values.
#[derive(Debug)]
struct Runs<T> {
    runs: Vec<(u32, T)>,
    run: usize,
    used: u32,
}

impl<T: Copy> Runs<T> {
    fn new(runs: impl Iterator<Item = (u32, T)>) -> Self {
        Self { runs: runs.collect(), run: 0, used: 0 }
    }

    fn next(&mut self) -> Option<T> {
        loop {
            let (count, value) = *self.runs.get(self.run)?;
            if self.used < count {
                self.used += 1;
                return Some(value);
            }
            self.run += 1;
            self.used = 0;
        }
    }
}

/// Where chunks stand and how many samples each holds.
#[derive(Debug)]
struct Chunks {
    offsets: ChunkOffsets,
    layout: Stsc,
    /// Index of the current `stsc` entry.
    entry: usize,
    /// Index of the current chunk, from 0.
    chunk: usize,
    /// Samples taken from it.
    taken: u32,
    /// Where its next sample starts.
    position: u64,
}

#[derive(Debug)]
enum ChunkOffsets {
    Short(Vec<u32>),
    Long(Vec<u64>),
}

impl ChunkOffsets {
    fn get(&self, index: usize) -> Option<u64> {
        match self {
            Self::Short(offsets) => offsets.get(index).map(|offset| u64::from(*offset)),
            Self::Long(offsets) => offsets.get(index).copied(),
        }
    }
}

impl Chunks {
    /// Where the next sample of that size starts.
    fn place(&mut self, size: u32) -> Option<u64> {
        loop {
            let current = self.layout.entries.get(self.entry)?;
            let ends = self.layout.entries.get(self.entry + 1).map(|next| next.first_chunk);
            if ends.is_some_and(|first| self.chunk as u64 + 1 >= u64::from(first)) {
                self.entry += 1;
                continue;
            }
            if self.taken < current.samples_per_chunk {
                if self.taken == 0 {
                    self.position = self.offsets.get(self.chunk)?;
                }
                let position = self.position;
                self.position = position.checked_add(size.into())?;
                self.taken += 1;
                return Some(position);
            }
            if current.samples_per_chunk == 0 {
                return None;
            }
            self.chunk += 1;
            self.taken = 0;
        }
    }
}

impl SampleTable {
    pub(super) fn new(track: &MovieTrack<'_>) -> Result<Self, DemuxError> {
        let table = &track.sample_table;
        let sizes: Stsz = table.decode_child(b"stsz")?;
        let durations: Stts = table.decode_child(b"stts")?;
        let offsets: Option<Ctts> = table.decode_optional(b"ctts")?;
        let sync: Option<Stss> = table.decode_optional(b"stss")?;
        let chunk_offsets = match table.decode_optional::<Stco>(b"stco")? {
            Some(stco) => ChunkOffsets::Short(stco.entries),
            None => ChunkOffsets::Long(table.decode_child::<Co64>(b"co64")?.entries),
        };
        Ok(Self {
            track: track.info.id,
            codec: track.codec,
            timescale: track.info.timescale,
            offset: table.offset,
            sizes: sizes.samples,
            durations: Runs::new(durations.entries.iter().map(|entry| (entry.sample_count, entry.sample_delta))),
            offsets: offsets
                .map(|ctts| Runs::new(ctts.entries.iter().map(|entry| (entry.sample_count, entry.sample_offset)))),
            sync: sync.map(|sync| sync.entries),
            sync_next: 0,
            chunks: Chunks {
                offsets: chunk_offsets,
                layout: table.decode_child(b"stsc")?,
                entry: 0,
                chunk: 0,
                taken: 0,
                position: 0,
            },
            index: 0,
            time: track.shift,
        })
    }

    /// Decode time of the next sample; `None` at the end of the track.
    pub(super) fn next_time(&self) -> Option<u64> {
        self.size().map(|_| self.time)
    }

    /// Decode time where the samples walked so far end, with the shift.
    pub(super) fn end_time(&self) -> u64 {
        self.time
    }

    fn size(&self) -> Option<u32> {
        match &self.sizes {
            StszSamples::Identical { count, size } => (self.index < *count).then_some(*size),
            StszSamples::Different { sizes } => sizes.get(self.index as usize).copied(),
        }
    }

    /// The next sample; `None` at the end of the track.
    pub(super) fn next(&mut self) -> Result<Option<Sample>, DemuxError> {
        let Some(size) = self.size() else {
            return Ok(None);
        };
        let number = u64::from(self.index) + 1;
        let missing = |kind: &[u8; 4], reason: &str| DemuxError::Invalid {
            kind: BoxKind(*kind),
            offset: self.offset,
            reason: format!("in this sample table: {reason} sample {number}"),
        };
        if size as usize > MAX_SAMPLE_BYTES {
            return Err(DemuxError::TooLarge {
                kind: BoxKind(*b"stsz"),
                offset: self.offset,
                size: size.into(),
                limit: MAX_SAMPLE_BYTES as u64,
            });
        }
        let duration = self.durations.next().ok_or_else(|| missing(b"stts", "no duration for"))?;
        let offset = self.chunks.place(size).ok_or_else(|| missing(b"stsc", "no chunk holds"))?;
        let next_time =
            self.time.checked_add(duration.into()).ok_or_else(|| missing(b"stts", "decode time beyond 2^64 at"))?;
        let sync = match &self.sync {
            None => true,
            Some(numbers) => {
                while numbers.get(self.sync_next).is_some_and(|sync| u64::from(*sync) < number) {
                    self.sync_next += 1;
                }
                numbers.get(self.sync_next).is_some_and(|sync| u64::from(*sync) == number)
            }
        };
        let sample = Sample {
            offset,
            size: size as usize,
            track: self.track,
            codec: self.codec,
            decode_time: self.time,
            composition_offset: self.offsets.as_mut().and_then(Runs::next).unwrap_or(0) as i32,
            duration,
            sync,
        };
        self.index += 1;
        self.time = next_time;
        Ok(Some(sample))
    }
}
