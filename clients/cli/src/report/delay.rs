//! Where the time of a frame goes, from the stamps that objects carry. Pure: time is an argument.

use std::collections::VecDeque;
use std::time::Duration;

use moqt::{ClockOffset, HopDelay};
use serde::Serialize;

use crate::limit;

/// Collects the delays of one track's live objects, stage by stage.
#[derive(Debug, Default)]
pub(crate) struct DelayMeter {
    clock: ClockOffset,
    looked: Option<Duration>,
    /// Most relays seen in a stamp of this session: one with fewer did not come by the live way.
    relays: usize,
    capture_known: bool,
    /// Oldest first, all of the same stages.
    samples: VecDeque<Sample>,
}

/// One object: µs and half widths in µs, stage by stage.
#[derive(Debug)]
struct Sample {
    at: Duration,
    stages: Vec<(i64, u64)>,
}

/// A live object that came with a stamp.
#[derive(Debug, Clone)]
pub(crate) struct Stamped {
    pub(crate) stamp: HopDelay,
    /// The stamp begins with the capture, not when the origin got the frame.
    pub(crate) capture_known: bool,
    /// Unix µs by this clock when its header was here.
    pub(crate) began: u64,
    /// And when all of it was here.
    pub(crate) whole: u64,
}

/// Milliseconds over many objects.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    /// Half width of what clocks that differ leave open.
    pub(crate) uncertainty_ms: f64,
}

/// One part of the way.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Stage {
    /// `origin`, `link 1`, `relay 1`, `link 2`, …, `receive`.
    pub(crate) stage: String,
    #[serde(flatten)]
    pub(crate) spread: Spread,
}

/// The whole way and its parts, in order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct DelayReport {
    /// Since the capture; else since the frame reached the origin.
    pub(crate) capture_known: bool,
    pub(crate) total: Spread,
    pub(crate) stages: Vec<Stage>,
}

impl DelayMeter {
    /// Whether it is time to look at the connection's round-trip time again.
    pub(crate) fn wants_round_trip(&self, now: Duration) -> bool {
        self.looked.is_none_or(|looked| now >= looked + limit::ROUND_TRIP_INTERVAL)
    }

    /// Takes the connection's round-trip time.
    pub(crate) fn round_trip(&mut self, now: Duration, time: Duration) {
        self.looked = Some(now);
        self.clock.round_trip(now, time);
    }

    /// Another session: another way, perhaps to another clock.
    pub(crate) fn session_changed(&mut self) {
        *self =
            Self { samples: std::mem::take(&mut self.samples), capture_known: self.capture_known, ..Self::default() };
    }

    /// Takes one object.
    pub(crate) fn object(&mut self, now: Duration, object: &Stamped) {
        let Stamped { stamp, capture_known, began, whole } = object;
        if stamp.relays.len() < self.relays {
            return;
        }
        self.relays = stamp.relays.len();
        self.capture_known = *capture_known;
        let difference = began.wrapping_sub(stamp.departure()).cast_signed();
        let estimate = self.clock.difference(now, difference);
        let mut stages = Vec::with_capacity(2 * stamp.relays.len() + 3);
        stages.push((micros(stamp.origin), 0));
        for hop in &stamp.relays {
            stages.extend([(hop.link(), hop.uncertainty), (micros(hop.dwell), 0)]);
        }
        stages.push((difference.saturating_sub(estimate.offset), estimate.uncertainty));
        stages.push((micros(whole.saturating_sub(*began)), 0));
        if self.samples.back().is_some_and(|last| last.stages.len() != stages.len()) {
            self.samples.clear();
        }
        if self.samples.len() == limit::DELAY_SAMPLES {
            self.samples.pop_front();
        }
        self.samples.push_back(Sample { at: now, stages });
    }

    /// What came since `from` by the present way; `None` if nothing did.
    pub(crate) fn since(&self, from: Duration) -> Option<DelayReport> {
        let taken: Vec<&Sample> = self.samples.iter().filter(|sample| sample.at >= from).collect();
        let newest = taken.last()?;
        let stage = |index: usize| {
            let values = taken.iter().map(|sample| sample.stages[index].0).collect();
            Stage { stage: name(index, newest.stages.len()), spread: spread(values, newest.stages[index].1) }
        };
        let sum = |sample: &&Sample| sample.stages.iter().fold(0_i64, |sum, (time, _)| sum.saturating_add(*time));
        let uncertainty = newest.stages.iter().fold(0_u64, |sum, (_, width)| sum.saturating_add(*width));
        Some(DelayReport {
            capture_known: self.capture_known,
            total: spread(taken.iter().map(sum).collect(), uncertainty),
            stages: (0..newest.stages.len()).map(stage).collect(),
        })
    }
}

