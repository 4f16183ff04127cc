//! `moov`: the tracks, their defaults for fragments, their place on the common timeline.

use bytes::Bytes;
use mp4_atom::{Elst, Hdlr, Mdhd, Mvhd, Stsz, StszSamples, Stts, Tkhd, Trex};

use super::{rate, sample_entry::SampleEntry};
use crate::{
    bmff::BoxRef,
    codec::Codec,
    error::DemuxError,
    frame::{TrackInfo, TrackKind},
    limit::MAX_TRACKS,
    package::{InitTrack, init_segment},
};

/// A parsed `moov`.
#[derive(Debug)]
pub(crate) struct Movie<'a> {
    pub(crate) tracks: Vec<MovieTrack<'a>>,
    /// Ids of tracks whose codec is not carried here: their samples are skipped.
    pub(crate) ignored: Vec<u32>,
    /// Whether fragments follow (`mvex` is there).
    pub(crate) fragmented: bool,
}

/// One playable track of a `moov`.
#[derive(Debug)]
pub(crate) struct MovieTrack<'a> {
    pub(crate) info: TrackInfo,
    pub(crate) codec: Codec,
    pub(crate) trex: Option<Trex>,
    /// Added to decode times, in the track's timescale: what the edit lists of all tracks come to when no frame is to
    /// be shown before zero.
    pub(crate) shift: u64,
    pub(crate) sample_table: BoxRef<'a>,
    /// The sample entry box as it stands in the input.
    pub(crate) entry: &'a [u8],
    start: Start,
}

/// Where the presentation of a track starts according to its edit list.
#[derive(Debug, Clone, Copy, Default)]
struct Start {
    /// Movie ticks of nothing before the track.
    empty: u64,
    /// Media ticks cut from the track's front.
    media_time: u64,
}

impl<'a> Movie<'a> {
    pub(crate) fn parse(moov: &BoxRef<'a>) -> Result<Self, DemuxError> {
        let header: Mvhd = moov.decode_child(b"mvhd")?;
        let mut tracks: Vec<MovieTrack<'a>> = Vec::new();
        let mut ignored = Vec::new();
        let mut skipped = Vec::new();
        for child in moov.children(0) {
            let child = child?;
            if child.kind.0 != *b"trak" {
                continue;
            }
            if tracks.len() + ignored.len() == MAX_TRACKS {
                return Err(child.unsupported(format!("more than {MAX_TRACKS} tracks")));
            }
            match MovieTrack::parse(&child)? {
                Ok(track) if tracks.iter().any(|other| other.info.id == track.info.id) => {
                    return Err(child.invalid(format!("second track with id {}", track.info.id)));
                }
                Ok(track) => tracks.push(track),
                Err((id, codec)) => {
                    ignored.push(id);
                    skipped.push(codec);
                }
            }
        }
        if tracks.is_empty() {
            return Err(moov.unsupported(format!("no track with a codec carried here, only [{}]", skipped.join(", "))));
        }
        let mvex = moov.find(b"mvex")?;
        for child in mvex.iter().flat_map(|mvex| mvex.children(0)) {
            let child = child?;
            if child.kind.0 == *b"trex" {
                let trex: Trex = child.decode()?;
                if let Some(track) = tracks.iter_mut().find(|track| track.info.id == trex.track_id) {
                    track.trex = Some(trex);
                }
            }
        }
        align(&mut tracks, header.timescale);
        Ok(Self { tracks, ignored, fragmented: mvex.is_some() })
    }
}

impl<'a> MovieTrack<'a> {
    /// `Ok(Err(..))` names a track that is not carried here.
    fn parse(trak: &BoxRef<'a>) -> Result<Result<Self, (u32, String)>, DemuxError> {
        let tkhd: Tkhd = trak.decode_child(b"tkhd")?;
        let mdia = trak.need(b"mdia")?;
        let mdhd: Mdhd = mdia.decode_child(b"mdhd")?;
        let hdlr: Hdlr = mdia.decode_child(b"hdlr")?;
        let handler: [u8; 4] = hdlr.handler.into();
        let refuse = |what: &[u8; 4]| Ok(Err((tkhd.track_id, what.escape_ascii().to_string())));
        if !matches!(&handler, b"vide" | b"soun") {
            return refuse(&handler);
        }
        let sample_table = mdia.need(b"minf")?.need(b"stbl")?;
        let stsd = sample_table.need(b"stsd")?;
        // Version, flags and entry count; only the first entry is used, as live streams have one.
        let entry_box = stsd.children(8).next().ok_or_else(|| stsd.invalid("no sample entry"))??;
        let Some(entry) = SampleEntry::parse(&entry_box)? else {
            return refuse(&entry_box.kind.0);
        };
        if mdhd.timescale == 0 {
            return Err(mdia.invalid("timescale is 0"));
        }
        let start = match trak.find(b"edts")? {
            Some(edts) => edts.decode_optional::<Elst>(b"elst")?.map_or_else(Start::default, |elst| Start::from(&elst)),
            None => Start::default(),
        };
        let mut kind = entry.kind;
        if let TrackKind::Video { framerate, .. } = &mut kind {
            *framerate = table_framerate(&sample_table, mdhd.timescale)?;
        }
        let language = Some(mdhd.language).filter(|language| language != "und");
        let init = init_segment(&[InitTrack {
            id: tkhd.track_id,
            kind,
            timescale: mdhd.timescale,
            language: language.as_deref(),
            entry: entry_box.raw,
        }]);
        Ok(Ok(Self {
            info: TrackInfo {
                id: tkhd.track_id,
                kind,
                codec: entry.string,
                timescale: mdhd.timescale,
                description: entry.description,
                init,
                bitrate: entry.bitrate,
                language,
            },
            codec: entry.codec,
            trex: None,
            shift: 0,
            sample_table,
            entry: entry_box.raw,
            start,
        }))
    }

