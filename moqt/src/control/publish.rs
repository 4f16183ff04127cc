//! PUBLISH (10.10).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::FullTrackName;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::property::Properties;
use crate::request::{RequestId, RequestKind, TrackAlias};
use crate::version::Version;

const SCOPE: Scope = Scope::Request(RequestKind::Publish);

/// Offers the objects of a track.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Publish {
    /// The new request.
    pub request_id: RequestId,
    /// The track.
    pub track: FullTrackName,
    /// What data streams will call it.
    pub track_alias: TrackAlias,
    /// Expiry, largest location, forwarding.
    pub parameters: Parameters,
    /// The track's properties.
    pub properties: Properties,
}

impl Decode for Publish {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId::decode(buf, version)?,
            track: FullTrackName::decode(buf, version)?,
            track_alias: TrackAlias::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, SCOPE, PrefixForm::Bare)?,
            properties: Properties::decode_track(buf, version)?,
        })
    }
}

impl Encode for Publish {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        self.track.encode(out, version)?;
        self.track_alias.encode(out, version)?;
        self.parameters.encode(out, version, SCOPE)?;
        self.properties.encode(out, version)
    }
}
