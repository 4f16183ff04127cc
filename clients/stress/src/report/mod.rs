//! What a run came to: collected, judged, written.

mod builder;
pub(crate) mod catalogue;
pub(crate) mod chart;
pub(crate) mod compare;
pub(crate) mod html;
mod model;

pub(crate) use builder::ReportBuilder;
pub(crate) use model::{Interval, Overall, Report, crowd};

/// The scope in which all others are together.
pub(crate) const EVERYBODY: &str = "all";
/// The tool's own figures.
pub(crate) const TOOL: &str = "tool";
/// What publishers see.
pub(crate) const PUBLISHERS: &str = "publishers";
/// Scopes of every run, beside its populations.
pub(crate) const OWN_SCOPES: [&str; 3] = [EVERYBODY, TOOL, PUBLISHERS];

#[cfg(test)]
mod tests;
