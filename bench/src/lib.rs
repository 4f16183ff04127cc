//! Figures of the whole system, measured on real processes.
//!
//! The measurements are `cargo bench -p bench` (see `benches/figures`); here is what they share: child processes that end with
//! their handle, viewers that check every object, callers of the shops, and percentiles.

mod child;
mod crowd;
mod percentile;
mod shopper;
mod viewer;

pub use child::{Child, first_line, free_port, metric, run};
pub use crowd::{Crowd, Tally, Until};
pub use percentile::percentile;
pub use shopper::{Answer, Download, Reply, Shopper, request};
pub use viewer::{Failure, Viewer, Watched, demo_track};
