//! MAX_REQUEST_ID (9.5), draft-16 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::request::RequestId;
use crate::version::Version;

/// Lets the peer make more requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxRequestId {
    /// The first id the peer may not use.
    pub max_request_id: RequestId,
}

impl Decode for MaxRequestId {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { max_request_id: RequestId::decode(buf, version)? })
    }
}

impl Encode for MaxRequestId {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.max_request_id.encode(out, version)
    }
}
