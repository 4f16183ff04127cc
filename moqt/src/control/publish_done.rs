//! PUBLISH_DONE (10.11).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::control::{decode_reply_id, encode_reply_id};
use crate::error_code::PublishDoneCode;
use crate::reason::ReasonPhrase;
use crate::request::RequestId;
use crate::varint;
use crate::version::Version;

/// The publisher does not know how many streams it opened.
const UNKNOWN_STREAM_COUNT: u64 = (1 << 62) - 1;

/// A subscription is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishDone {
    /// The subscription; only in draft-16.
    pub request_id: Option<RequestId>,
    /// Why.
    pub status: PublishDoneCode,
    /// Data streams opened for it; `None` when the publisher does not know.
    pub stream_count: Option<u64>,
    /// Why, in words.
    pub reason: ReasonPhrase,
}

impl Decode for PublishDone {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let request_id = decode_reply_id(buf, version)?;
        let status = PublishDoneCode::from_wire(varint::decode(buf, version)?, version);
        // Later drafts write 2^64 - 1 for "unknown".
        let count = varint::decode(buf, version)?;
        let stream_count = Some(count).filter(|count| ![UNKNOWN_STREAM_COUNT, u64::MAX].contains(count));
        Ok(Self { request_id, status, stream_count, reason: ReasonPhrase::decode(buf, version)? })
    }
}

impl Encode for PublishDone {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        encode_reply_id(self.request_id, out, version)?;
        varint::encode(self.status.to_wire(version), out, version)?;
        varint::encode(self.stream_count.unwrap_or(UNKNOWN_STREAM_COUNT), out, version)?;
        self.reason.encode(out, version)
    }
}
