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
    /// Relays, the publishers' first.
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
