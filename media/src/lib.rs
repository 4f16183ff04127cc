//! Media in, media out: containers and catalogs, without IO of its own, clock or task.
//!
//! | Need | Use |
//! |---|---|
//! | fragmented MP4 from a pipe to frames | [`Demuxer`] |
//! | an MP4 file to frames | [`demux_file`] |
//! | frames to CMAF chunks and back | [`package_cmaf`], [`Unpackager`] |
//! | chunks of several tracks to one playable file | [`Mp4Writer`] |
//! | objects of LOC and hang's `legacy` | [`decode_legacy`], [`encode_legacy`], [`decode_hang_loc`], [`loc`] |
//! | what a broadcast offers | [`Catalog`] |
//!
//! Every bound is in [`limit`].

mod bmff;
mod catalog;
mod codec;
mod container;
mod demux;
mod error;
mod frame;
pub mod limit;
mod package;
mod writer;

pub use bmff::BoxKind;
pub use catalog::{Catalog, CatalogTrack, HANG_TRACK, MSF_TRACK, Packaging};
pub use codec::{Codec, is_keyframe, to_annex_b};
pub use container::{MICROSECONDS, RawFrame, decode_hang_loc, decode_legacy, encode_legacy, loc};
pub use demux::{Demuxer, FileDemuxer, demux_file, read_init};
pub use error::{CatalogError, DemuxError, PackageError};
pub use frame::{Frame, MediaEvent, TrackInfo, TrackKind};
pub use package::{TrackDescription, Unpackager, package_cmaf};
pub use writer::Mp4Writer;