    /// Whether the sample table lists samples (it is empty in a stream that is only fragments).
    pub(crate) fn has_table_samples(&self) -> Result<bool, DemuxError> {
        let sizes: Option<Stsz> = self.sample_table.decode_optional(b"stsz")?;
        Ok(sizes.is_some_and(|sizes| match sizes.samples {
            StszSamples::Identical { count, .. } => count > 0,
            StszSamples::Different { sizes } => !sizes.is_empty(),
        }))
    }
}

impl From<&Elst> for Start {
    /// The empty edits in front and the first edit with media; later edits are not followed.
    fn from(elst: &Elst) -> Self {
        let mut start = Self::default();
        for entry in &elst.entries {
            match entry.media_time {
                None => start.empty = start.empty.saturating_add(entry.segment_duration),
                Some(media_time) => {
                    start.media_time = media_time;
                    break;
                }
            }
        }
        start
    }
}

/// Turns edit lists into one shift per track, so that tracks keep their relation and no edit cuts below zero.
fn align(tracks: &mut [MovieTrack<'_>], movie_timescale: u32) {
    const NANOS: i128 = 1_000_000_000;
    let movie = i128::from(movie_timescale.max(1));
    let delay = |track: &MovieTrack<'_>| {
        i128::from(track.start.empty) * NANOS / movie
            - i128::from(track.start.media_time) * NANOS / i128::from(track.info.timescale)
    };
    let earliest = tracks.iter().map(delay).min().unwrap_or(0).min(0);
    for track in tracks {
        let shift = (delay(track) - earliest) * i128::from(track.info.timescale);
        track.shift = u64::try_from((shift + NANOS / 2) / NANOS).unwrap_or(0);
    }
}

fn table_framerate(sample_table: &BoxRef<'_>, timescale: u32) -> Result<Option<f64>, DemuxError> {
    let Some(stts) = sample_table.decode_optional::<Stts>(b"stts")? else {
        return Ok(None);
    };
    let (samples, ticks) = stts.entries.iter().fold((0u64, 0u64), |(samples, ticks), entry| {
        let count = u64::from(entry.sample_count);
        let entry_ticks = count * u64::from(entry.sample_delta);
        (samples.saturating_add(count), ticks.saturating_add(entry_ticks))
    });
    Ok(rate::of(samples, ticks, timescale))
}

/// The only track of an initialisation segment (`ftyp` + `moov`) with its parsed `moov` handed to `use_track`.
pub(crate) fn with_init<T>(
    init: &[u8],
    use_track: impl FnOnce(MovieTrack<'_>) -> Result<T, DemuxError>,
) -> Result<T, DemuxError> {
    let mut offset = 0;
    let mut rest = init;
    while !rest.is_empty() {
        let found = BoxRef::parse(rest, offset)?;
        if found.kind.0 == *b"moov" {
            let mut movie = Movie::parse(&found)?;
            return match (movie.tracks.pop(), movie.tracks.is_empty()) {
                (Some(track), true) => use_track(track),
                _ => Err(found.unsupported("an initialisation segment with several tracks")),
            };
        }
        rest = &rest[found.raw.len()..];
        offset += found.raw.len() as u64;
    }
    Err(DemuxError::Truncated { kind: crate::bmff::BoxKind(*b"moov"), offset, end: offset })
}

/// Reads a single-track CMAF initialisation segment. [`TrackInfo::init`] is the segment as given.
///
/// # Errors
/// No `moov`, a malformed one, several tracks, or a codec not carried here.
pub fn read_init(init: &[u8]) -> Result<TrackInfo, DemuxError> {
    with_init(init, |track| {
        let mut info = track.info;
        info.init = Bytes::copy_from_slice(init);
        Ok(info)
    })
}
