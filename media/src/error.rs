//! Errors, by operation.

use crate::bmff::BoxKind;

/// What is wrong with an MP4 stream or file, and where. The input's fault unless it is [`DemuxError::Io`].
#[derive(Debug, thiserror::Error)]
pub enum DemuxError {
    /// A box claims more bytes than the named limit.
    #[error("box `{kind}` at byte {offset}: {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// The box.
        kind: BoxKind,
        /// Where it starts in the input.
        offset: u64,
        /// The claimed size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// A box that breaks the format.
    #[error("box `{kind}` at byte {offset}: {reason}")]
    Invalid {
        /// The box.
        kind: BoxKind,
        /// Where it starts in the input.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The input ended inside a box or before the samples it announced.
    #[error("input ends at byte {end}, inside box `{kind}` that starts at byte {offset}")]
    Truncated {
        /// The box that is not complete.
        kind: BoxKind,
        /// Where it starts in the input.
        offset: u64,
        /// Where the input ends.
        end: u64,
    },
    /// Well-formed, but nothing this crate can play.
    #[error("box `{kind}` at byte {offset}: not supported: {reason}")]
    Unsupported {
        /// The box.
        kind: BoxKind,
        /// Where it starts in the input.
        offset: u64,
        /// What is missing here.
        reason: String,
    },
    /// The reader failed.
    #[error("reading the file: {0}")]
    Io(#[from] std::io::Error),
}

/// Why frames could not be packaged: the caller's fault.
#[derive(Debug, thiserror::Error)]
pub enum PackageError {
    /// A frame over [`crate::limit::MAX_SAMPLE_BYTES`].
    #[error("a frame of {0} bytes is more than the largest that is packaged")]
    FrameTooLarge(usize),
    /// A track description that no initialisation segment can be made of.
    #[error("no initialisation segment for codec `{codec}`: {reason}")]
    Track {
        /// The codec string.
        codec: String,
        /// What is wrong.
        reason: &'static str,
    },
    /// The writer has no track with that index.
    #[error("track index {0} does not exist")]
    UnknownTrack(usize),
    /// An initialisation segment or chunk given to the writer is not valid.
    #[error(transparent)]
    Demux(#[from] DemuxError),
    /// A payload whose container prefix is malformed.
    #[error("payload prefix: {0}")]
    Prefix(&'static str),
}

/// Why a catalog was refused: its author's fault.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// More bytes than [`crate::limit::MAX_CATALOG_BYTES`].
    #[error("catalog of {0} bytes is too large")]
    TooLarge(usize),
    /// Not the JSON of a catalog; the message names line and column.
    #[error("catalog: {0}")]
    Json(#[from] serde_json::Error),
    /// A delta update where a whole catalog is needed.
    #[error("catalog is a delta update, not a whole catalog")]
    Delta,
    /// More tracks than [`crate::limit::MAX_CATALOG_TRACKS`].
    #[error("catalog lists {0} tracks, too many")]
    TooManyTracks(usize),
    /// A track with a missing or wrong field.
    #[error("catalog track `{track}`: {reason}")]
    Track {
        /// The track's name.
        track: String,
        /// What is wrong.
        reason: String,
    },
}
