//! SUBSCRIBE_TRACKS (10.19), draft-18 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::Namespace;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::request::{RequestId, RequestKind};
use crate::version::Version;

const SCOPE: Scope = Scope::Request(RequestKind::SubscribeTracks);

/// Asks for a PUBLISH of every track under a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeTracks {
    /// The new request.
    pub request_id: RequestId,
    /// The prefix; empty for everything.
    pub prefix: Namespace,
    /// Tokens, and whether objects are to be sent.
    pub parameters: Parameters,
}

impl Decode for SubscribeTracks {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId::decode(buf, version)?,
            prefix: Namespace::decode_part(buf, version)?,
            parameters: Parameters::decode(buf, version, SCOPE, PrefixForm::Bare)?,
        })
    }
}

impl Encode for SubscribeTracks {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        self.prefix.encode_part(out, version)?;
        self.parameters.encode(out, version, SCOPE)
    }
}
