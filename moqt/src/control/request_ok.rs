//! REQUEST_OK (10.5), and PUBLISH_OK of draft-16 (9.14), which differs in its id only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError};
use crate::control::{decode_reply_id, encode_reply_id};
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::property::Properties;
use crate::request::{RequestId, RequestKind};
use crate::version::Version;

/// A request is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestOk {
    /// The request it answers; only in draft-16.
    pub request_id: Option<RequestId>,
    /// What they may be depends on the request.
    pub parameters: Parameters,
    /// The track's properties; only in answer to TRACK_STATUS.
    pub properties: Properties,
}

/// What a REQUEST_OK answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answered {
    /// The request that opened the stream.
    Request(RequestKind),
    /// A REQUEST_UPDATE.
    Update,
}

impl RequestOk {
    /// Checks what only the receiver knows: what it answers.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION for properties anywhere but in TRACK_STATUS_OK, and in draft-18 for parameters
    /// that do not belong to the answer.
    pub fn validate(&self, answered: Answered, version: Version) -> Result<(), ProtocolError> {
        let status = answered == Answered::Request(RequestKind::TrackStatus);
        if !status && !self.properties.is_empty() {
            return Err(ProtocolError::violation("track properties outside TRACK_STATUS_OK"));
        }
        let scope = match answered {
            Answered::Request(kind) => Scope::Ok(kind),
            Answered::Update => Scope::UpdateOk,
        };
        self.parameters.check(scope, version)
    }
}

impl Decode for RequestOk {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let request_id = decode_reply_id(buf, version)?;
        let parameters = Parameters::decode(buf, version, Scope::AnyOk, PrefixForm::Bare)?;
        let properties =
            if version.has_request_streams() { Properties::decode_track(buf, version)? } else { Properties::EMPTY };
        Ok(Self { request_id, parameters, properties })
    }
}

impl Encode for RequestOk {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        encode_reply_id(self.request_id, out, version)?;
        self.parameters.encode(out, version, Scope::AnyOk)?;
        if version.has_request_streams() {
            return self.properties.encode(out, version);
        }
        Ok(())
    }
}

/// PUBLISH_OK of draft-16: a PUBLISH is accepted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PublishOk {
    /// The PUBLISH it answers; some draft-18 peers send the message without it.
    pub request_id: Option<RequestId>,
    /// What to send of the track, and how.
    pub parameters: Parameters,
}

impl Decode for PublishOk {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let request_id = decode_reply_id(buf, version)?;
        let parameters = Parameters::decode(buf, version, Scope::PublishOk, PrefixForm::Bare)?;
        Ok(Self { request_id, parameters })
    }
}

impl Encode for PublishOk {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        encode_reply_id(self.request_id, out, version)?;
        self.parameters.encode(out, version, Scope::PublishOk)
    }
}
