//! Figures of the whole system, measured on real processes.
//!
//! The measurements are `cargo bench -p bench` (see `benches/figures`); here is what they share: child processes that end with
//! their handle, viewers that check every object, what the kernel knows of a process, and percentiles.

mod child;
mod usage;
mod viewer;

pub use child::{Child, free_port, metric};
pub use usage::{Usage, percentile, usage};
pub use viewer::{Failure, Viewer, Watched, demo_track};
