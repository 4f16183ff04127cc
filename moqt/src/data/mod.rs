//! Data streams and datagrams (11): how a unidirectional stream begins, and what follows.

pub mod datagram;
pub mod fetch;
mod input;
pub mod object;
pub mod subgroup;

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::control;
use crate::data::subgroup::SubgroupHeader;
use crate::request::RequestId;
use crate::varint;
use crate::version::Version;

const FETCH: u64 = 0x05;
const PADDING: u64 = 0x132B_3E28;

/// The start of a unidirectional stream (3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UniStreamHeader {
    /// The peer's control stream. Its type is that of the SETUP message it begins with, so nothing
    /// has been read, and nothing is written.
    Control,
    /// Objects that a FETCH asked for.
    Fetch {
        /// The FETCH.
        request_id: RequestId,
    },
    /// Objects of a subgroup.
    Subgroup(SubgroupHeader),
    /// Bytes without meaning, to be read and dropped.
    Padding,
}

impl Decode for UniStreamHeader {
    /// Takes the header off `buf`, which is untouched unless the header is complete.
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let mut rest = buf.clone();
        let header = match varint::decode(&mut rest, version)? {
            control::SETUP if version.has_request_streams() => return Ok(Self::Control),
            FETCH => Self::Fetch { request_id: RequestId::decode(&mut rest, version)? },
            PADDING if version.has_padding() => Self::Padding,
            kind if SubgroupHeader::has_type(kind, version) => {
                Self::Subgroup(SubgroupHeader::decode_after_type(kind, &mut rest, version)?)
            }
            kind => {
                return Err(DecodeError::violation(format!("unknown stream type {kind:#x}")));
            }
        };
        *buf = rest;
        Ok(header)
    }
}

impl Encode for UniStreamHeader {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        match self {
            Self::Control => Ok(()),
            Self::Fetch { request_id } => {
                varint::encode(FETCH, out, version)?;
                request_id.encode(out, version)
            }
            Self::Subgroup(header) => header.encode(out, version),
            Self::Padding if version.has_padding() => varint::encode(PADDING, out, version),
            Self::Padding => Err(EncodeError::Unrepresentable("padding")),
        }
    }
}
