//! Tracks and frames for the unit tests.

use bytes::Bytes;
use media::{Frame, TrackInfo, TrackKind};

pub(crate) static SAMPLE: &[u8] = include_bytes!("../sample/sample.mp4");

pub(crate) fn video(id: u32, timescale: u32) -> TrackInfo {
    let kind = TrackKind::Video { width: 640, height: 360, framerate: Some(30.0) };
    track(id, timescale, kind, "avc1.64001f")
}

pub(crate) fn audio(id: u32, timescale: u32) -> TrackInfo {
    let kind = TrackKind::Audio { sample_rate: timescale, channels: 2 };
    track(id, timescale, kind, "mp4a.40.2")
}

fn track(id: u32, timescale: u32, kind: TrackKind, codec: &str) -> TrackInfo {
    TrackInfo {
        id,
        kind,
        codec: codec.to_owned(),
        timescale,
        description: Bytes::from_static(b"configuration"),
        init: Bytes::from_static(b"init segment"),
        bitrate: Some(1_000_000),
        language: None,
    }
}

pub(crate) fn video_frame(track: u32, decode_time: u64, duration: u32, keyframe: bool) -> Frame {
    let payload = Bytes::from(format!("picture of track {track} at {decode_time}"));
    Frame { track, decode_time, composition_offset: 0, duration, keyframe, payload }
}

pub(crate) fn audio_frame(track: u32, decode_time: u64, duration: u32) -> Frame {
    video_frame(track, decode_time, duration, true)
}
