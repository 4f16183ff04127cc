//! SUBSCRIBE_NAMESPACE (10.18).

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::name::Namespace;
use crate::parameter::{Parameters, PrefixForm, Scope};
use crate::request::{RequestId, RequestKind};
use crate::varint;
use crate::version::Version;

const SCOPE: Scope = Scope::Request(RequestKind::SubscribeNamespace);

/// Asks which namespaces there are under a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubscribeNamespace {
    /// The new request.
    pub request_id: RequestId,
    /// The prefix; empty for everything.
    pub prefix: Namespace,
    /// What to be told of; draft-18 always means namespaces.
    pub options: SubscribeOptions,
    /// Tokens.
    pub parameters: Parameters,
}

/// What a draft-16 SUBSCRIBE_NAMESPACE wants to be told of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubscribeOptions {
    /// Tracks, by PUBLISH.
    Tracks,
    /// Namespaces, by NAMESPACE and NAMESPACE_DONE.
    #[default]
    Namespaces,
    /// Both.
    Both,
}

impl SubscribeOptions {
    /// The number on the wire.
    pub const fn to_wire(self) -> u64 {
        match self {
            Self::Tracks => 0,
            Self::Namespaces => 1,
            Self::Both => 2,
        }
    }
}

impl Decode for SubscribeOptions {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        if version.has_request_streams() {
            return Ok(Self::Namespaces);
        }
        match varint::decode(buf, version)? {
            0 => Ok(Self::Tracks),
            1 => Ok(Self::Namespaces),
            2 => Ok(Self::Both),
            _ => Err(DecodeError::violation("unknown subscribe options")),
        }
    }
}

impl Encode for SubscribeOptions {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        match (version.has_request_streams(), self) {
            (true, Self::Namespaces) => Ok(()),
            (true, _) => Err(EncodeError::Unrepresentable("SUBSCRIBE_NAMESPACE for tracks")),
            (false, _) => varint::encode(self.to_wire(), out, version),
        }
    }
}

impl Decode for SubscribeNamespace {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        Ok(Self {
            request_id: RequestId::decode(buf, version)?,
            prefix: Namespace::decode_part(buf, version)?,
            options: SubscribeOptions::decode(buf, version)?,
            parameters: Parameters::decode(buf, version, SCOPE, PrefixForm::Bare)?,
        })
    }
}

impl Encode for SubscribeNamespace {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.request_id.encode(out, version)?;
        self.prefix.encode_part(out, version)?;
        self.options.encode(out, version)?;
        self.parameters.encode(out, version, SCOPE)
    }
}
