//! Broadcasts and their tracks: what an ingest writes and viewers are served from.

mod broadcast;
mod cut;
mod track;

pub(crate) use broadcast::{Broadcast, Lookup, Publisher, TrackSet, Viewer};
pub(crate) use track::{Demand, Track, TrackSettings};

/// Why frames cannot be published. All but the last are the source's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PublishError {
    /// A broadcast needs something to show.
    #[error("it has no video or audio track this program knows")]
    NoTracks,
    /// More than a broadcast may have.
    #[error("it has {0} tracks, over the limit of {max}", max = crate::limit::MAX_TRACKS)]
    TooManyTracks(usize),
    /// A frame of a track that was not told.
    #[error("it has a frame of the unknown track {0}")]
    UnknownTrack(u32),
    /// Groups are kept whole for late viewers, so one must fit into the memory of its track.
    #[error(
        "group {group} of {track} is over the limit of {limit} bytes (settings: retain.bytes): are there keyframes?"
    )]
    GroupTooLarge {
        /// The name of the track.
        track: String,
        /// The group's id.
        group: u64,
        /// The bytes a track may keep.
        limit: usize,
    },
    /// A value that has no form on the wire.
    #[error("it cannot be written as an object: {0}")]
    Encode(#[from] moqt::EncodeError),
    /// A track name the protocol does not allow.
    #[error("it cannot be named: {0}")]
    Name(#[from] moqt::NameError),
    /// A frame that fits into no object.
    #[error(transparent)]
    Package(#[from] media::PackageError),
    /// The log of published objects refused one.
    #[error("the log of published objects refused an object: {0}")]
    Append(#[from] fanout::AppendError),
}
