//! Counts and times of some stretch of time.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use hdrhistogram::Histogram;

use super::series::Series;
use crate::limit;

/// Significant digits of recorded times.
const DIGITS: u8 = 3;

/// What was counted and timed in one place; samples of several places add up.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sample {
    /// Microseconds.
    pub(super) times: HashMap<&'static str, Histogram<u64>>,
    pub(super) counts: HashMap<&'static str, u64>,
    /// Parts of a count, by what they were.
    pub(super) labels: BTreeMap<&'static str, BTreeMap<String, u64>>,
    pub(super) levels: HashMap<&'static str, i64>,
}

impl Sample {
    /// One more time.
    pub(crate) fn time(&mut self, series: &Series, time: Duration) {
        let micros = u64::try_from(time.as_micros()).unwrap_or(u64::MAX).clamp(1, limit::MAX_TIME_MICROS);
        if let Some(times) = self.histogram(series.name) {
            // Within what it resizes itself to, so this cannot fail.
            let _ = times.record(micros);
        }
    }

    /// So many more.
    pub(crate) fn count(&mut self, series: &Series, more: u64) {
        if more > 0 {
            *self.counts.entry(series.name).or_default() += more;
        }
    }

    /// So many more, of this kind.
    pub(crate) fn labelled(&mut self, series: &Series, label: &str, more: u64) {
        self.count(series, more);
        if more > 0 {
            *room(self.labels.entry(series.name).or_default(), label) += more;
        }
    }

    /// So many more or less are there now.
    pub(crate) fn level(&mut self, series: &Series, change: i64) {
        *self.levels.entry(series.name).or_default() += change;
    }

    /// How many there were.
    pub(crate) fn counted(&self, series: &Series) -> u64 {
        self.counts.get(series.name).copied().unwrap_or_default()
    }

    /// How many there are.
    pub(crate) fn there(&self, series: &Series) -> i64 {
        self.levels.get(series.name).copied().unwrap_or_default()
    }

    /// The times of a series.
    pub(crate) fn timed(&self, series: &Series) -> Option<&Histogram<u64>> {
        self.times.get(series.name)
    }

    /// Parts of a count, by what they were.
    pub(crate) fn kinds(&self, series: &Series) -> impl Iterator<Item = (&str, u64)> {
        self.labels.get(series.name).into_iter().flatten().map(|(label, count)| (label.as_str(), *count))
    }

    /// Takes everything out except levels, which go on.
    pub(super) fn drain(&mut self) -> Self {
        let levels = self.levels.clone();
        let mut taken = Self::default();
        // Histograms keep their memory: they are filled again at once.
        for (name, times) in &mut self.times {
            if !times.is_empty() {
                taken.times.insert(name, times.clone());
                times.reset();
            }
        }
        taken.counts = std::mem::take(&mut self.counts);
        taken.labels = std::mem::take(&mut self.labels);
        taken.levels = levels;
        taken
    }

    /// Adds what another place saw in the same stretch of time: levels add up, too.
    pub(crate) fn merge(&mut self, other: &Self) {
        self.append(other);
        for (name, level) in &other.levels {
            *self.levels.entry(name).or_default() += level;
        }
    }

    /// Adds what was seen in the stretch of time that follows; levels are the newer ones.
    pub(crate) fn follow(&mut self, next: &Self) {
        self.append(next);
        self.levels.clone_from(&next.levels);
    }

    fn append(&mut self, other: &Self) {
        for (name, times) in &other.times {
            if let Some(own) = self.histogram(name) {
                // Both resize themselves, so this cannot fail.
                let _ = own.add(times);
            }
        }
        for (name, count) in &other.counts {
            *self.counts.entry(name).or_default() += count;
        }
        for (name, labels) in &other.labels {
            let own = self.labels.entry(name).or_default();
            for (label, count) in labels {
                *room(own, label) += count;
            }
        }
    }

    fn histogram(&mut self, name: &'static str) -> Option<&mut Histogram<u64>> {
        if !self.times.contains_key(name) {
            self.times.insert(name, Histogram::new(DIGITS).ok()?);
        }
        self.times.get_mut(name)
    }
}

/// The count of a label, or of `other` once there are too many.
fn room<'a>(labels: &'a mut BTreeMap<String, u64>, label: &str) -> &'a mut u64 {
    let label = if labels.contains_key(label) || labels.len() < limit::MAX_LABELS { label } else { "other" };
    labels.entry(label.to_owned()).or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const TIME: Series = Series::times("time", "");
    const COUNT: Series = Series::count("count", "");
    const LEVEL: Series = Series::level("level", "");

    proptest! {
        #[test]
        fn merged_parts_are_as_one_whole(times in prop::collection::vec(1..10_000_000u64, 1..200), parts in 1..5usize) {
            let mut whole = Sample::default();
            let mut shards = vec![Sample::default(); parts];
            for (index, micros) in times.iter().enumerate() {
                whole.time(&TIME, Duration::from_micros(*micros));
                shards[index % parts].time(&TIME, Duration::from_micros(*micros));
            }
            let mut merged = Sample::default();
            for shard in &mut shards {
                merged.merge(&shard.drain());
            }
            let (merged, whole) = (merged.timed(&TIME).unwrap(), whole.timed(&TIME).unwrap());
            prop_assert_eq!(merged.len(), times.len() as u64);
            for percent in [0.0, 50.0, 90.0, 99.0, 99.9, 100.0] {
                prop_assert_eq!(merged.value_at_percentile(percent), whole.value_at_percentile(percent));
            }
            prop_assert!(shards.iter().all(|shard| shard.timed(&TIME).is_none_or(Histogram::is_empty)));
        }

        #[test]
        fn percentiles_are_within_a_thousandth(mut times in prop::collection::vec(1..100_000_000u64, 1..300)) {
            let mut sample = Sample::default();
            for micros in &times {
                sample.time(&TIME, Duration::from_micros(*micros));
            }
            times.sort_unstable();
            let rank = (times.len() * 99).div_ceil(100).max(1);
            let (exact, told) = (times[rank - 1] as f64, sample.timed(&TIME).unwrap().value_at_quantile(0.99) as f64);
            prop_assert!((told - exact).abs() <= exact / 1000.0 + 1.0, "{told} is not {exact}");
        }
    }

    #[test]
    fn levels_add_up_over_places_and_are_replaced_over_time() {
        let (mut here, mut there) = (Sample::default(), Sample::default());
        here.level(&LEVEL, 3);
        there.level(&LEVEL, 2);
        there.level(&LEVEL, -1);
        let mut now = here.drain();
        now.merge(&there.drain());
        assert_eq!(now.there(&LEVEL), 4);
        here.level(&LEVEL, 1);
        let mut next = here.drain();
        next.merge(&there.drain());
        now.follow(&next);
        assert_eq!(now.there(&LEVEL), 5);
    }

    #[test]
    fn labels_are_bounded_and_their_sum_is_the_count() {
        let mut sample = Sample::default();
        for number in 0..1000 {
            sample.labelled(&COUNT, &format!("kind {number}"), 1);
        }
        let labels = &sample.labels["count"];
        assert_eq!(labels.len(), limit::MAX_LABELS + 1);
        assert_eq!((sample.counted(&COUNT), labels.values().sum::<u64>()), (1000, 1000));
    }
}
