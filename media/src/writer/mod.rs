//! Several tracks into one fragmented MP4 file.

mod timeline;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use self::timeline::Timeline;
use crate::{
    codec::Codec,
    container::RawFrame,
    error::PackageError,
    frame::{Frame, TrackInfo},
    limit::{MAX_HELD_BYTES, MAX_HELD_FRAMES, REORDER_PICTURES},
    package::{InitTrack, Unpackager, init_segment, package_cmaf},
};

/// Merges tracks that came as separate CMAF tracks or raw chunks into one fragmented MP4 file.
///
/// Write [`init`](Self::init) first, then whatever the `write_*` calls return, in that order; the file is playable cut
/// after any of them. Track ids are the indices from 1, and times are moved so that the file starts at 0 and the tracks
/// keep their relation to each other. Until every track has shown its first frames (or a bound in [`crate::limit`] is
/// hit) frames are held, because only then the start is known; calls return empty bytes meanwhile.
///
/// Left out, and counted: pictures before the first keyframe of a track, frames before the start, frames not later
/// than the one before.
#[derive(Debug)]
pub struct Mp4Writer {
    init: Bytes,
    tracks: Vec<WriterTrack>,
    start: Option<Start>,
    held: VecDeque<(usize, Frame)>,
    held_bytes: usize,
    sequence: u32,
    left_out: u64,
}

#[derive(Debug)]
struct WriterTrack {
    unpackager: Unpackager,
    timeline: Timeline,
    /// Frames that have come.
    seen: usize,
    /// Frames to see before the start of the file is fixed.
    awaited: usize,
    /// Decode time of the last frame written, after the move.
    last: Option<u64>,
    /// How much decoding led presentation in the first frames: decode times are written that much earlier, because
    /// players do not agree on negative composition offsets (ffmpeg delays the whole track in a fragmented file).
    lead: u64,
}

/// The moment that becomes 0; before 0 itself when decode times had to be moved.
#[derive(Debug, Clone, Copy)]
struct Start {
    ticks: i128,
    timescale: u32,
}

impl Start {
    fn is_before(self, other: Self) -> bool {
        self.ticks * i128::from(other.timescale) < other.ticks * i128::from(self.timescale)
    }

    /// The moment in another timescale, rounded down.
    fn ticks_in(self, timescale: u32) -> i128 {
        (self.ticks * i128::from(timescale)).div_euclid(self.timescale.into())
    }
}

impl Mp4Writer {
    /// A file with these tracks, in this order.
    ///
    /// # Errors
    /// An initialisation segment is malformed.
    pub fn new(infos: &[TrackInfo]) -> Result<Self, PackageError> {
        let mut tracks = Vec::with_capacity(infos.len());
        for info in infos {
            let unpackager = Unpackager::new(&info.init)?;
            let info = unpackager.info();
            let awaited = match Codec::from_string(&info.codec, &info.description) {
                Some(Codec::H264 { .. } | Codec::H265 { .. }) => REORDER_PICTURES,
                _ => 1,
            };
            tracks.push(WriterTrack {
                timeline: Timeline::new(info),
                unpackager,
                seen: 0,
                awaited,
                last: None,
                lead: 0,
            });
        }
        let init_tracks: Vec<_> = (1..)
            .zip(&tracks)
            .map(|(id, track)| {
                let info = track.unpackager.info();
                InitTrack {
                    id,
                    kind: info.kind,
                    timescale: info.timescale,
                    language: info.language.as_deref(),
                    entry: track.unpackager.entry(),
                }
            })
            .collect();
        Ok(Self {
            init: init_segment(&init_tracks),
            tracks,
            start: None,
            held: VecDeque::new(),
            held_bytes: 0,
            sequence: 0,
            left_out: 0,
        })
    }

    /// `ftyp` and `moov` with all tracks: the first bytes of the file.
    #[must_use]
    pub fn init(&self) -> Bytes {
        self.init.clone()
    }

    /// Frames that are not in the file, see the type.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Adds a CMAF chunk of the track with that index. Returns what to append to the file, possibly nothing yet.
    ///
    /// # Errors
    /// No such track, or the chunk is malformed. The writer goes on with the next chunk.
    pub fn write_chunk(&mut self, track: usize, chunk: &Bytes) -> Result<Bytes, PackageError> {
        let frames = self.track(track)?.unpackager.unpack(chunk)?;
        self.write_all(track, frames)
    }

