//! Key-Value-Pairs (1.4.3): types as deltas, even types integers, odd types byte strings.

use bytes::{Bytes, BytesMut};

use crate::codec::{DecodeError, EncodeError, put_prefixed, take_prefixed};
use crate::limit::KEY_VALUE_BYTES;
use crate::varint;
use crate::version::Version;

/// The value of a pair.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum PairValue {
    /// Of an even type.
    Int(u64),
    /// Of an odd type; at most [`KEY_VALUE_BYTES`].
    Bytes(Bytes),
}

impl From<u64> for PairValue {
    fn from(value: u64) -> Self {
        Self::Int(value)
    }
}

impl From<Bytes> for PairValue {
    fn from(value: Bytes) -> Self {
        Self::Bytes(value)
    }
}

/// A type and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Pair {
    /// The type.
    pub id: u64,
    /// The value; its form follows from the parity of the type.
    pub value: PairValue,
}

impl Pair {
    /// A pair.
    pub fn new(id: u64, value: impl Into<PairValue>) -> Self {
        Self { id, value: value.into() }
    }

    /// Reads the pair that follows one of type `previous` (0 at the start of a block).
    pub(crate) fn decode_after(previous: u64, buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let id = decode_id(previous, buf, version)?;
        Ok(Self { id, value: PairValue::decode(id, buf, version)? })
    }

    /// Appends the pair after one of type `previous`.
    pub(crate) fn encode_after(&self, previous: u64, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        encode_id(self.id, previous, out, version)?;
        match &self.value {
            PairValue::Int(value) if self.id.is_multiple_of(2) => varint::encode(*value, out, version),
            PairValue::Bytes(value) if !self.id.is_multiple_of(2) => {
                if value.len() > KEY_VALUE_BYTES {
                    return Err(EncodeError::Unrepresentable("a pair's value above 65535 bytes"));
                }
                put_prefixed(value, out, version)
            }
            _ => Err(EncodeError::Unrepresentable("a pair whose value is not of its type's form")),
        }
    }
}

impl PairValue {
    /// Reads a value whose form is that of type `id`.
    pub(crate) fn decode(id: u64, buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        if id.is_multiple_of(2) {
            return varint::decode(buf, version).map(Self::Int);
        }
        let too_long = "a pair's value above 65535 bytes";
        take_prefixed(buf, version, KEY_VALUE_BYTES, too_long).map(Self::Bytes)
    }
}

/// Reads a type written as a delta.
pub(crate) fn decode_id(previous: u64, buf: &mut Bytes, version: Version) -> Result<u64, DecodeError> {
    previous.checked_add(varint::decode(buf, version)?).ok_or_else(|| DecodeError::violation("a type above 2^64 - 1"))
}

/// Appends a type as a delta.
pub(crate) fn encode_id(id: u64, previous: u64, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
    let delta = id.checked_sub(previous).ok_or(EncodeError::Unrepresentable("types that do not ascend"))?;
    varint::encode(delta, out, version)
}

/// Reads all pairs of a block that ends where `block` does.
pub(crate) fn decode_block(block: Bytes, version: Version) -> Result<Vec<Pair>, DecodeError> {
    PairIter::new(block, version).collect()
}

/// Appends pairs in ascending order of type; equal types keep their order.
pub(crate) fn encode_block(
    pairs: impl IntoIterator<Item = Pair>,
    out: &mut BytesMut,
    version: Version,
) -> Result<(), EncodeError> {
    let mut pairs: Vec<Pair> = pairs.into_iter().collect();
    pairs.sort_by_key(|pair| pair.id);
    let mut previous = 0;
    for pair in pairs {
        pair.encode_after(previous, out, version)?;
        previous = pair.id;
    }
    Ok(())
}

/// The pairs of a block, read one at a time; stops after the first error.
#[derive(Clone, Debug)]
pub struct PairIter {
    rest: Bytes,
    previous: u64,
    version: Version,
}

impl PairIter {
    pub(crate) fn new(rest: Bytes, version: Version) -> Self {
        Self { rest, previous: 0, version }
    }
}

impl Iterator for PairIter {
    type Item = Result<Pair, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let pair = Pair::decode_after(self.previous, &mut self.rest, self.version);
        match &pair {
            Ok(pair) => self.previous = pair.id,
            Err(_) => self.rest.clear(),
        }
        // The block is bounded, so what is missing will never come.
        Some(pair.map_err(|error| error.at_end("a pair runs past its block").into()))
    }
}
