//! Frames to CMAF chunks and initialisation segments, and chunks back to frames.

mod cmaf;
mod description;
mod init;
mod unpack;

pub use cmaf::package_cmaf;
pub use description::TrackDescription;
pub(crate) use init::{InitTrack, init_segment};
pub use unpack::Unpackager;
