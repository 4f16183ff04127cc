//! REQUEST_UPDATE (10.9).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError};
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::request::{RequestId, RequestKind};
use crate::version::Version;

/// Changes a request that is under way; absent parameters stay as they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestUpdate {
    /// The update's own id.
    pub request_id: RequestId,
    /// The request it changes; only in draft-16.
    pub existing_request_id: Option<RequestId>,
    /// What changes.
    pub parameters: Parameters,
}

impl RequestUpdate {
    /// Checks what only the receiver knows: what it changes.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION in draft-18 for parameters that the request does not have.
    pub fn validate(&self, updated: RequestKind, version: Version) -> Result<(), ProtocolError> {
        self.parameters.check(Scope::Update(updated), version)
    }

    fn read(buf: &mut Bytes, version: Version, form: PrefixForm) -> Result<Self, DecodeError> {
        let request_id = RequestId::decode(buf, version)?;
        let existing_request_id =
            if version.has_request_streams() { None } else { Some(RequestId::decode(buf, version)?) };
        let parameters = Parameters::decode(buf, version, Scope::AnyUpdate, form)?;
        Ok(Self { request_id, existing_request_id, parameters })
    }
}

impl Decode for RequestUpdate {
    /// Reads an update that fills `buf`: only its end tells the two forms of a prefix apart.
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let mut other = buf.clone();
        let bare = Self::read(buf, version, PrefixForm::Bare);
        if bare.is_ok() && buf.is_empty() {
            return bare;
        }
        match Self::read(&mut other, version, PrefixForm::LengthPrefixed) {
            Ok(update) if other.is_empty() => {
                buf.clear();
                Ok(update)
            }
            _ => bare,
        }
    }
}

impl Encode for RequestUpdate {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        if !version.has_request_streams() {
            let existing = self.existing_request_id.ok_or(EncodeError::Unrepresentable("an update of no request"))?;
            existing.encode(out, version)?;
        }
        self.parameters.encode(out, version, Scope::AnyUpdate)
    }
}
