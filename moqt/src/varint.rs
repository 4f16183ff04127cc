//! Variable-length integers: vi64 of draft-18 (1.4.1) and the RFC 9000 varint of draft-16.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::codec::{DecodeError, EncodeError};
use crate::version::Version;

/// The greatest value of an RFC 9000 varint; vi64 reaches `u64::MAX`.
pub const MAX_QUIC_VARINT: u64 = (1 << 62) - 1;

/// The greatest value `version` can put on the wire.
pub const fn max(version: Version) -> u64 {
    if version.has_vi64() { u64::MAX } else { MAX_QUIC_VARINT }
}

/// Bytes of the shortest encoding of `value`, at most 9; 8 for what draft-16 cannot encode.
pub const fn size(value: u64, version: Version) -> usize {
    let bits = 64 - value.leading_zeros() as usize;
    if version.has_vi64() {
        match bits {
            0 => 1,
            57.. => 9,
            _ => bits.div_ceil(7),
        }
    } else {
        match bits {
            0..=6 => 1,
            7..=14 => 2,
            15..=30 => 4,
            _ => 8,
        }
    }
}

/// The integer at the start of `bytes` and its length, or `None` when more bytes are needed.
pub fn peek(bytes: &[u8], version: Version) -> Option<(u64, usize)> {
    let first = *bytes.first()?;
    let (length, mask) = if version.has_vi64() {
        let extra = first.leading_ones() as usize;
        (extra + 1, 0x7f_u8.checked_shr(extra as u32).unwrap_or(0))
    } else {
        (1 << (first >> 6), 0x3f)
    };
    let rest = bytes.get(1..length)?;
    let start = u64::from(first & mask);
    Some((rest.iter().fold(start, |value, byte| value << 8 | u64::from(*byte)), length))
}

/// Reads one integer; the buffer is untouched on error.
///
/// # Errors
/// [`DecodeError::Incomplete`] when the buffer ends first; every complete form is legal.
pub fn decode(buf: &mut Bytes, version: Version) -> Result<u64, DecodeError> {
    let (value, length) = peek(buf, version).ok_or(DecodeError::Incomplete)?;
    buf.advance(length);
    Ok(value)
}

/// Appends the shortest encoding.
///
/// # Errors
/// [`EncodeError::ValueTooLarge`] above [`MAX_QUIC_VARINT`] in draft-16.
pub fn encode(value: u64, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
    if value > max(version) {
        return Err(EncodeError::ValueTooLarge(value));
    }
    let length = size(value, version);
    if length == 9 {
        out.put_u8(0xff);
        out.put_u64(value);
        return Ok(());
    }
    let prefix = if version.has_vi64() { !(0xff_u8 >> (length - 1)) } else { (length.trailing_zeros() as u8) << 6 };
    let marked = value | u64::from(prefix) << (8 * (length - 1));
    out.put_uint(marked, length);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_boundary_round_trips() {
        for version in Version::ALL {
            let boundaries = (0..64).flat_map(|bit| [(1_u64 << bit) - 1, 1 << bit, u64::MAX >> bit]);
            for value in boundaries.filter(|value| *value <= max(version)) {
                let mut out = BytesMut::new();
                encode(value, &mut out, version).unwrap();
                assert_eq!(out.len(), size(value, version), "{value} in {version}");
                assert_eq!(peek(&out, version), Some((value, out.len())));
                assert_eq!(peek(&out[..out.len() - 1], version), None);
            }
        }
    }

    #[test]
    fn draft_16_refuses_what_it_cannot_hold() {
        let mut out = BytesMut::new();
        assert!(encode(MAX_QUIC_VARINT + 1, &mut out, Version::Draft16).is_err());
        assert!(out.is_empty());
    }
}
