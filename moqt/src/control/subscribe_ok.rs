//! SUBSCRIBE_OK (10.8).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::control::{decode_reply_id, encode_reply_id};
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::property::Properties;
use crate::request::{RequestId, TrackAlias};
use crate::version::Version;

/// A subscription is established.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeOk {
    /// The request it answers; only in draft-16.
    pub request_id: Option<RequestId>,
    /// What data streams will call the track.
    pub track_alias: TrackAlias,
    /// Expiry and largest location.
    pub parameters: Parameters,
    /// The track's properties.
    pub properties: Properties,
}

impl Decode for SubscribeOk {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let scope = Scope::SubscribeOk;
        Ok(Self {
            request_id: decode_reply_id(buf, version)?,
            track_alias: TrackAlias::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, scope, PrefixForm::Bare)?,
            properties: Properties::decode_track(buf, version)?,
        })
    }
}

impl Encode for SubscribeOk {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        encode_reply_id(self.request_id, out, version)?;
        self.track_alias.encode(out, version)?;
        self.parameters.encode(out, version, Scope::SubscribeOk)?;
        self.properties.encode(out, version)
    }
}
