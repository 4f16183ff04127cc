//! One timeline out of several: when a publisher restarts and its times begin anew, the output goes on. Pure.

use std::time::Duration;

use crate::limit;

/// Moves the times of all tracks so that none ever goes back or leaps far ahead, and tracks stay in step with each other.
#[derive(Debug)]
pub(crate) struct Clock {
    /// The newest timeline of the publisher.
    timeline: Timeline,
    tracks: Vec<Option<TrackClock>>,
}

/// A stretch of publisher's time.
#[derive(Debug, Clone, Copy, Default)]
struct Timeline {
    /// Where a track was last seen on it, microseconds as published.
    near: i64,
    /// Added to published times.
    shift: i64,
}

#[derive(Debug, Clone, Copy)]
struct TrackClock {
    shift: i64,
    /// End of the last frame, after the shift.
    end: i64,
}

impl Clock {
    /// For so many tracks.
    pub(crate) fn new(tracks: usize) -> Self {
        Self { timeline: Timeline::default(), tracks: vec![None; tracks] }
    }

    /// What to add to the time of this track's next frame; times in microseconds.
    pub(crate) fn shift(&mut self, track: usize, time: i64, duration: i64) -> i64 {
        let Some(slot) = self.tracks.get_mut(track) else { return 0 };
        let shift = match slot {
            None if micros(limit::TIMELINE_NEAR) > time.saturating_sub(self.timeline.near).saturating_abs() => {
                self.timeline.shift
            }
            None => 0,
            Some(clock) if fits(time.saturating_add(clock.shift), clock.end) => clock.shift,
            Some(clock) => {
                let known = time.saturating_sub(self.timeline.near).saturating_abs() < micros(limit::TIMELINE_NEAR)
                    && fits(time.saturating_add(self.timeline.shift), clock.end);
                if known { self.timeline.shift } else { clock.end.saturating_sub(time) }
            }
        };
        let end = time.saturating_add(shift).saturating_add(duration);
        let end = slot.filter(|clock| clock.shift == shift).map_or(end, |clock| clock.end.max(end));
        let fresh = slot.is_none_or(|clock| clock.shift != shift);
        *slot = Some(TrackClock { shift, end });
        if fresh || shift == self.timeline.shift {
            self.timeline = Timeline { near: time, shift };
        }
        shift
    }
}

/// Whether a frame at `time` goes on from `end`.
fn fits(time: i64, end: i64) -> bool {
    (-micros(limit::TIMELINE_BACK)..micros(limit::TIMELINE_JUMP)).contains(&time.saturating_sub(end))
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: i64 = 40_000;
    const SECOND: i64 = 1_000_000;

    #[test]
    fn an_even_timeline_and_short_gaps_stay_as_published() {
        let mut clock = Clock::new(2);
        for index in 0..100 {
            assert_eq!(clock.shift(0, 5 * SECOND + index * FRAME, FRAME), 0);
            assert_eq!(clock.shift(1, 5 * SECOND + index * FRAME, FRAME), 0);
        }
        assert_eq!(clock.shift(0, 30 * SECOND, FRAME), 0);
        assert_eq!(clock.shift(1, 30 * SECOND, FRAME), 0);
    }

    #[test]
    fn a_restart_goes_on_where_the_output_ended_and_tracks_stay_in_step() {
        let mut clock = Clock::new(2);
        for index in 0..10 {
            clock.shift(0, 100 * SECOND + index * FRAME, FRAME);
            clock.shift(1, 100 * SECOND + index * FRAME, FRAME);
        }
        let shift = clock.shift(0, 0, FRAME);
        assert_eq!(shift, 100 * SECOND + 10 * FRAME);
        // The other track may still send from before, then joins the new timeline.
        assert_eq!(clock.shift(1, 100 * SECOND + 10 * FRAME, FRAME), 0);
        assert_eq!(clock.shift(0, FRAME, FRAME), shift);
        assert_eq!(clock.shift(1, 0, FRAME), shift);
        assert_eq!(clock.shift(1, FRAME, FRAME), shift);
    }

    #[test]
    fn a_leap_far_ahead_is_closed() {
        let mut clock = Clock::new(1);
        clock.shift(0, 0, FRAME);
        assert_eq!(clock.shift(0, 1000 * SECOND, FRAME), FRAME - 1000 * SECOND);
        assert_eq!(clock.shift(0, 1000 * SECOND + FRAME, FRAME), FRAME - 1000 * SECOND);
    }

    #[test]
    fn extreme_times_do_not_overflow() {
        let mut clock = Clock::new(1);
        for time in [i64::MAX, 0, i64::MIN, i64::MAX] {
            clock.shift(0, time, i64::MAX);
        }
        assert_eq!(clock.shift(7, 0, 0), 0);
    }
}
