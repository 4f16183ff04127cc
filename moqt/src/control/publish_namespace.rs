//! PUBLISH_NAMESPACE (10.15).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::Namespace;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::request::{RequestId, RequestKind};
use crate::version::Version;

const SCOPE: Scope = Scope::Request(RequestKind::PublishNamespace);

/// Says that tracks of a namespace can be asked for here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishNamespace {
    /// The new request.
    pub request_id: RequestId,
    /// The namespace.
    pub namespace: Namespace,
    /// Tokens.
    pub parameters: Parameters,
}

impl Decode for PublishNamespace {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId::decode(buf, version)?,
            namespace: Namespace::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, SCOPE, PrefixForm::Bare)?,
        })
    }
}

impl Encode for PublishNamespace {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        self.namespace.encode(out, version)?;
        self.parameters.encode(out, version, SCOPE)
    }
}
