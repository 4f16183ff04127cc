//! UNSUBSCRIBE (9.12), draft-16 only.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::request::RequestId;
use crate::version::Version;

/// Ends a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The subscription.
    pub request_id: RequestId,
}

impl Decode for Unsubscribe {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { request_id: RequestId::decode(buf, version)? })
    }
}

impl Encode for Unsubscribe {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)
    }
}
