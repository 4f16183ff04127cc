//! The codec traits, their errors, and the few readers every message shares.

use std::borrow::Cow;

use bytes::{Buf, Bytes, BytesMut};

use crate::error_code::SessionErrorCode;
use crate::varint;
use crate::version::Version;

/// Reads a value from the front of a buffer.
pub trait Decode: Sized {
    /// Takes one value off `buf`; what `buf` holds after an error is unspecified.
    ///
    /// # Errors
    /// [`DecodeError::Incomplete`] when `buf` ends inside the value, [`DecodeError::Invalid`] when no
    /// continuation could make it valid.
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError>;
}

/// Appends a value to a buffer.
pub trait Encode {
    /// Appends the canonical (shortest) form.
    ///
    /// # Errors
    /// [`EncodeError`] when `version` has no form for the value; `out` may then hold a part of it.
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError>;
}

/// Why bytes did not decode.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes end inside the value: read more, or, if there is no more, it is a violation.
    #[error("more bytes are needed")]
    Incomplete,
    /// The peer broke the protocol; more bytes will not help.
    #[error(transparent)]
    Invalid(#[from] ProtocolError),
}

/// The peer's fault, and the code the session must be closed with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason} ({code})")]
pub struct ProtocolError {
    /// What to close the session with.
    pub code: SessionErrorCode,
    /// What was wrong, in words.
    pub reason: Cow<'static, str>,
}

impl ProtocolError {
    /// An error with the given code.
    pub fn new(code: SessionErrorCode, reason: impl Into<Cow<'static, str>>) -> Self {
        Self { code, reason: reason.into() }
    }

    /// A PROTOCOL_VIOLATION.
    pub fn violation(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(SessionErrorCode::ProtocolViolation, reason)
    }

    /// A KEY_VALUE_FORMATTING_ERROR: a known type whose content does not fit its definition (1.4.3).
    pub fn formatting(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::new(SessionErrorCode::KeyValueFormattingError, reason)
    }
}

impl DecodeError {
    /// A PROTOCOL_VIOLATION.
    pub(crate) fn violation(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Invalid(ProtocolError::violation(reason))
    }

    /// What the error means where no more bytes can come: inside a bounded block or after FIN.
    pub fn at_end(self, reason: &'static str) -> ProtocolError {
        match self {
            Self::Incomplete => ProtocolError::violation(reason),
            Self::Invalid(error) => error,
        }
    }
}

/// Our own fault: the value has no form in the version asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// Draft-16 integers end at 2^62 - 1.
    #[error("{0} does not fit an integer of this version")]
    ValueTooLarge(u64),
    /// A control message body, in bytes, above [`crate::limit::MESSAGE_BYTES`].
    #[error("a message body of {0} bytes does not fit its 16-bit length")]
    MessageTooLong(usize),
    /// The message or field does not exist in the version, or breaks one of its rules.
    #[error("not representable: {0}")]
    Unrepresentable(&'static str),
}

/// The next `length` bytes, as a slice of the same allocation.
pub(crate) fn take(buf: &mut Bytes, length: usize) -> Result<Bytes, DecodeError> {
    if buf.len() < length {
        return Err(DecodeError::Incomplete);
    }
    Ok(buf.split_to(length))
}

/// The next byte.
pub(crate) fn take_u8(buf: &mut Bytes) -> Result<u8, DecodeError> {
    buf.try_get_u8().map_err(|_| DecodeError::Incomplete)
}

/// An integer length of at most `max`, then that many bytes. Refused from the length alone.
pub(crate) fn take_prefixed(
    buf: &mut Bytes,
    version: Version,
    max: usize,
    too_long: &'static str,
) -> Result<Bytes, DecodeError> {
    let length = varint::decode(buf, version)?;
    let length = usize::try_from(length).ok().filter(|length| *length <= max);
    take(buf, length.ok_or_else(|| DecodeError::violation(too_long))?)
}

/// Appends an integer length and the bytes.
pub(crate) fn put_prefixed(bytes: &[u8], out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
    varint::encode(bytes.len() as u64, out, version)?;
    out.extend_from_slice(bytes);
    Ok(())
}
