//! Who asks, what is asked, and the numbers that tell requests and tracks apart.

use std::fmt;
use std::ops::Not;

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError};
use crate::error_code::SessionErrorCode;
use crate::varint;
use crate::version::Version;

/// Which end of the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// The end that opened the connection; its Request IDs are even.
    Client,
    /// The end that accepted it; its Request IDs are odd.
    Server,
}

impl Not for Side {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }
}

/// Identifies a request in its session (10.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestId(pub u64);

impl RequestId {
    /// The side whose ids have this parity.
    pub const fn side(self) -> Side {
        if self.0.is_multiple_of(2) { Side::Client } else { Side::Server }
    }

    /// Checks the parity of an id chosen by `owner`.
    ///
    /// # Errors
    /// INVALID_REQUEST_ID when the parity is the other side's.
    pub fn check_owner(self, owner: Side) -> Result<(), ProtocolError> {
        if self.side() == owner {
            return Ok(());
        }
        let reason = format!("request id {self} has the wrong parity");
        Err(ProtocolError::new(SessionErrorCode::InvalidRequestId, reason))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The publisher's short name for a track, on data streams and datagrams (11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackAlias(pub u64);

impl fmt::Display for TrackAlias {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The seven requests (3.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RequestKind {
    /// SUBSCRIBE.
    Subscribe,
    /// PUBLISH.
    Publish,
    /// FETCH.
    Fetch,
    /// TRACK_STATUS.
    TrackStatus,
    /// PUBLISH_NAMESPACE.
    PublishNamespace,
    /// SUBSCRIBE_NAMESPACE.
    SubscribeNamespace,
    /// SUBSCRIBE_TRACKS, which draft-16 lacks.
    SubscribeTracks,
}

impl RequestKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Subscribe,
        Self::Publish,
        Self::Fetch,
        Self::TrackStatus,
        Self::PublishNamespace,
        Self::SubscribeNamespace,
        Self::SubscribeTracks,
    ];

    /// The request names a namespace, not a track.
    pub const fn is_about_namespace(self) -> bool {
        matches!(self, Self::PublishNamespace | Self::SubscribeNamespace | Self::SubscribeTracks)
    }
}

impl Decode for RequestId {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        varint::decode(buf, version).map(Self)
    }
}

impl Encode for RequestId {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(self.0, out, version)
    }
}

impl Decode for TrackAlias {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        varint::decode(buf, version).map(Self)
    }
}

impl Encode for TrackAlias {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(self.0, out, version)
    }
}
