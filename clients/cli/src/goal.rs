//! How much of a broadcast is wanted. Pure.

use std::time::Duration;

/// Counts what was taken until there is enough. Track 0 leads: its frames are counted, the others follow to the same time.
#[derive(Debug)]
pub(crate) struct Goal {
    frames: Option<u64>,
    /// Microseconds.
    duration: Option<i64>,
    taken: u64,
    /// Time of the leader's first frame.
    start: Option<i64>,
    /// Where everything ends, once known.
    end: Option<i64>,
    /// Tracks that have come to the end.
    done: Vec<bool>,
}

impl Goal {
    /// For so many tracks, at least one.
    pub(crate) fn new(frames: Option<u64>, duration: Option<Duration>, tracks: usize) -> Self {
        let duration = duration.map(|duration| i64::try_from(duration.as_micros()).unwrap_or(i64::MAX));
        Self { frames, duration, taken: 0, start: None, end: None, done: vec![false; tracks] }
    }

    /// Whether this frame is wanted; times in microseconds.
    pub(crate) fn admits(&mut self, track: usize, time: i64, duration: i64) -> bool {
        let leads = track == 0;
        if leads && self.end.is_none() {
            let start = *self.start.get_or_insert(time);
            self.end = self.duration.map(|length| start.saturating_add(length)).filter(|end| time >= *end);
        }
        if self.end.is_some_and(|end| time >= end) || (leads && self.is_reached()) {
            if let Some(done) = self.done.get_mut(track) {
                *done = true;
            }
            return false;
        }
        if leads {
            self.taken += 1;
            if self.frames == Some(self.taken) {
                self.end = Some(time.saturating_add(duration.max(1)));
                self.done[0] = true;
            }
        }
        true
    }

    /// Whether the leader has brought all that is wanted of it.
    pub(crate) fn is_reached(&self) -> bool {
        self.end.is_some()
    }

    /// Whether nothing more is wanted of any track.
    pub(crate) fn is_complete(&self) -> bool {
        self.is_reached() && self.done.iter().all(|done| *done)
    }

    /// This track brings nothing more.
    pub(crate) fn track_ended(&mut self, track: usize) {
        if let Some(done) = self.done.get_mut(track) {
            *done = true;
        }
    }

    /// What is missing, in words; `None` when nothing is, or nothing particular was asked for.
    pub(crate) fn shortfall(&self) -> Option<String> {
        match (self.frames, self.duration) {
            _ if self.is_reached() => None,
            (Some(frames), _) => Some(format!("{} of {frames} frames", self.taken)),
            (None, Some(duration)) => {
                Some(format!("{} frames, less than {:?}", self.taken, Duration::from_micros(duration.unsigned_abs())))
            }
            (None, None) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 40_000;

    #[test]
    fn frames_of_the_leader_are_counted_and_others_come_to_the_same_time() {
        let mut goal = Goal::new(Some(3), None, 2);
        assert!(goal.admits(1, 0, 10_000));
        for index in 0..3 {
            assert!(!goal.is_reached());
            assert!(goal.admits(0, index * FRAME, FRAME));
        }
        assert!(goal.is_reached() && !goal.is_complete());
        assert!(!goal.admits(0, 3 * FRAME, FRAME));
        assert!(goal.admits(1, 110_000, 10_000));
        assert!(!goal.admits(1, 120_000, 10_000));
        assert!(goal.is_complete());
        assert_eq!(goal.shortfall(), None);
    }

    #[test]
    fn a_duration_is_media_time_from_the_first_frame() {
        let mut goal = Goal::new(None, Some(Duration::from_millis(100)), 1);
        assert!(goal.admits(0, 5_000_000, FRAME) && goal.admits(0, 5_000_000 + 2 * FRAME, FRAME));
        assert!(goal.shortfall().unwrap().contains("100ms"));
        assert!(!goal.admits(0, 5_000_000 + 3 * FRAME, FRAME));
        assert!(goal.is_complete());
    }

    #[test]
    fn a_track_that_ends_is_not_waited_for() {
        let mut goal = Goal::new(Some(1), None, 2);
        assert!(goal.admits(0, 0, FRAME));
        goal.track_ended(1);
        assert!(goal.is_complete());
        assert_eq!(Goal::new(Some(2), None, 1).shortfall().unwrap(), "0 of 2 frames");
        assert_eq!(Goal::new(None, None, 1).shortfall(), None);
    }
}
