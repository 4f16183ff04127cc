//! MP4 in: a push parser for fragmented streams and an iterator over files.

mod file;
mod fragment;
mod movie;
mod rate;
mod sample_entry;
mod sample_table;

use std::collections::VecDeque;

use bytes::{Buf, BytesMut};

pub use file::{FileDemuxer, demux_file};
pub(crate) use fragment::FragmentTracks;
use fragment::{Sample, check_place};
use movie::Movie;
pub use movie::read_init;
pub(crate) use movie::with_init;
use sample_table::SampleTable;

use crate::{
    bmff::{BoxHeader, BoxKind, BoxRef},
    error::DemuxError,
    frame::{MediaEvent, TrackInfo},
    limit::{MAX_MDAT_BYTES, MAX_MOOF_BYTES, MAX_MOOV_BYTES, MAX_SKIPPED_BYTES},
};

/// Turns fragmented MP4, fed in pieces of any size, into tracks and frames.
///
/// Call [`push`](Self::push) with what was read, then [`next`](Self::next) until it yields `None`, and
/// [`finish`](Self::finish) when the input ends. A frame is yielded as soon as its bytes are in, before its fragment is
/// complete; its payload is a slice of the read buffer. The tracks come with the first `moof`, whose durations tell the frame
/// rate that a `moov` without samples does not. What is held is the piece pushed last plus at most one `moov`,
/// `moof` or frame, each bounded in [`crate::limit`].
///
/// Errors name the box, its byte offset and what is wrong. What was yielded before an error stays valid; after it the
/// demuxer yields nothing more.
#[derive(Debug)]
pub struct Demuxer {
    buffer: BytesMut,
    /// Where the first byte of `buffer` stands in the input.
    position: u64,
    state: State,
    moov: Option<FragmentTracks>,
    /// The tracks until the first fragment tells their frame rate.
    announced: Option<Vec<TrackInfo>>,
    /// The input has ended.
    ended: bool,
    /// Samples announced and not yet read, in the order of their bytes.
    samples: VecDeque<Sample>,
}

#[derive(Debug, Clone, Copy)]
enum State {
    /// Between boxes.
    Header,
    /// In a box that is read whole.
    Whole { header: BoxHeader, size: usize },
    /// In a box of no interest.
    Skipping { header: BoxHeader, end: u64 },
    /// In media data.
    Media { header: BoxHeader },
    /// After an error.
    Failed,
}

/// What one step of the parser came to.
enum Step {
    Continue,
    NeedMore,
    Event(MediaEvent),
}

impl Default for Demuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl Demuxer {
    /// A demuxer at the first byte of its input.
    #[must_use]
    pub fn new() -> Self {
        Self {
            buffer: BytesMut::new(),
            position: 0,
            state: State::Header,
            moov: None,
            announced: None,
            ended: false,
            samples: VecDeque::new(),
        }
    }

    /// A demuxer behind the `moov` of a file, at `position`.
    fn after_moov(movie: &Movie<'_>, position: u64) -> Self {
        Self { position, moov: Some(FragmentTracks::new(movie)), ..Self::new() }
    }

    /// Behind a `moov` without samples: the tracks come with the first fragment.
    fn announce(&mut self, tracks: Vec<TrackInfo>) {
        self.announced = Some(tracks);
    }

    /// Fragments without decode times continue where the sample tables ended.
    fn continue_after(&mut self, tables: &[SampleTable]) {
        let tracks = self.moov.iter_mut().flat_map(|moov| &mut moov.tracks);
        for (track, table) in tracks.zip(tables) {
            track.next_time = table.end_time().saturating_sub(track.shift);
        }
    }

    /// Takes the next bytes of the input. Drain [`next`](Self::next) before the next call.
    pub fn push(&mut self, bytes: &[u8]) {
        if !matches!(self.state, State::Failed) {
            self.buffer.extend_from_slice(bytes);
        }
    }

    /// The next track list or frame; `None` when more input is needed.
    ///
    /// # Errors
    /// The input is not fragmented MP4 this crate reads, or breaks a limit.
    #[expect(clippy::should_implement_trait, reason = "`None` asks for more input and does not end the sequence")]
    pub fn next(&mut self) -> Result<Option<MediaEvent>, DemuxError> {
        loop {
            match self.step() {
                Ok(Step::Continue) => {}
                Ok(Step::NeedMore) if self.ended => return Ok(self.announced.take().map(MediaEvent::Tracks)),
                Ok(Step::NeedMore) => return Ok(None),
                Ok(Step::Event(event)) => return Ok(Some(event)),
                Err(error) => {
                    self.state = State::Failed;
                    self.buffer = BytesMut::new();
                    self.samples = VecDeque::new();
                    self.announced = None;
                    return Err(error);
                }
            }
        }
    }

