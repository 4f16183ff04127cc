//! Decode times for chunks that only say when they are shown.

use crate::{
    container::RawFrame,
    frame::{Frame, TrackInfo},
    limit::{MAX_HELD_BYTES, MAX_HELD_FRAMES},
};

/// Gives raw chunks decode times and durations.
///
/// The chunks of a group come in decode order and are shown in some other; its presentation times in ascending order
/// serve as decode times, and the difference is the composition offset (negative for a picture shown before its turn
/// in decoding, which a version 1 `trun` allows).
#[derive(Debug)]
pub(super) struct Timeline {
    track: u32,
    video: bool,
    held: Vec<RawFrame>,
    held_bytes: usize,
    /// Decode time the next chunk has at least.
    next_time: u64,
    /// Duration of the last frame, for the one whose end nobody tells.
    duration: u32,
}

impl Timeline {
    pub(super) fn new(info: &TrackInfo) -> Self {
        let per_second = if info.kind.is_video() { 30 } else { 50 };
        Self {
            track: info.id,
            video: info.kind.is_video(),
            held: Vec::new(),
            held_bytes: 0,
            next_time: 0,
            duration: (info.timescale / per_second).max(1),
        }
    }

    /// Takes a chunk; returns the frames that are settled by it.
    pub(super) fn push(&mut self, raw: RawFrame) -> Vec<Frame> {
        let full = self.held.len() >= MAX_HELD_FRAMES || self.held_bytes + raw.payload.len() > MAX_HELD_BYTES;
        let settled = if raw.keyframe || !self.video || full { self.settle(Some(raw.timestamp)) } else { Vec::new() };
        self.held_bytes += raw.payload.len();
        self.held.push(raw);
        settled
    }

    /// The frames still held.
    pub(super) fn finish(&mut self) -> Vec<Frame> {
        self.settle(None)
    }

    /// Turns what is held into frames; the one after them is shown at `next`.
    fn settle(&mut self, next: Option<u64>) -> Vec<Frame> {
        let mut times: Vec<u64> = self.held.iter().map(|raw| raw.timestamp).collect();
        times.sort_unstable();
        let mut floor = self.next_time;
        for time in &mut times {
            *time = (*time).max(floor);
            floor = time.saturating_add(1);
        }
        self.next_time = floor;
        self.held_bytes = 0;
        let count = self.held.len();
        let mut frames = Vec::with_capacity(count);
        for (index, raw) in self.held.drain(..).enumerate() {
            let decode_time = times[index];
            let end = times.get(index + 1).copied().or(next);
            let duration = end
                .and_then(|end| u32::try_from(end.saturating_sub(decode_time)).ok())
                .filter(|duration| *duration > 0);
            self.duration = duration.unwrap_or(self.duration);
            let offset = i128::from(raw.timestamp) - i128::from(decode_time);
            frames.push(Frame {
                track: self.track,
                decode_time,
                composition_offset: offset.clamp(i32::MIN.into(), i32::MAX.into()) as i32,
                duration: self.duration,
                keyframe: raw.keyframe || !self.video,
                payload: raw.payload,
            });
        }
        frames
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::frame::TrackKind;
    use crate::package::TrackDescription;

    fn timeline() -> Timeline {
        let info = TrackDescription {
            id: 1,
            kind: TrackKind::Video { width: 64, height: 64, framerate: None },
            codec: "vp09.00.10.08",
            timescale: 1000,
            description: Bytes::new(),
            bitrate: None,
            language: None,
        };
        Timeline::new(&info.into_info().unwrap())
    }

    fn raw(timestamp: u64, keyframe: bool) -> RawFrame {
        RawFrame { timestamp, keyframe, payload: Bytes::from_static(b"x") }
    }

    #[test]
    fn reordered_pictures_get_ascending_decode_times_and_keep_their_presentation() {
        let mut timeline = timeline();
        for (timestamp, keyframe) in [(100, true), (220, false), (140, false), (180, false)] {
            assert!(timeline.push(raw(timestamp, keyframe)).is_empty());
        }
        let frames = timeline.push(raw(260, true));
        let decode: Vec<_> = frames.iter().map(|frame| frame.decode_time).collect();
        let shown: Vec<_> = frames.iter().map(Frame::pts).collect();
        assert_eq!(decode, [100, 140, 180, 220]);
        assert_eq!(shown, [100, 220, 140, 180]);
        assert!(frames.iter().all(|frame| frame.duration == 40));
        let last = timeline.finish();
        assert_eq!((last[0].decode_time, last[0].duration), (260, 40));
    }

    #[test]
    fn equal_and_backward_times_still_ascend() {
        let mut timeline = timeline();
        timeline.push(raw(50, true));
        timeline.push(raw(50, false));
        let first = timeline.push(raw(10, true));
        let second = timeline.finish();
        let decode: Vec<_> = first.iter().chain(&second).map(|frame| frame.decode_time).collect();
        assert_eq!(decode, [50, 51, 52]);
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut timeline = timeline();
        let mut settled = 0;
        for index in 0..3 * MAX_HELD_FRAMES as u64 {
            settled += timeline.push(raw(index * 40, index == 0)).len();
            assert!(timeline.held.len() <= MAX_HELD_FRAMES);
        }
        assert!(settled > 0);
    }
}
