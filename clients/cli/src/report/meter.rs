//! What is measured while pulling. Pure: time is an argument.

use std::time::Duration;

use serde::Serialize;

use super::delay::{DelayMeter, DelayReport};
use crate::limit;
use crate::merge::MergeCounts;

/// Steps of the latency histogram per doubling: 9 % resolution.
const STEPS_PER_DOUBLING: f64 = 8.0;
/// Steps in all: up to about half an hour.
const STEPS: usize = 168;

/// Totals and the current interval of one pull.
#[derive(Debug)]
pub(crate) struct Meter {
    totals: Totals,
    /// Losses per track.
    losses: Vec<MergeCounts>,
    interval: Interval,
    latency: Latency,
    /// Of the first track's stamped objects.
    pub(crate) delay: DelayMeter,
    /// The group each track is in.
    groups: Vec<Option<u64>>,
}

#[derive(Debug, Default)]
struct Totals {
    tune_in: Option<Duration>,
    frames: u64,
    leader_frames: u64,
    bytes: u64,
    groups: u64,
    unreadable: u64,
    reconnects: u64,
}

#[derive(Debug, Default)]
struct Interval {
    begin: Duration,
    leader_frames: u64,
    bytes: u64,
    latency: Option<Duration>,
}

#[derive(Debug)]
struct Latency {
    /// Smallest arrival minus media time, in microseconds, on the current timeline.
    best: Option<i64>,
    absolute: bool,
    steps: Box<[u64; STEPS]>,
    most: Duration,
}

/// One frame that was taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Arrival {
    pub(crate) track: usize,
    pub(crate) group: u64,
    /// Microseconds on the output's timeline; `None` when the track has no times.
    pub(crate) time: Option<i64>,
    /// How long ago it was captured, when the publisher says.
    pub(crate) age: Option<Duration>,
    pub(crate) bytes: usize,
}

/// One interval, as it is shown and as a JSON line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Progress {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) seconds: f64,
    /// Frames of the first track per second in the interval.
    pub(crate) fps: f64,
    /// Payload bits per second in the interval.
    pub(crate) bitrate: u64,
    /// Worst in the interval.
    pub(crate) latency_ms: Option<u64>,
    /// Where the time of frames went in the last ten seconds, where the publisher tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<DelayReport>,
    #[serde(flatten)]
    pub(crate) totals: Sums,
}

/// The whole pull.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Summary {
    #[serde(rename = "type")]
    pub(crate) kind: &'static str,
    pub(crate) seconds: f64,
    /// Whether everything asked for was received.
    pub(crate) complete: bool,
    pub(crate) fps: f64,
    pub(crate) bitrate: u64,
    pub(crate) latency_p50_ms: Option<u64>,
    pub(crate) latency_p99_ms: Option<u64>,
    pub(crate) latency_max_ms: Option<u64>,
    /// `absolute`: since capture. `relative`: against the fastest frame so far, when the publisher does not say when it captured.
    pub(crate) latency_kind: &'static str,
    /// Where the time of frames went by the last way they took, where the publisher tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) delay: Option<DelayReport>,
    #[serde(flatten)]
    pub(crate) totals: Sums,
}

/// Counts since the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Sums {
    /// From asking for the first track to its first frame.
    pub(crate) tune_in_ms: Option<f64>,
    /// Frames of all tracks.
    pub(crate) frames: u64,
    /// Frames of the first track, which `--frames` counts.
    pub(crate) leader_frames: u64,
    pub(crate) bytes: u64,
    pub(crate) groups: u64,
    pub(crate) skipped_groups: u64,
    pub(crate) gaps: u64,
    /// Times the publisher began to number its groups anew.
    pub(crate) leaps: u64,
    pub(crate) unreadable_objects: u64,
    pub(crate) reconnects: u64,
}

impl Meter {
    /// For so many tracks; the first one's rate, latency and tune-in time are shown.
    pub(crate) fn new(tracks: usize) -> Self {
        Self {
            totals: Totals::default(),
            losses: vec![MergeCounts::default(); tracks],
            interval: Interval::default(),
            latency: Latency { best: None, absolute: false, steps: Box::new([0; STEPS]), most: Duration::ZERO },
            delay: DelayMeter::default(),
            groups: vec![None; tracks],
        }
    }

