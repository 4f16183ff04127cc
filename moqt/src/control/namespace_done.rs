//! NAMESPACE_DONE (10.17).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::Namespace;
use crate::version::Version;

/// A namespace under the prefix subscribed to is gone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamespaceRemoved {
    /// What follows the prefix.
    pub suffix: Namespace,
}

impl Decode for NamespaceRemoved {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self { suffix: Namespace::decode_part(buf, version)? })
    }
}

impl Encode for NamespaceRemoved {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.suffix.encode_part(out, version)
    }
}
