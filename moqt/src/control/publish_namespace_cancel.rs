//! PUBLISH_NAMESPACE_CANCEL (9.24), draft-16 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::error_code::RequestErrorCode;
use crate::reason::ReasonPhrase;
use crate::request::RequestId;
use crate::varint;
use crate::version::Version;

/// The subscriber no longer accepts a PUBLISH_NAMESPACE.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishNamespaceCancel {
    /// The PUBLISH_NAMESPACE.
    pub request_id: RequestId,
    /// Why.
    pub code: RequestErrorCode,
    /// Why, in words.
    pub reason: ReasonPhrase,
}

impl Decode for PublishNamespaceCancel {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let request_id = RequestId::decode(buf, version)?;
        let code = RequestErrorCode::from_wire(varint::decode(buf, version)?, version);
        Ok(Self { request_id, code, reason: ReasonPhrase::decode(buf, version)? })
    }
}

impl Encode for PublishNamespaceCancel {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        varint::encode(self.code.to_wire(version), out, version)?;
        self.reason.encode(out, version)
    }
}
