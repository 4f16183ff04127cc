//! REQUEST_ERROR and its redirect (10.6).

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError, put_prefixed};
use crate::control::{decode_reply_id, encode_reply_id, take_uri};
use crate::error_code::RequestErrorCode;
use crate::limit::URI_BYTES;
use crate::name::FullTrackName;
use crate::parameter::millis;
use crate::reason::ReasonPhrase;
use crate::request::{RequestId, RequestKind, Side};
use crate::varint;
use crate::version::Version;

/// A request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    /// The request it answers; only in draft-16.
    pub request_id: Option<RequestId>,
    /// Why.
    pub code: RequestErrorCode,
    /// When to try again, in whole milliseconds; `None` for never.
    pub retry: Option<Duration>,
    /// Why, in words.
    pub reason: ReasonPhrase,
    /// Where to ask instead: there exactly when the code is REDIRECT.
    pub redirect: Option<Redirect>,
}

/// Where to ask instead.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Redirect {
    /// The session to ask on, at most 8192 bytes; empty for this one.
    pub uri: String,
    /// The track to ask for; all empty for the same one.
    pub track: FullTrackName,
}

impl RequestError {
    /// Checks what only the receiver knows: who refused which request.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION for a URI sent to a server, or a track name for a namespace request.
    pub fn validate(&self, from: Side, request: RequestKind) -> Result<(), ProtocolError> {
        let Some(redirect) = &self.redirect else {
            return Ok(());
        };
        if from == Side::Client && !redirect.uri.is_empty() {
            return Err(ProtocolError::violation("a client redirected to a URI"));
        }
        if request.is_about_namespace() && !redirect.track.name.as_bytes().is_empty() {
            return Err(ProtocolError::violation("a namespace request redirected to a track"));
        }
        Ok(())
    }
}

impl Decode for RequestError {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let request_id = decode_reply_id(buf, version)?;
        let code = RequestErrorCode::from_wire(varint::decode(buf, version)?, version);
        let retry = varint::decode(buf, version)?;
        let reason = ReasonPhrase::decode(buf, version)?;
        let redirect = if code == RequestErrorCode::Redirect {
            let uri = take_uri(buf, version)?;
            Some(Redirect { uri, track: FullTrackName::decode_part(buf, version)? })
        } else {
            None
        };
        let retry = retry.checked_sub(1).map(Duration::from_millis);
        Ok(Self { request_id, code, retry, reason, redirect })
    }
}

impl Encode for RequestError {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        encode_reply_id(self.request_id, out, version)?;
        varint::encode(self.code.to_wire(version), out, version)?;
        let retry = self.retry.map_or(0, |retry| millis(retry).saturating_add(1));
        varint::encode(retry.min(varint::max(version)), out, version)?;
        self.reason.encode(out, version)?;
        if !version.has_request_streams() {
            return Ok(());
        }
        match &self.redirect {
            None if self.code != RequestErrorCode::Redirect => Ok(()),
            Some(redirect) if self.code == RequestErrorCode::Redirect && redirect.uri.len() <= URI_BYTES => {
                put_prefixed(redirect.uri.as_bytes(), out, version)?;
                redirect.track.encode(out, version)
            }
            _ => Err(EncodeError::Unrepresentable("a redirect without its code or place")),
        }
    }
}