    /// Says that the input has ended. Drain [`next`](Self::next) first, and once more after it: the tracks of an input without
    /// any fragment come then.
    ///
    /// # Errors
    /// The input ended inside a box, before announced samples, or before any `moov`. Not after an error of `next`.
    pub fn finish(&mut self) -> Result<(), DemuxError> {
        self.ended = true;
        let end = self.position + self.buffer.len() as u64;
        let truncated = |kind, offset| Err(DemuxError::Truncated { kind, offset, end });
        match self.state {
            State::Failed => Ok(()),
            State::Whole { header, .. } | State::Skipping { header, .. } => truncated(header.kind, header.offset),
            State::Media { header } if header.size.is_some() || !self.samples.is_empty() => {
                truncated(header.kind, header.offset)
            }
            State::Header if !self.buffer.is_empty() => {
                let kind = self.buffer.get(4..8).and_then(|kind| kind.try_into().ok());
                truncated(kind.map_or(BoxKind::UNKNOWN, BoxKind), self.position)
            }
            State::Header if !self.samples.is_empty() => truncated(BoxKind(*b"mdat"), self.position),
            _ if self.moov.is_none() => truncated(BoxKind(*b"moov"), self.position),
            _ => Ok(()),
        }
    }

    fn step(&mut self) -> Result<Step, DemuxError> {
        match self.state {
            State::Header => self.read_header(),
            State::Whole { header, size } => self.read_whole(header, size),
            State::Skipping { end, .. } => {
                if self.skip_to(end) {
                    self.state = State::Header;
                    return Ok(Step::Continue);
                }
                Ok(Step::NeedMore)
            }
            State::Media { header } => self.read_media(header),
            State::Failed => Ok(Step::NeedMore),
        }
    }

    fn read_header(&mut self) -> Result<Step, DemuxError> {
        let Some(header) = BoxHeader::parse(&self.buffer, self.position)? else {
            return Ok(Step::NeedMore);
        };
        match &header.kind.0 {
            b"moov" => self.expect_whole(header, MAX_MOOV_BYTES),
            b"moof" if self.moov.is_none() => Err(header.invalid("comes before the moov")),
            b"moof" if !self.samples.is_empty() => Err(header.invalid("comes before the data of the fragment before")),
            b"moof" => self.expect_whole(header, MAX_MOOF_BYTES),
            b"mdat" if self.moov.is_none() => Err(header.unsupported("media data before the moov: not fragmented")),
            b"mdat" => {
                if header.size.is_some() {
                    header.bounded(MAX_MDAT_BYTES)?;
                }
                self.advance(header.header_size as usize);
                self.state = State::Media { header };
                Ok(Step::Continue)
            }
            _ => {
                let end = self.position + header.bounded(MAX_SKIPPED_BYTES)?;
                self.state = State::Skipping { header, end };
                Ok(Step::Continue)
            }
        }
    }

    fn expect_whole(&mut self, header: BoxHeader, limit: u64) -> Result<Step, DemuxError> {
        let size = header.bounded(limit)? as usize;
        self.state = State::Whole { header, size };
        Ok(Step::Continue)
    }

    fn read_whole(&mut self, header: BoxHeader, size: usize) -> Result<Step, DemuxError> {
        if self.buffer.len() < size {
            return Ok(Step::NeedMore);
        }
        let bytes = self.buffer.split_to(size);
        self.position += size as u64;
        self.state = State::Header;
        let whole = BoxRef::parse(&bytes, header.offset)?;
        if let Some(tracks) = &mut self.moov {
            if header.kind.0 == *b"moov" {
                return Err(header.unsupported("a second moov: the tracks of a stream stay the same"));
            }
            self.samples = tracks.samples(&whole)?.into();
            let Some(mut announced) = self.announced.take() else { return Ok(Step::Continue) };
            for info in &mut announced {
                rate::complete(info, &self.samples);
            }
            return Ok(Step::Event(MediaEvent::Tracks(announced)));
        }
        let movie = Movie::parse(&whole)?;
        for track in &movie.tracks {
            if !movie.fragmented || track.has_table_samples()? {
                return Err(header.unsupported("not a fragmented stream: read it as a file"));
            }
        }
        self.moov = Some(FragmentTracks::new(&movie));
        self.announce(movie.tracks.into_iter().map(|track| track.info).collect());
        Ok(Step::Continue)
    }

    fn read_media(&mut self, header: BoxHeader) -> Result<Step, DemuxError> {
        let end = header.size.map(|size| header.offset + size);
        let next = self.samples.front().filter(|sample| end.is_none_or(|end| sample.offset < end));
        let Some(sample) = next.copied() else {
            return Ok(match end {
                Some(end) if self.skip_to(end) => {
                    self.state = State::Header;
                    Step::Continue
                }
                Some(_) => Step::NeedMore,
                None => {
                    self.advance(self.buffer.len());
                    Step::NeedMore
                }
            });
        };
        check_place(&sample, self.position, &header)?;
        if !self.skip_to(sample.offset) || self.buffer.len() < sample.size {
            return Ok(Step::NeedMore);
        }
        let payload = self.buffer.split_to(sample.size).freeze();
        self.position += sample.size as u64;
        self.samples.pop_front();
        Ok(Step::Event(MediaEvent::Frame(sample.into_frame(payload))))
    }

    /// Drops bytes up to `end`; whether it is reached.
    fn skip_to(&mut self, end: u64) -> bool {
        let left = end - self.position;
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.buffer.len());
        self.advance(here);
        self.position == end
    }

    fn advance(&mut self, bytes: usize) {
        self.buffer.advance(bytes);
        self.position += bytes as u64;
    }
}
