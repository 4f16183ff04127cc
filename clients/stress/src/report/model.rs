//! A report as it is saved.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::measure::Summary;
use crate::require::Verdict;

/// One run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Report {
    /// This program and its version.
    pub(crate) tool: String,
    /// Name of the plan.
    pub(crate) plan: String,
    pub(crate) description: String,
    pub(crate) seed: u64,
    /// When it began, in seconds since 1970.
    pub(crate) began: u64,
    /// How long the load lasted, in seconds.
    pub(crate) seconds: f64,
    /// Viewers of the plan.
    pub(crate) viewers: u32,
    /// Arrivals at the shops that the plan has.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) arrivals: u64,
    /// Relays, the publishers' first; then the shops.
    pub(crate) relays: Vec<String>,
    /// Cores of the machine.
    pub(crate) cores: usize,
    /// Somebody ended it before its time.
    pub(crate) interrupted: bool,
    /// What to keep in mind when reading the figures.
    pub(crate) remarks: Vec<String>,
    pub(crate) verdicts: Vec<Verdict>,
    pub(crate) overall: Overall,
    pub(crate) intervals: Vec<Interval>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what the derive calls")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Report {
    /// Whether there is anything to say of viewers.
    pub(crate) fn has_video(&self) -> bool {
        self.viewers > 0 || self.arrivals == 0
    }

    /// Who took part, for people.
    pub(crate) fn crowd(&self) -> String {
        crowd(self.viewers, self.arrivals)
    }
}

/// Who takes part, for people.
pub(crate) fn crowd(viewers: u32, arrivals: u64) -> String {
    match (viewers, arrivals) {
        (_, 0) => format!("{viewers} viewers"),
        (0, _) => format!("{arrivals} visits"),
        _ => format!("{viewers} viewers and {arrivals} visits"),
    }
}

/// A whole run in numbers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Overall {
    /// By scope: everybody, the tool, publishers, each population.
    pub(crate) scopes: BTreeMap<String, Summary>,
    pub(crate) figures: BTreeMap<String, f64>,
}

/// One stretch of a run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Its end, in seconds since the run began.
    pub(crate) at: f64,
    /// Its length in seconds.
    pub(crate) seconds: f64,
    /// The time after the load, in which what is under way arrives and everybody settles: not a part of rates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) settling: bool,
    pub(crate) scopes: BTreeMap<String, Summary>,
    pub(crate) figures: BTreeMap<String, f64>,
}
