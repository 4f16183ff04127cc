//! Tracks and frames, the two things every container here is turned into.

use bytes::Bytes;

/// What a track carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrackKind {
    /// Pictures.
    Video {
        /// Coded width in pixels.
        width: u32,
        /// Coded height in pixels.
        height: u32,
        /// Pictures per second by the container's durations: of the whole file, or of the first fragment.
        framerate: Option<f64>,
    },
    /// Sound.
    Audio {
        /// Samples per second.
        sample_rate: u32,
        /// Number of channels.
        channels: u32,
    },
}

impl TrackKind {
    /// Whether this is a video track.
    #[must_use]
    pub fn is_video(&self) -> bool {
        matches!(self, Self::Video { .. })
    }
}

/// One track of a media source, with everything a player needs before the first frame.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackInfo {
    /// The container's track id: [`Frame::track`] refers to it.
    pub id: u32,
    /// Video or audio, with its dimensions.
    pub kind: TrackKind,
    /// WebCodecs codec string, e.g. `avc1.64001f`, `hvc1.1.6.L93.B0`, `av01.0.04M.08`, `vp09.00.10.08`, `mp4a.40.2`, `opus`.
    pub codec: String,
    /// Ticks per second of [`Frame::decode_time`], never 0.
    pub timescale: u32,
    /// Decoder configuration as WebCodecs wants it: payload of avcC, hvcC, av1C or vpcC, AudioSpecificConfig, OpusHead.
    pub description: Bytes,
    /// CMAF initialisation segment (`ftyp` + `moov`) with only this track, under the same track id.
    pub init: Bytes,
    /// Bits per second, when the container says (`btrt` or `esds`); never an estimate, which would differ from run to run.
    pub bitrate: Option<u64>,
    /// ISO 639-2 language code, when the container says.
    pub language: Option<String>,
}

/// One encoded picture or audio access unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// [`TrackInfo::id`].
    pub track: u32,
    /// Decode time in the track's timescale, continuous over fragments.
    pub decode_time: u64,
    /// Presentation time minus decode time, in the track's timescale.
    pub composition_offset: i32,
    /// Duration in the track's timescale.
    pub duration: u32,
    /// Whether decoding can start here; always true for audio.
    pub keyframe: bool,
    /// The coded bytes; H.264 and H.265 with length prefixes, as in MP4.
    pub payload: Bytes,
}

impl Frame {
    /// Presentation time in the track's timescale; negative only for a frame shown before the start of decoding.
    #[must_use]
    pub fn pts(&self) -> i64 {
        i64::try_from(self.decode_time).unwrap_or(i64::MAX).saturating_add(i64::from(self.composition_offset))
    }
}

/// What a demuxer yields.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaEvent {
    /// The tracks: once, before any frame.
    Tracks(Vec<TrackInfo>),
    /// The next frame; frames of one track come in decode order.
    Frame(Frame),
}
