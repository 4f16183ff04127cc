//! Pure: which frame of a track is due when, and how large it is.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::plan::{Rate, Size, VideoPlan};

use super::frame::HEADER_BYTES;

/// The frames of one track, without end.
#[derive(Debug)]
pub(crate) struct Schedule {
    fps: f64,
    group_frames: u32,
    /// Bytes of a group's first frame, and of the others on average.
    key_bytes: f64,
    other_bytes: f64,
    variation: f64,
    chance: StdRng,
    next: u64,
}

/// One frame to be published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    /// After the track's beginning.
    pub(crate) at: Duration,
    pub(crate) sequence: u64,
    pub(crate) group: u64,
    pub(crate) object: u32,
    pub(crate) bytes: usize,
}

impl Schedule {
    /// Of the track with this number.
    pub(crate) fn new(video: &VideoPlan, seed: u64, track: u32) -> Self {
        let group_frames = video.group_frames();
        let (key_bytes, other_bytes, variation) = match (video.bitrate, video.frame_bytes) {
            (Some(Rate(rate)), _) => {
                // A group's bytes, shared between one keyframe and the rest.
                let group = rate / 8.0 * f64::from(group_frames) / video.fps;
                let other = group / (f64::from(group_frames - 1) + video.keyframe_ratio);
                (other * video.keyframe_ratio, other, video.variation)
            }
            (None, Some(Size(bytes))) => (bytes as f64, bytes as f64, 0.0),
            (None, None) => (0.0, 0.0, 0.0),
        };
        let chance = StdRng::seed_from_u64(seed ^ u64::from(track).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        Self { fps: video.fps, group_frames, key_bytes, other_bytes, variation, chance, next: 0 }
    }
}

impl Iterator for Schedule {
    type Item = Due;

    fn next(&mut self) -> Option<Due> {
        let sequence = self.next;
        self.next += 1;
        let frames = u64::from(self.group_frames);
        let object = (sequence % frames) as u32;
        let mean = if object == 0 { self.key_bytes } else { self.other_bytes };
        let varied = match object {
            1.. if self.variation > 0.0 => mean * self.chance.random_range(1.0 - self.variation..1.0 + self.variation),
            _ => mean,
        };
        Some(Due {
            at: Duration::from_secs_f64(sequence as f64 / self.fps),
            sequence,
            group: sequence / frames,
            object,
            bytes: (varied.round() as usize).max(HEADER_BYTES),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Span;

    fn plan(bitrate: Option<f64>, frame_bytes: Option<u64>) -> VideoPlan {
        VideoPlan { bitrate: bitrate.map(Rate), frame_bytes: frame_bytes.map(Size), ..VideoPlan::default() }
    }

    #[test]
    fn bitrate_keyframes_and_groups_are_as_planned() {
        let frames: Vec<_> = Schedule::new(&plan(Some(3e6), None), 1, 0).take(30 * 60).collect();
        let bytes: usize = frames.iter().map(|due| due.bytes).sum();
        assert!((bytes as f64 * 8.0 / 60.0 - 3e6).abs() < 3e4, "{bytes}");
        let keys: Vec<_> = frames.iter().filter(|due| due.object == 0).collect();
        assert_eq!(keys.len(), 60);
        let others = (bytes - keys.len() * keys[0].bytes) as f64 / (frames.len() - keys.len()) as f64;
        assert!((keys[0].bytes as f64 / others - 8.0).abs() < 0.2, "{} {others}", keys[0].bytes);
        let last = frames.last().unwrap();
        assert_eq!((last.group, last.object, last.sequence), (59, 29, 1799));
        assert!((last.at.as_secs_f64() - 1799.0 / 30.0).abs() < 1e-6);
    }

    #[test]
    fn a_seed_and_a_track_decide_everything() {
        let sizes = |seed, track| -> Vec<_> {
            Schedule::new(&plan(Some(1e6), None), seed, track).take(100).map(|due| due.bytes).collect()
        };
        assert_eq!(sizes(1, 0), sizes(1, 0));
        assert_ne!(sizes(1, 0), sizes(2, 0));
        assert_ne!(sizes(1, 0), sizes(1, 1));
    }

    #[test]
    fn fixed_sizes_and_single_frame_groups() {
        let video = VideoPlan { group: Span(Duration::from_millis(1)), ..plan(None, Some(4000)) };
        let frames: Vec<_> = Schedule::new(&video, 1, 0).take(3).collect();
        assert!(frames.iter().all(|due| due.bytes == 4000 && due.object == 0), "{frames:?}");
        assert_eq!(frames[2].group, 2);
    }
}