    /// A frame arrived at `now`.
    pub(crate) fn frame(&mut self, arrival: Arrival, now: Duration) {
        let Arrival { track, group, time, age, bytes } = arrival;
        self.totals.frames += 1;
        self.totals.bytes += bytes as u64;
        self.interval.bytes += bytes as u64;
        if let Some(current) = self.groups.get_mut(track).filter(|current| **current != Some(group)) {
            *current = Some(group);
            self.totals.groups += 1;
        }
        if track == 0 {
            self.totals.leader_frames += 1;
            self.interval.leader_frames += 1;
            if let Some(latency) = age.or_else(|| self.latency.behind_best(time?, now)) {
                self.latency.absolute = age.is_some();
                self.latency.record(latency);
                self.interval.latency = self.interval.latency.max(Some(latency));
            }
        }
    }

    /// The first frame of the first track came this long after it was asked for.
    pub(crate) fn tuned_in(&mut self, after: Duration) {
        self.totals.tune_in.get_or_insert(after);
    }

    /// Losses of a track so far.
    pub(crate) fn losses(&mut self, track: usize, counts: MergeCounts) {
        if let Some(losses) = self.losses.get_mut(track) {
            *losses = counts;
        }
    }

    /// An object could not be taken apart.
    pub(crate) fn unreadable(&mut self) {
        self.totals.unreadable += 1;
    }

    /// A new session took over.
    pub(crate) fn reconnected(&mut self) {
        self.totals.reconnects += 1;
    }

    /// A new session or new times of the publisher: latencies cannot be compared with those before.
    pub(crate) fn timeline_changed(&mut self) {
        self.latency.best = None;
    }

    fn sums(&self) -> Sums {
        Sums {
            tune_in_ms: self.totals.tune_in.map(|time| (time.as_secs_f64() * 10_000.0).round() / 10.0),
            frames: self.totals.frames,
            leader_frames: self.totals.leader_frames,
            bytes: self.totals.bytes,
            groups: self.totals.groups,
            skipped_groups: self.losses.iter().map(|counts| counts.skipped_groups).sum(),
            gaps: self.losses.iter().map(|counts| counts.gaps).sum(),
            leaps: self.losses.iter().map(|counts| counts.leaps).sum(),
            unreadable_objects: self.totals.unreadable,
            reconnects: self.totals.reconnects,
        }
    }

    /// The interval up to `now`; the next one begins.
    pub(crate) fn progress(&mut self, now: Duration) -> Progress {
        let interval = std::mem::replace(&mut self.interval, Interval { begin: now, ..Interval::default() });
        let seconds = (now.saturating_sub(interval.begin)).as_secs_f64().max(0.001);
        Progress {
            kind: "progress",
            seconds: round(now.as_secs_f64()),
            fps: round(interval.leader_frames as f64 / seconds),
            bitrate: (interval.bytes as f64 * 8.0 / seconds) as u64,
            latency_ms: interval.latency.map(millis),
            delay: self.delay.since(now.saturating_sub(limit::DELAY_WINDOW)),
            totals: self.sums(),
        }
    }

    /// Everything up to `now`.
    pub(crate) fn summary(&self, now: Duration, complete: bool) -> Summary {
        let seconds = now.as_secs_f64().max(0.001);
        Summary {
            kind: "summary",
            seconds: round(now.as_secs_f64()),
            complete,
            fps: round(self.totals.leader_frames as f64 / seconds),
            bitrate: (self.totals.bytes as f64 * 8.0 / seconds) as u64,
            latency_p50_ms: self.latency.percentile(0.5),
            latency_p99_ms: self.latency.percentile(0.99),
            latency_max_ms: self.latency.percentile(1.0),
            latency_kind: if self.latency.absolute { "absolute" } else { "relative" },
            delay: self.delay.since(Duration::ZERO),
            totals: self.sums(),
        }
    }
}

impl Latency {
    /// How much later than the fastest frame so far this one is, given when it is to be shown.
    fn behind_best(&mut self, time: i64, now: Duration) -> Option<Duration> {
        let transit = i64::try_from(now.as_micros()).ok()?.saturating_sub(time);
        let best = self.best.map_or(transit, |best| best.min(transit));
        self.best = Some(best);
        u64::try_from(transit.saturating_sub(best)).ok().map(Duration::from_micros)
    }

