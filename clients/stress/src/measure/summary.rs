//! Samples as reports hold them.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::sample::Sample;

/// Percentiles of the curve that reports draw.
const CURVE: [f64; 19] =
    [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 60.0, 70.0, 75.0, 80.0, 85.0, 90.0, 95.0, 97.5, 99.0, 99.5, 99.9, 99.99, 100.0];

/// What one scope saw.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Summary {
    /// Distributions of times by series, in milliseconds.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) times: BTreeMap<String, Times>,
    /// Sums by series.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) counts: BTreeMap<String, u64>,
    /// Parts of sums, by what they were.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) kinds: BTreeMap<String, BTreeMap<String, u64>>,
    /// What there was at the end.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) levels: BTreeMap<String, i64>,
}

/// A distribution of times in milliseconds.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Times {
    pub(crate) count: u64,
    pub(crate) min: f64,
    pub(crate) mean: f64,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
    pub(crate) max: f64,
    /// Percentiles and their values, for whole runs only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) curve: Vec<(f64, f64)>,
}

impl Summary {
    /// Sums a sample up; `curves` adds the percentiles that reports draw.
    pub(crate) fn of(sample: &Sample, curves: bool) -> Self {
        let named = |(name, times): (&&'static str, &Histogram<u64>)| ((*name).to_owned(), Times::of(times, curves));
        let owned = |(name, count): (&&'static str, &u64)| ((*name).to_owned(), *count);
        Self {
            times: sample.times.iter().filter(|(_, times)| !times.is_empty()).map(named).collect(),
            counts: sample.counts.iter().map(owned).collect(),
            kinds: sample.labels.iter().map(|(name, labels)| ((*name).to_owned(), labels.clone())).collect(),
            levels: sample.levels.iter().map(|(name, level)| ((*name).to_owned(), *level)).collect(),
        }
    }

    pub(crate) fn count(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or_default()
    }

    pub(crate) fn level(&self, name: &str) -> i64 {
        self.levels.get(name).copied().unwrap_or_default()
    }
}

impl Times {
    fn of(times: &Histogram<u64>, curve: bool) -> Self {
        let at = |percent: f64| times.value_at_percentile(percent) as f64 / 1000.0;
        Self {
            count: times.len(),
            min: times.min() as f64 / 1000.0,
            mean: (times.mean()).round() / 1000.0,
            p50: at(50.0),
            p90: at(90.0),
            p99: at(99.0),
            p999: at(99.9),
            max: times.max() as f64 / 1000.0,
            curve: if curve { CURVE.iter().map(|percent| (*percent, at(*percent))).collect() } else { Vec::new() },
        }
    }

    /// The statistic with this name; `None` if there is none of that name.
    pub(crate) fn statistic(&self, name: &str) -> Option<f64> {
        Some(match name {
            "count" => self.count as f64,
            "min" => self.min,
            "mean" => self.mean,
            "p50" => self.p50,
            "p90" => self.p90,
            "p99" => self.p99,
            "p999" => self.p999,
            "max" => self.max,
            _ => return None,
        })
    }

    /// Names that [`Times::statistic`] knows.
    pub(crate) const STATISTICS: [&'static str; 8] = ["count", "min", "mean", "p50", "p90", "p99", "p999", "max"];
}