impl DelayReport {
    /// In one line.
    pub(crate) fn text(&self) -> String {
        let Spread { p50_ms, p99_ms, uncertainty_ms } = self.total;
        let since = if self.capture_known { "capture" } else { "ingest" };
        let stages: Vec<_> =
            self.stages.iter().map(|stage| format!("{} {:.1}", stage.stage, stage.spread.p50_ms)).collect();
        format!(
            "delay since {since} p50 {p50_ms:.1} ms, p99 {p99_ms:.1} ms, \u{b1} {uncertainty_ms:.1} ms: {}",
            stages.join(", ")
        )
    }
}

/// The name of a stage among so many.
fn name(index: usize, count: usize) -> String {
    match index {
        0 => "origin".to_owned(),
        last if last + 1 == count => "receive".to_owned(),
        link if link % 2 == 1 => format!("link {}", link.div_ceil(2)),
        relay => format!("relay {}", relay / 2),
    }
}

fn spread(mut values: Vec<i64>, uncertainty: u64) -> Spread {
    values.sort_unstable();
    let percentile = |percent: usize| {
        let rank = (values.len() * percent).div_ceil(100).max(1);
        milliseconds(values.get(rank - 1).copied().unwrap_or_default())
    };
    Spread { p50_ms: percentile(50), p99_ms: percentile(99), uncertainty_ms: milliseconds(micros(uncertainty)) }
}

fn micros(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn milliseconds(micros: i64) -> f64 {
    micros as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use moqt::RelayHop;

    use super::*;

    const CAPTURED: u64 = 1_700_000_000_000_000;

    /// Through `relays` relays whose clocks agree with the origin's; ours is 5 s ahead and the last link takes `link`.
    fn stamped(relays: usize, link: u64) -> Stamped {
        let hop = RelayHop { difference: 2000, offset: 500, uncertainty: 400, dwell: 30 };
        let stamp = HopDelay { captured: CAPTURED, origin: 100, relays: vec![hop; relays] };
        let began = stamp.departure() + link + 5_000_000;
        Stamped { stamp, capture_known: true, began, whole: began + 70 }
    }

    fn second(at: u64) -> Duration {
        Duration::from_secs(at)
    }

    #[test]
    fn stages_are_named_in_order_and_add_up() {
        let mut meter = DelayMeter::default();
        assert_eq!(meter.since(Duration::ZERO), None);
        assert!(meter.wants_round_trip(second(0)));
        meter.round_trip(second(0), Duration::from_millis(2));
        assert!(!meter.wants_round_trip(Duration::from_millis(500)) && meter.wants_round_trip(second(1)));
        meter.object(second(1), &stamped(2, 1000));
        meter.object(second(2), &stamped(2, 1000));
        meter.object(second(3), &stamped(2, 4000));
        let report = meter.since(Duration::ZERO).unwrap();
        let names: Vec<_> = report.stages.iter().map(|stage| stage.stage.as_str()).collect();
        assert_eq!(names, ["origin", "link 1", "relay 1", "link 2", "relay 2", "link 3", "receive"]);
        let p50: Vec<_> = report.stages.iter().map(|stage| stage.spread.p50_ms).collect();
        assert_eq!(p50, [0.1, 1.5, 0.03, 1.5, 0.03, 1.0, 0.07]);
        assert_eq!(report.stages[5].spread, Spread { p50_ms: 1.0, p99_ms: 4.0, uncertainty_ms: 1.0 });
        assert_eq!(report.total, Spread { p50_ms: 4.23, p99_ms: 7.23, uncertainty_ms: 1.8 });
        assert_eq!(meter.since(second(3)).unwrap().total.p50_ms, 7.23);
        let text = report.text();
        assert!(
            text.starts_with("delay since capture p50 4.2 ms, p99 7.2 ms, ± 1.8 ms: origin 0.1, link 1 1.5"),
            "{text}"
        );
    }

    #[test]
    fn a_shorter_way_counts_only_on_a_new_session() {
        let mut meter = DelayMeter::default();
        meter.object(second(1), &stamped(0, 1000));
        assert_eq!(meter.since(Duration::ZERO).unwrap().stages.len(), 3);
        meter.object(second(2), &stamped(1, 1000));
        assert_eq!(meter.since(Duration::ZERO).unwrap().stages.len(), 5, "what came before went another way");
        meter.object(second(3), &stamped(0, 1000));
        assert_eq!(meter.since(second(3)), None);
        meter.session_changed();
        assert_eq!(meter.since(Duration::ZERO).unwrap().stages.len(), 5, "until something new comes");
        meter.object(second(4), &stamped(0, 1000));
        assert_eq!(meter.since(Duration::ZERO).unwrap().stages.len(), 3);
    }

    #[test]
    fn memory_is_bounded() {
        let mut meter = DelayMeter::default();
        for index in 0..2 * limit::DELAY_SAMPLES as u64 {
            meter.object(Duration::from_millis(index), &stamped(0, index));
        }
        assert_eq!(meter.samples.len(), limit::DELAY_SAMPLES);
    }
}
