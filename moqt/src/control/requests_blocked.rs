//! REQUESTS_BLOCKED (9.6), draft-16 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::request::RequestId;
use crate::version::Version;

/// The sender would make a request but may not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestsBlocked {
    /// The maximum it was given.
    pub max_request_id: RequestId,
}

impl Decode for RequestsBlocked {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { max_request_id: RequestId::decode(buf, version)? })
    }
}

impl Encode for RequestsBlocked {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.max_request_id.encode(out, version)
    }
}
