//! The day's delivery routes: which van brings which parcel in which order, and when.
//!
//! A [`Problem`] goes in, a [`Plan`] comes out. A solver only says which van visits which stops in which order; the times are
//! always worked out here ([`Problem::tour`]), and a plan that breaks a rule is never used ([`Problem::check`]).
//!
//! | File | What |
//! |---|---|
//! | `problem.rs` | vans, stops, times, the rules and the reasons why a stop is left out |
//! | `simple.rs` | nearest neighbour, 2-opt and insertion: milliseconds, no dependency |
//! | `solver.rs` | vrp-pragmatic within its budget (feature `routes`) |
//! | `day.rs` | a day as it goes on: what is under way stays, the rest is planned anew |
//! | `made_up.rs`, `measure.rs` | how long it takes, on a made-up day |

mod day;
mod made_up;
mod measure;
mod problem;
mod simple;
#[cfg(feature = "routes")]
mod solver;

#[cfg(test)]
mod tests;

pub(crate) use day::{Day, Known};
pub(crate) use measure::measure;
pub(crate) use problem::{Plan, Problem, Stop, Tour, Unassigned, Van, Visit, service};

use std::time::Duration;

/// Plans with the best that is built in, within the budget. Takes a whole thread for up to so long: call it where that is allowed.
pub(crate) fn plan(problem: &Problem, budget: Duration) -> Plan {
    let simple = simple::plan(problem);
    better(problem, simple, budget)
}

/// The solver's plan if it keeps all rules and leaves no more out, else the simple one.
#[cfg(feature = "routes")]
fn better(problem: &Problem, simple: Plan, budget: Duration) -> Plan {
    if problem.stops.is_empty() {
        return simple;
    }
    match solver::plan(problem, budget) {
        Ok(plan) => match problem.check(&plan) {
            Ok(()) if plan.cost() <= simple.cost() => plan,
            Ok(()) => simple,
            Err(rule) => {
                tracing::warn!(rule, "the solver's routes break a rule, the simple ones are used");
                simple
            }
        },
        Err(error) => {
            tracing::warn!(error, "the solver found no routes, the simple ones are used");
            simple
        }
    }
}

#[cfg(not(feature = "routes"))]
fn better(_: &Problem, simple: Plan, _: Duration) -> Plan {
    simple
}
