//! FETCH_OK (10.13).

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError, take_u8};
use crate::control::{decode_reply_id, encode_reply_id};
use crate::location::Location;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::property::Properties;
use crate::request::RequestId;
use crate::version::Version;

/// A FETCH is accepted, and its end is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchOk {
    /// The request it answers; only in draft-16.
    pub request_id: Option<RequestId>,
    /// Nothing will ever be published after `end`.
    pub end_of_track: bool,
    /// The last object plus one; object 0 stands for the whole group.
    pub end: Location,
    /// None are defined.
    pub parameters: Parameters,
    /// The track's properties.
    pub properties: Properties,
}

impl FetchOk {
    /// Checks what only the receiver knows: where its range starts.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION when the end is before `start`.
    pub fn validate(&self, start: Location) -> Result<(), ProtocolError> {
        let whole_group = self.end.object == 0 && self.end.group >= start.group;
        if whole_group || self.end >= start {
            return Ok(());
        }
        Err(ProtocolError::violation("a FETCH_OK that ends before its start"))
    }
}

impl Decode for FetchOk {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let request_id = decode_reply_id(buf, version)?;
        let end_of_track = match take_u8(buf)? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::violation("End Of Track is neither 0 nor 1")),
        };
        Ok(Self {
            request_id,
            end_of_track,
            end: Location::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, Scope::FetchOk, PrefixForm::Bare)?,
            properties: Properties::decode_track(buf, version)?,
        })
    }
}

impl Encode for FetchOk {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        encode_reply_id(self.request_id, out, version)?;
        out.put_u8(self.end_of_track.into());
        self.end.encode(out, version)?;
        self.parameters.encode(out, version, Scope::FetchOk)?;
        self.properties.encode(out, version)
    }
}
