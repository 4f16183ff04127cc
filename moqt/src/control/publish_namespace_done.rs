//! PUBLISH_NAMESPACE_DONE (9.22), draft-16 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::request::RequestId;
use crate::version::Version;

/// Withdraws a PUBLISH_NAMESPACE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishNamespaceDone {
    /// The PUBLISH_NAMESPACE.
    pub request_id: RequestId,
}

impl Decode for PublishNamespaceDone {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { request_id: RequestId::decode(buf, version)? })
    }
}

impl Encode for PublishNamespaceDone {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)
    }
}
