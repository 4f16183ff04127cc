//! FETCH (10.12).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::location::Location;
use crate::name::FullTrackName;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::request::{RequestId, RequestKind};
use crate::varint;
use crate::version::Version;

const SCOPE: Scope = Scope::Request(RequestKind::Fetch);

/// Asks for objects that exist already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fetch {
    /// The new request.
    pub request_id: RequestId,
    /// Which objects.
    pub kind: FetchKind,
    /// In which order, and how long to wait for them.
    pub parameters: Parameters,
}

/// Which objects a FETCH is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchKind {
    /// A range of any track.
    Standalone {
        /// The track.
        track: FullTrackName,
        /// The first object.
        start: Location,
        /// The last object plus one; object 0 stands for the whole end group.
        end: Location,
    },
    /// What comes just before a subscription.
    Relative {
        /// The subscription.
        joining: RequestId,
        /// How many groups before the current one.
        groups: u64,
    },
    /// What comes before a subscription, from a given group on.
    Absolute {
        /// The subscription.
        joining: RequestId,
        /// The first group.
        group: u64,
    },
    /// Drafts 20 and 22: what LOCATION_FILTER says of any track.
    Filtered {
        /// The track.
        track: FullTrackName,
    },
}

impl Decode for FetchKind {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        if version.has_location_filter() {
            return Ok(Self::Filtered { track: FullTrackName::decode(buf, version)? });
        }
        let kind = varint::decode(buf, version)?;
        match kind {
            1 => Ok(Self::Standalone {
                track: FullTrackName::decode(buf, version)?,
                start: Location::decode(buf, version)?,
                end: Location::decode(buf, version)?,
            }),
            2 => {
                Ok(Self::Relative { joining: RequestId::decode(buf, version)?, groups: varint::decode(buf, version)? })
            }
            3 => Ok(Self::Absolute { joining: RequestId::decode(buf, version)?, group: varint::decode(buf, version)? }),
            _ => Err(DecodeError::violation(format!("unknown fetch type {kind}"))),
        }
    }
}

impl Encode for FetchKind {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        if version.has_location_filter() != matches!(self, Self::Filtered { .. }) {
            return Err(EncodeError::Unrepresentable("a FETCH of another draft"));
        }
        let (kind, joining, start) = match self {
            Self::Filtered { track } => return track.encode(out, version),
            Self::Standalone { track, start, end } => {
                varint::encode(1, out, version)?;
                track.encode(out, version)?;
                start.encode(out, version)?;
                return end.encode(out, version);
            }
            Self::Relative { joining, groups } => (2, joining, groups),
            Self::Absolute { joining, group } => (3, joining, group),
        };
        varint::encode(kind, out, version)?;
        joining.encode(out, version)?;
        varint::encode(*start, out, version)
    }
}

impl Decode for Fetch {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId::decode(buf, version)?,
            kind: FetchKind::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, SCOPE, PrefixForm::Bare)?,
        })
    }
}

impl Encode for Fetch {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        self.kind.encode(out, version)?;
        self.parameters.encode(out, version, SCOPE)
    }
}
