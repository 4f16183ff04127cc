//! FETCH_CANCEL (9.18), draft-16 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::request::RequestId;
use crate::version::Version;

/// Ends a FETCH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FetchCancel {
    /// The FETCH.
    pub request_id: RequestId,
}

impl Decode for FetchCancel {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { request_id: RequestId::decode(buf, version)? })
    }
}

impl Encode for FetchCancel {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)
    }
}
