//! How long the plan of a made-up day takes, and how good it is.

use std::time::Instant;

use serde::Serialize;

use super::{made_up, plan, simple};
use crate::courier::limit::PLAN_BUDGET;

/// What was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct RouteTimes {
    /// Doors.
    pub(crate) stops: usize,
    /// Vans.
    pub(crate) vans: usize,
    /// Milliseconds until there was a plan.
    pub(crate) ms: u128,
    /// Parcels that no van brings.
    pub(crate) left_out: usize,
    /// Metres of road.
    pub(crate) metres: i64,
    /// The same of the simple planner.
    pub(crate) simple_ms: u128,
    /// See `left_out`.
    pub(crate) simple_left_out: usize,
    /// See `metres`.
    pub(crate) simple_metres: i64,
    /// Whether both plans keep every rule.
    pub(crate) whole: bool,
}

/// Plans a day.
pub(crate) fn measure(stops: usize, vans: usize) -> RouteTimes {
    let problem = made_up::day(stops, vans);
    let begun = Instant::now();
    let rough = simple::plan(&problem);
    let simple_ms = begun.elapsed().as_millis();
    let begun = Instant::now();
    let best = plan(&problem, PLAN_BUDGET);
    let ms = begun.elapsed().as_millis();
    let ((left_out, metres), (simple_left_out, simple_metres)) = (best.cost(), rough.cost());
    let whole = problem.check(&best).is_ok() && problem.check(&rough).is_ok();
    RouteTimes { stops, vans, ms, left_out, metres, simple_ms, simple_left_out, simple_metres, whole }
}
