//! Raw chunks: how LOC and hang put a timestamp and a coded chunk into an object.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::error::PackageError;

/// Ticks per second of hang's timestamps and of tracks without a timescale.
pub const MICROSECONDS: u32 = 1_000_000;

/// LOC properties (draft-ietf-moq-loc-04); here too because this crate knows nothing of MOQT.
pub mod loc {
    /// Presentation time of an object, in the track's timescale.
    pub const TIMESTAMP: u64 = 0x10;
    /// Ticks per second of the track.
    pub const TIMESCALE: u64 = 0x08;
    /// Decoder configuration of a video track: payload of avcC, hvcC, av1C, vpcC.
    pub const VIDEO_CONFIG: u64 = 0x0d;
    /// Decoder configuration of an audio track: AudioSpecificConfig or OpusHead.
    pub const AUDIO_CONFIG: u64 = 0x0f;
    /// What drafts -02 and -03 called the timestamp.
    pub const OLD_TIMESTAMP: u64 = 0x06;
}

/// A coded chunk with nothing but its presentation time, as raw containers carry it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawFrame {
    /// Presentation time in the track's timescale.
    pub timestamp: u64,
    /// Whether decoding can start here.
    pub keyframe: bool,
    /// The coded bytes.
    pub payload: Bytes,
}

/// An object of hang's `legacy` container: QUIC varint microseconds, then the chunk.
#[must_use]
pub fn encode_legacy(timestamp_us: u64, payload: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(8 + payload.len());
    put_varint(timestamp_us, &mut out);
    out.put_slice(payload);
    out.freeze()
}

/// Timestamp in microseconds and chunk of a `legacy` object.
///
/// # Errors
/// The object ends inside the timestamp.
pub fn decode_legacy(mut object: Bytes) -> Result<(u64, Bytes), PackageError> {
    let timestamp = take_varint(&mut object)?;
    Ok((timestamp, object))
}

/// Timestamp and chunk of hang's `loc` container, which carries the LOC properties in front of the chunk: varint length
/// of the properties, then key and value pairs with delta-coded keys; even keys have a varint value, odd ones bytes.
///
/// # Errors
/// The prefix is malformed or has no timestamp.
pub fn decode_hang_loc(mut object: Bytes) -> Result<(u64, Bytes), PackageError> {
    let length = take_varint(&mut object)?;
    let length = usize::try_from(length)
        .ok()
        .filter(|length| *length <= object.len())
        .ok_or(PackageError::Prefix("properties longer than the object"))?;
    let mut properties = object.split_to(length);
    let mut timestamp = None;
    let mut key = 0u64;
    while properties.has_remaining() {
        let delta = take_varint(&mut properties)?;
        key = key.checked_add(delta).ok_or(PackageError::Prefix("property key beyond 2^64"))?;
        let value = take_varint(&mut properties)?;
        if key.is_multiple_of(2) {
            if matches!(key, loc::TIMESTAMP | loc::OLD_TIMESTAMP) {
                timestamp = Some(value);
            }
        } else {
            let bytes = usize::try_from(value)
                .ok()
                .filter(|bytes| *bytes <= properties.len())
                .ok_or(PackageError::Prefix("property longer than its object"))?;
            properties.advance(bytes);
        }
    }
    let timestamp = timestamp.ok_or(PackageError::Prefix("no timestamp property"))?;
    Ok((timestamp, object))
}

/// QUIC variable-length integer (RFC 9000, 16); values above 62 bits, which no clock reaches, are capped.
fn put_varint(value: u64, out: &mut BytesMut) {
    match value {
        0..=0x3f => out.put_u8(value as u8),
        0x40..=0x3fff => out.put_u16(0x4000 | value as u16),
        0x4000..=0x3fff_ffff => out.put_u32(0x8000_0000 | value as u32),
        _ => out.put_u64(0xc000_0000_0000_0000 | value.min(0x3fff_ffff_ffff_ffff)),
    }
}

fn take_varint(bytes: &mut Bytes) -> Result<u64, PackageError> {
    const CUT: PackageError = PackageError::Prefix("ends inside an integer");
    let first = *bytes.first().ok_or(CUT)?;
    let length = 1usize << (first >> 6);
    if bytes.len() < length {
        return Err(CUT);
    }
    let value = bytes[1..length].iter().fold(u64::from(first & 0x3f), |value, byte| value << 8 | u64::from(*byte));
    bytes.advance(length);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legacy_round_trip_at_every_length() {
        for timestamp in [0, 63, 64, 16_383, 16_384, 0x3fff_ffff, 0x4000_0000, 0x3fff_ffff_ffff_ffff] {
            let object = encode_legacy(timestamp, b"chunk");
            assert_eq!(decode_legacy(object).unwrap(), (timestamp, Bytes::from_static(b"chunk")));
        }
        assert!(decode_legacy(Bytes::from_static(&[0xc0, 1])).is_err());
        assert!(decode_legacy(Bytes::new()).is_err());
    }

    #[test]
    fn hang_loc_finds_the_timestamp_among_properties() {
        // 0x09 = two bytes, then 0x10 (delta 7) = 1000, then the chunk.
        let object = Bytes::from_static(&[7, 0x09, 2, 0xaa, 0xbb, 0x07, 0x43, 0xe8, b'x', b'y']);
        assert_eq!(decode_hang_loc(object).unwrap(), (1000, Bytes::from_static(b"xy")));
        assert!(decode_hang_loc(Bytes::from_static(&[9, 0x10])).is_err());
        assert!(decode_hang_loc(Bytes::from_static(&[0, 1, 2])).is_err());
        assert!(decode_hang_loc(Bytes::from_static(&[2, 0x09, 9, 1])).is_err());
    }
}
