//! SUBSCRIBE (10.7).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::FullTrackName;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::request::{RequestId, RequestKind};
use crate::version::Version;

const SCOPE: Scope = Scope::Request(RequestKind::Subscribe);

/// Asks for the objects of a track from now on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscribe {
    /// The new request.
    pub request_id: RequestId,
    /// The track.
    pub track: FullTrackName,
    /// What to send of it, and how.
    pub parameters: Parameters,
}

impl Decode for Subscribe {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId::decode(buf, version)?,
            track: FullTrackName::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, SCOPE, PrefixForm::Bare)?,
        })
    }
}

impl Encode for Subscribe {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        self.track.encode(out, version)?;
        self.parameters.encode(out, version, SCOPE)
    }
}
