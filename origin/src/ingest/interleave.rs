//! One order for all tracks of a pipe.

use std::collections::{BTreeMap, VecDeque};

use media::{Frame, TrackInfo};

use super::picoseconds;
use crate::limit::{INTERLEAVE_BYTES, INTERLEAVE_FRAMES};

/// Puts the frames of all tracks in order of decode time, pictures first. A fragment carries a second of
/// pictures and then the sound of the same second: paced in that order the sound would always be late.
#[derive(Debug, Default)]
pub(crate) struct Interleaver {
    tracks: BTreeMap<u32, Queue>,
    held: usize,
    held_bytes: usize,
}

#[derive(Debug, Default)]
struct Queue {
    video: bool,
    timescale: u32,
    frames: VecDeque<Frame>,
}

impl Interleaver {
    /// Learns which tracks to wait for, before their first frame.
    pub(crate) fn tracks(&mut self, tracks: &[TrackInfo]) {
        for track in tracks {
            let queue = self.tracks.entry(track.id).or_default();
            (queue.video, queue.timescale) = (track.kind.is_video(), track.timescale);
        }
    }

    /// Takes a frame in file order.
    pub(crate) fn push(&mut self, frame: Frame) {
        self.held += 1;
        self.held_bytes += frame.payload.len();
        self.tracks.entry(frame.track).or_default().frames.push_back(frame);
    }

    /// The earliest frame, once every track has one to compare, or too much waits, or `ended` says that
    /// no more will come.
    pub(crate) fn pop(&mut self, ended: bool) -> Option<Frame> {
        let complete = self.tracks.values().all(|queue| !queue.frames.is_empty());
        let full = self.held >= INTERLEAVE_FRAMES || self.held_bytes >= INTERLEAVE_BYTES;
        if !(complete || ended || full) {
            return None;
        }
        let waiting = self.tracks.values_mut().filter(|queue| !queue.frames.is_empty());
        let frame = waiting.min_by_key(|queue| queue.next()).and_then(|queue| queue.frames.pop_front())?;
        self.held -= 1;
        self.held_bytes -= frame.payload.len();
        Some(frame)
    }
}

impl Queue {
    fn next(&self) -> Option<(u128, bool)> {
        let frame = self.frames.front()?;
        Some((picoseconds(frame.decode_time, self.timescale), !self.video))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{audio, audio_frame, video, video_frame};

    #[test]
    fn sound_and_picture_of_a_fragment_leave_together() {
        let mut interleaver = Interleaver::default();
        interleaver.tracks(&[video(1, 30), audio(2, 48_000)]);
        for index in 0..30 {
            interleaver.push(video_frame(1, index, 1, index == 0));
            assert!(interleaver.pop(false).is_none(), "no sound to compare with yet");
        }
        for index in 0..46 {
            interleaver.push(audio_frame(2, index * 1024, 1024));
        }
        let mut order = Vec::new();
        while let Some(frame) = interleaver.pop(true) {
            order.push(picoseconds(frame.decode_time, if frame.track == 1 { 30 } else { 48_000 }));
        }
        assert_eq!(order.len(), 76);
        assert!(order.is_sorted());
    }

    #[test]
    fn a_silent_track_holds_only_a_bounded_number_back() {
        let mut interleaver = Interleaver::default();
        interleaver.tracks(&[video(1, 30), audio(2, 48_000)]);
        let out = (0..2 * INTERLEAVE_FRAMES as u64)
            .filter(|index| {
                interleaver.push(video_frame(1, *index, 1, false));
                interleaver.pop(false).is_some()
            })
            .count();
        assert_eq!(out, INTERLEAVE_FRAMES + 1);
    }
}
