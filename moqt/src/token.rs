//! Authorization tokens and their aliases (10.2.2).

use bytes::{Bytes, BytesMut};

use crate::codec::{DecodeError, Encode, EncodeError, ProtocolError};
use crate::limit::TOKEN_OVERHEAD_BYTES;
use crate::varint;
use crate::version::Version;

/// An AUTHORIZATION_TOKEN, in SETUP or in a request.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Token {
    /// Forget a registered token.
    Delete {
        /// Its alias.
        alias: u64,
    },
    /// Use this token, and remember it.
    Register {
        /// The alias to remember it by.
        alias: u64,
        /// The token type: 0 agreed out of band, 1 a CAT.
        kind: u64,
        /// The token.
        value: Bytes,
    },
    /// Use a registered token.
    UseAlias {
        /// Its alias.
        alias: u64,
    },
    /// Use this token once.
    UseValue {
        /// The token type: 0 agreed out of band, 1 a CAT.
        kind: u64,
        /// The token.
        value: Bytes,
    },
}

impl Token {
    /// The token type of tokens whose meaning both sides agreed on out of band.
    pub const OUT_OF_BAND: u64 = 0;
    /// The token type of Common Access Tokens (draft-ietf-moq-c4m).
    pub const CAT: u64 = 1;

    /// A token of the type [`OUT_OF_BAND`](Self::OUT_OF_BAND), used once.
    pub fn agreed(value: impl Into<Bytes>) -> Self {
        Self::UseValue { kind: Self::OUT_OF_BAND, value: value.into() }
    }

    /// Reads a token that fills `content`.
    ///
    /// # Errors
    /// KEY_VALUE_FORMATTING_ERROR when it does not decode.
    pub fn from_content(mut content: Bytes, version: Version) -> Result<Self, ProtocolError> {
        let broken = |_| ProtocolError::formatting("undecodable authorization token");
        let token = Self::read(&mut content, version).map_err(broken)?;
        if content.is_empty() {
            Ok(token)
        } else {
            Err(ProtocolError::formatting("bytes after an authorization token"))
        }
    }

    fn read(content: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let int = |content: &mut Bytes| varint::decode(content, version);
        match int(content)? {
            0 => Ok(Self::Delete { alias: int(content)? }),
            1 => {
                let (alias, kind) = (int(content)?, int(content)?);
                Ok(Self::Register { alias, kind, value: content.split_off(0) })
            }
            2 => Ok(Self::UseAlias { alias: int(content)? }),
            3 => {
                let kind = int(content)?;
                Ok(Self::UseValue { kind, value: content.split_off(0) })
            }
            _ => Err(DecodeError::violation("unknown alias type")),
        }
    }

    /// Bytes a registered token takes from MAX_AUTH_TOKEN_CACHE_SIZE (10.3.1.3); 0 for the others.
    pub fn cache_cost(&self) -> u64 {
        match self {
            Self::Register { value, .. } => TOKEN_OVERHEAD_BYTES + value.len() as u64,
            Self::Delete { .. } | Self::UseAlias { .. } | Self::UseValue { .. } => 0,
        }
    }
}

impl Encode for Token {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        let (integers, value): (&[u64], &[u8]) = match self {
            Self::Delete { alias } => (&[0, *alias], &[]),
            Self::Register { alias, kind, value } => (&[1, *alias, *kind], value),
            Self::UseAlias { alias } => (&[2, *alias], &[]),
            Self::UseValue { kind, value } => (&[3, *kind], value),
        };
        for integer in integers {
            varint::encode(*integer, out, version)?;
        }
        out.extend_from_slice(value);
        Ok(())
    }
}