    fn record(&mut self, latency: Duration) {
        let step = ((latency.as_secs_f64() * 1000.0 + 1.0).log2() * STEPS_PER_DOUBLING) as usize;
        self.steps[step.min(STEPS - 1)] += 1;
        self.most = self.most.max(latency);
    }

    /// Milliseconds that this share of frames does not exceed, to 9 %.
    fn percentile(&self, share: f64) -> Option<u64> {
        let all: u64 = self.steps.iter().sum();
        let rank = ((all as f64 * share).ceil() as u64).max(1);
        let mut seen = 0;
        let step = self.steps.iter().position(|count| {
            seen += count;
            seen >= rank
        })?;
        let upper = ((step + 1) as f64 / STEPS_PER_DOUBLING).exp2() - 1.0;
        Some((upper as u64).min(millis(self.most)))
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrival(track: usize, group: u64, time: i64) -> Arrival {
        Arrival { track, group, time: Some(time), age: None, bytes: 1000 }
    }

    #[test]
    fn rates_are_of_the_interval_and_totals_of_everything() {
        let mut meter = Meter::new(2);
        meter.tuned_in(Duration::from_micros(83_250));
        for index in 0..50 {
            let now = Duration::from_millis(index * 40);
            meter.frame(arrival(0, index / 25, index as i64 * 40_000), now);
            meter.frame(arrival(1, index / 25, index as i64 * 40_000), now);
        }
        meter.losses(0, MergeCounts { skipped_groups: 2, gaps: 1, leaps: 0 });
        meter.losses(1, MergeCounts { skipped_groups: 1, gaps: 0, leaps: 1 });
        let progress = meter.progress(Duration::from_secs(2));
        assert_eq!((progress.fps, progress.bitrate, progress.latency_ms), (25.0, 400_000, Some(0)));
        let sums = progress.totals;
        assert_eq!((sums.frames, sums.leader_frames, sums.groups, sums.bytes), (100, 50, 4, 100_000));
        assert_eq!((sums.skipped_groups, sums.gaps, sums.tune_in_ms), (3, 1, Some(83.3)));
        assert_eq!(meter.progress(Duration::from_secs(3)).fps, 0.0);
        assert_eq!(meter.summary(Duration::from_secs(4), true).fps, 12.5);
    }

    #[test]
    fn relative_latency_is_measured_against_the_fastest_frame() {
        let mut meter = Meter::new(1);
        // A burst of the past on joining, then live frames of which one is 100 ms late.
        meter.frame(arrival(0, 1, 0), Duration::from_millis(10));
        meter.frame(arrival(0, 1, 1_000_000), Duration::from_millis(10));
        meter.frame(arrival(0, 1, 1_040_000), Duration::from_millis(150));
        assert_eq!(meter.progress(Duration::from_millis(200)).latency_ms, Some(100));
        let summary = meter.summary(Duration::from_millis(200), true);
        assert_eq!(
            (summary.latency_p50_ms, summary.latency_max_ms, summary.latency_kind),
            (Some(0), Some(100), "relative")
        );
        meter.timeline_changed();
        meter.frame(arrival(0, 2, 0), Duration::from_secs(9));
        assert_eq!(meter.progress(Duration::from_secs(9)).latency_ms, Some(0));
    }

    #[test]
    fn absolute_latency_is_taken_as_told_and_percentiles_are_near() {
        let mut meter = Meter::new(1);
        for index in 1..=100 {
            let age = Some(Duration::from_millis(index));
            meter.frame(Arrival { age, ..arrival(0, 1, 0) }, Duration::ZERO);
        }
        let summary = meter.summary(Duration::from_secs(1), false);
        assert_eq!((summary.latency_kind, summary.latency_max_ms), ("absolute", Some(100)));
        let p50 = summary.latency_p50_ms.unwrap();
        assert!((46..=55).contains(&p50), "{p50}");
        let json = serde_json::to_value(&summary).unwrap();
        assert_eq!(
            (&json["type"], &json["frames"], &json["complete"]),
            (&"summary".into(), &100.into(), &false.into())
        );
    }
}
