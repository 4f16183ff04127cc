//! TRACK_STATUS (10.14).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::FullTrackName;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::request::{RequestId, RequestKind};
use crate::version::Version;

const SCOPE: Scope = Scope::Request(RequestKind::TrackStatus);

/// Asks what a SUBSCRIBE would be answered, without subscribing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrackStatus {
    /// The new request.
    pub request_id: RequestId,
    /// The track.
    pub track: FullTrackName,
    /// Tokens.
    pub parameters: Parameters,
}

impl Decode for TrackStatus {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId::decode(buf, version)?,
            track: FullTrackName::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, SCOPE, PrefixForm::Bare)?,
        })
    }
}

impl Encode for TrackStatus {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        self.track.encode(out, version)?;
        self.parameters.encode(out, version, SCOPE)
    }
}