    /// Adds a frame in the timescale of the track's initialisation segment. Returns what to append to the file,
    /// possibly nothing yet.
    ///
    /// # Errors
    /// No such track, or the frame is too large.
    pub fn write_frame(&mut self, track: usize, frame: Frame) -> Result<Bytes, PackageError> {
        self.write_all(track, [frame])
    }

    /// Adds a chunk that has only a presentation time, in decode order, as LOC and hang's `legacy` carry it. Pictures
    /// are held up to the next keyframe, audio up to the next chunk: their decode times and durations follow from what
    /// comes after. Returns what to append to the file, possibly nothing yet.
    ///
    /// # Errors
    /// No such track, or the chunk is too large.
    pub fn write_raw(&mut self, track: usize, raw: RawFrame) -> Result<Bytes, PackageError> {
        let frames = self.track(track)?.timeline.push(raw);
        self.write_all(track, frames)
    }

    /// The last bytes of the file: everything still held.
    ///
    /// # Errors
    /// A held frame is too large.
    pub fn finish(&mut self) -> Result<Bytes, PackageError> {
        let mut out = BytesMut::new();
        for track in 0..self.tracks.len() {
            let frames = self.tracks[track].timeline.finish();
            out.extend_from_slice(&self.write_all(track, frames)?);
        }
        self.release(&mut out)?;
        Ok(out.freeze())
    }

    fn track(&mut self, index: usize) -> Result<&mut WriterTrack, PackageError> {
        self.tracks.get_mut(index).ok_or(PackageError::UnknownTrack(index))
    }

    fn write_all(&mut self, index: usize, frames: impl IntoIterator<Item = Frame>) -> Result<Bytes, PackageError> {
        let mut out = BytesMut::new();
        for frame in frames {
            let track = self.track(index)?;
            if track.seen == 0 && track.unpackager.info().kind.is_video() && !frame.keyframe {
                self.left_out += 1;
                continue;
            }
            track.seen += 1;
            if self.start.is_some() {
                self.emit(index, frame, &mut out)?;
                continue;
            }
            self.held_bytes += frame.payload.len();
            self.held.push_back((index, frame));
            let full = self.held.len() >= MAX_HELD_FRAMES || self.held_bytes >= MAX_HELD_BYTES;
            if full || self.tracks.iter().all(|track| track.seen >= track.awaited) {
                self.release(&mut out)?;
            }
        }
        Ok(out.freeze())
    }

    /// Fixes the start and writes what was held for it.
    fn release(&mut self, out: &mut BytesMut) -> Result<(), PackageError> {
        for (index, frame) in &self.held {
            let lead = u64::from(frame.composition_offset.min(0).unsigned_abs());
            self.tracks[*index].lead = self.tracks[*index].lead.max(lead);
        }
        let moments = self.held.iter().map(|(index, frame)| {
            let track = &self.tracks[*index];
            Start {
                ticks: i128::from(frame.decode_time) - i128::from(track.lead),
                timescale: track.unpackager.info().timescale,
            }
        });
        let earliest = moments.reduce(|best, next| if next.is_before(best) { next } else { best });
        self.start = self.start.or(earliest);
        self.held_bytes = 0;
        for (index, frame) in std::mem::take(&mut self.held) {
            self.emit(index, frame, out)?;
        }
        Ok(())
    }

    fn emit(&mut self, index: usize, mut frame: Frame, out: &mut BytesMut) -> Result<(), PackageError> {
        let Some(start) = self.start else {
            return Ok(());
        };
        let track = &mut self.tracks[index];
        let base = start.ticks_in(track.unpackager.info().timescale);
        let time = i128::from(frame.decode_time) - i128::from(track.lead) - base;
        let time = u64::try_from(time).ok().filter(|time| track.last.is_none_or(|last| *time > last));
        let Some(time) = time else {
            self.left_out += 1;
            return Ok(());
        };
        frame.track = index as u32 + 1;
        frame.decode_time = time;
        track.last = Some(time);
        let offset = i64::from(frame.composition_offset).saturating_add_unsigned(track.lead);
        frame.composition_offset = i32::try_from(offset).unwrap_or(i32::MAX);
        self.sequence = self.sequence.wrapping_add(1);
        let chunk = package_cmaf(&frame, self.sequence)?;
        out.extend_from_slice(&chunk);
        Ok(())
    }
}
