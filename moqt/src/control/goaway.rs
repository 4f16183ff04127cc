//! GOAWAY (10.4).

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError, put_prefixed};
use crate::control::take_uri;
use crate::limit::URI_BYTES;
use crate::parameter::millis;
use crate::request::{RequestId, Side};
use crate::varint;
use crate::version::Version;

/// The sender is about to close the session, or to end one request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GoAway {
    /// Where to connect instead, at most 8192 bytes; empty for the same place.
    pub uri: String,
    /// When the sender will close; absent in draft-16, and for "no particular time".
    pub timeout: Option<Duration>,
    /// The first request of the receiver that was not processed; only on the control stream of draft-18.
    pub request_id: Option<RequestId>,
}

impl GoAway {
    /// Checks what only the receiver knows: on which stream it came.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION for a Request ID anywhere but on the control stream.
    pub fn validate_stream(&self, is_control: bool) -> Result<(), ProtocolError> {
        if self.request_id.is_some() && !is_control {
            return Err(ProtocolError::violation("a request id in GOAWAY on a request stream"));
        }
        Ok(())
    }

    /// Checks what only the receiver knows: who sent it.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION for a URI from a client, INVALID_REQUEST_ID for an id that is not the receiver's.
    pub fn validate(&self, from: Side) -> Result<(), ProtocolError> {
        if from == Side::Client && !self.uri.is_empty() {
            return Err(ProtocolError::violation("a client sent a URI in GOAWAY"));
        }
        self.request_id.map_or(Ok(()), |id| id.check_owner(!from))
    }
}

impl Decode for GoAway {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let uri = take_uri(buf, version)?;
        let mut timeout = None;
        let mut request_id = None;
        // Some draft-18 peers write draft-16's body, which ends here.
        if version.has_goaway_timeout() && !buf.is_empty() {
            timeout = Some(varint::decode(buf, version)?);
            if !buf.is_empty() {
                request_id = Some(RequestId::decode(buf, version)?);
            }
        }
        let timeout = timeout.filter(|timeout| *timeout > 0).map(Duration::from_millis);
        Ok(Self { uri, timeout, request_id })
    }
}

impl Encode for GoAway {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        if self.uri.len() > URI_BYTES {
            return Err(EncodeError::Unrepresentable("a URI above 8192 bytes"));
        }
        put_prefixed(self.uri.as_bytes(), out, version)?;
        if !version.has_goaway_timeout() {
            return Ok(());
        }
        varint::encode(self.timeout.map_or(0, millis), out, version)?;
        self.request_id.map_or(Ok(()), |id| id.encode(out, version))
    }
}
