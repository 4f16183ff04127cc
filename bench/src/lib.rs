//! Figures of the whole system, measured on real processes.
//!
//! The measurements are `cargo bench -p bench` (see `benches/figures`); here is what they share: child processes that end with
//! their handle, viewers that check every object, and percentiles.

mod child;
mod percentile;
mod viewer;

pub use child::{Child, free_port, metric};
pub use percentile::percentile;
pub use viewer::{Failure, Viewer, Watched, demo_track};
