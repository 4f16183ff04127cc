//! The shop load: customers who come when the plan says, and a check that the shops kept their promises.
//!
//! ```text
//! plan ─▶ arrivals ─▶ load: visits that begin when due ─▶ errand ─▶ visit: requests, timed ─▶ client ─▶ shops
//!                                                            └─▶ ledger: what was promised       │
//!                        stage: after the load ─▶ verify ─▶ check: promised against kept ◀───────┘
//! ```

mod arrivals;
mod check;
mod client;
mod errand;
mod export;
mod ledger;
mod load;
mod prepare;
mod rows;
mod series;
mod stage;
mod verify;
mod visit;

pub(crate) use arrivals::Curve;
pub(crate) use series::{ALL, ALWAYS, ANSWER, ANSWERS, DELIVERY, FAILED, SHED, TROUBLES, VISIT, VISITS};
pub(crate) use stage::{Scopes, Stage};

/// The part of a run in which promises are checked.
pub(crate) const CHECKS: &str = "checks";
