//! What is counted and timed, by name: generic over the loads that count and time it.

mod meter;
mod sample;
mod series;
mod summary;

pub(crate) use meter::{Meter, Present, Recorder};
pub(crate) use sample::Sample;
pub(crate) use series::{Figure, Kind, Series, Unit};
pub(crate) use summary::{Summary, Times};
