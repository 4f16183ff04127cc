//! NAMESPACE (10.16).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::Namespace;
use crate::version::Version;

/// There is a namespace under the prefix subscribed to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceAdded {
    /// What follows the prefix.
    pub suffix: Namespace,
}

impl Decode for NamespaceAdded {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { suffix: Namespace::decode_part(buf, version)? })
    }
}

impl Encode for NamespaceAdded {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.suffix.encode_part(out, version)
    }
}
