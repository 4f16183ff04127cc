//! Threads, arrivals and the end of a run: generic over what the load does.

mod phase;
mod worker;

pub(crate) use phase::{Phase, PhaseSender, Stop, phases};
pub(crate) use worker::{Job, TIMER_LAG, Workers};
