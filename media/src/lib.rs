//! Fragmented MP4 to frames and back, MSF and hang catalogs.

mod error;
mod frame;
pub mod limit;

pub use error::{CatalogError, DemuxError, PackageError};
pub use frame::{Frame, MediaEvent, TrackInfo, TrackKind};
