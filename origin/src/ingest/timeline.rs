//! Decode times that go on where the last run of the same source ended.

use std::collections::HashMap;

use media::{Frame, TrackInfo};

const PICOSECONDS: u128 = 1_000_000_000_000;

/// A time in a track's units as picoseconds, which compare across timescales. Rounds down; equal times
/// stay equal.
pub(crate) fn picoseconds(ticks: u64, timescale: u32) -> u128 {
    u128::from(ticks) * PICOSECONDS / u128::from(timescale.max(1))
}

/// Moves the frames of every run (a loop of a file, a restart of a command) behind those of the run
/// before it. All tracks move by the same time, so sound and picture stay together, and the time is
/// summed in picoseconds before it is rounded to a track's units, so they do not drift apart either.
#[derive(Debug, Default)]
pub(crate) struct Timeline {
    timescales: HashMap<u32, u32>,
    /// How far this run is moved. `None` until a run whose start is unknown shows its first frame.
    offset: Option<i128>,
    /// First decode time of this run before it is moved.
    start: Option<u128>,
    /// Largest end of any frame so far, after it was moved.
    end: u128,
}

impl Timeline {
    /// A timeline whose first run is not moved.
    pub(crate) fn new() -> Self {
        Self { offset: Some(0), ..Self::default() }
    }

    /// Learns the units of the tracks.
    pub(crate) fn tracks(&mut self, tracks: &[TrackInfo]) {
        self.timescales = tracks.iter().map(|track| (track.id, track.timescale)).collect();
    }

    /// Whether no frame was placed yet.
    pub(crate) fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Starts the same material again: it follows the last run without a seam.
    pub(crate) fn repeat(&mut self) {
        let start = self.start.unwrap_or(0);
        self.offset = Some(self.end.cast_signed() - start.cast_signed());
    }

    /// Starts other material, `gap` picoseconds behind the last run.
    pub(crate) fn restart(&mut self, gap: u128) {
        self.offset = None;
        if self.is_empty() {
            self.offset = Some(0);
        } else {
            self.end = self.end.saturating_add(gap);
        }
    }

    /// Moves a frame to its place; returns its decode time in picoseconds.
    pub(crate) fn place(&mut self, frame: &mut Frame) -> u128 {
        let timescale = self.timescales.get(&frame.track).copied().unwrap_or(1).max(1);
        let time = picoseconds(frame.decode_time, timescale);
        self.start = Some(self.start.map_or(time, |start| start.min(time)));
        let offset = *self.offset.get_or_insert_with(|| self.end.cast_signed() - time.cast_signed());
        let ticks = rounded(offset.saturating_mul(timescale.into()), PICOSECONDS.cast_signed());
        let moved = i128::from(frame.decode_time).saturating_add(ticks).max(0);
        frame.decode_time = u64::try_from(moved).unwrap_or(u64::MAX);
        let end = frame.decode_time.saturating_add(u64::from(frame.duration));
        self.end = self.end.max(picoseconds(end, timescale));
        picoseconds(frame.decode_time, timescale)
    }
}

/// `value / unit` to the nearest integer.
fn rounded(value: i128, unit: i128) -> i128 {
    value.saturating_add(unit / 2).div_euclid(unit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{audio, audio_frame, video, video_frame};

    #[test]
    fn loops_have_no_seam_and_tracks_do_not_drift() {
        // 29.97 fps: 1001/30000 s has no finite decimal form; 15 frames end after 23 audio frames.
        let (fps, rate) = (30_000, 48_000);
        let mut timeline = Timeline::new();
        timeline.tracks(&[video(1, fps), audio(2, rate)]);
        let mut expected_video = 0;
        for run in 0..10_000_u64 {
            if run > 0 {
                timeline.repeat();
            }
            for index in 0..15 {
                let mut frame = video_frame(1, index * 1001, 1001, index == 0);
                timeline.place(&mut frame);
                assert_eq!(frame.decode_time, expected_video, "run {run} frame {index}");
                expected_video += 1001;
            }
            let mut first = audio_frame(2, 0, 1024);
            timeline.place(&mut first);
            let ideal = run as f64 * 15.0 * 1001.0 / f64::from(fps) * f64::from(rate);
            assert!((first.decode_time as f64 - ideal).abs() <= 1.0, "run {run}: {}", first.decode_time);
        }
    }

    #[test]
    fn a_later_track_keeps_its_distance_across_loops() {
        let mut timeline = Timeline::new();
        timeline.tracks(&[video(1, 1000), audio(2, 1000)]);
        for run in 0..3 {
            if run > 0 {
                timeline.repeat();
            }
            let (mut late, mut early) = (video_frame(1, 600, 400, true), audio_frame(2, 500, 500));
            timeline.place(&mut late);
            timeline.place(&mut early);
            assert_eq!((late.decode_time, early.decode_time), (600 + run * 500, 500 + run * 500));
        }
    }

    #[test]
    fn a_restart_follows_the_last_run_whatever_its_own_times() {
        let mut timeline = Timeline::new();
        timeline.tracks(&[video(1, 1000)]);
        let mut frame = video_frame(1, 5000, 40, true);
        timeline.place(&mut frame);
        assert_eq!(frame.decode_time, 5000);
        timeline.restart(PICOSECONDS);
        let mut frame = video_frame(1, 0, 40, true);
        timeline.place(&mut frame);
        assert_eq!(frame.decode_time, 6040);
        let mut frame = video_frame(1, 40, 40, false);
        timeline.place(&mut frame);
        assert_eq!(frame.decode_time, 6080);
    }
}
