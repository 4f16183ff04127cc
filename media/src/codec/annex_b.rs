//! Length-prefixed NAL units to start codes, for raw dumps.

use bytes::{BufMut, Bytes, BytesMut};

use super::Codec;
use crate::frame::Frame;

const START_CODE: &[u8] = &[0, 0, 0, 1];

/// The frame as a raw elementary stream has it: H.264 and H.265 with start codes and, on keyframes, the parameter sets
/// of `description` in front; other codecs unchanged.
#[must_use]
pub fn to_annex_b(codec: Codec, description: &[u8], frame: &Frame) -> Bytes {
    let (nal_length, sets) = match codec {
        Codec::H264 { nal_length } => (nal_length, avc_parameter_sets(description)),
        Codec::H265 { nal_length } => (nal_length, hevc_parameter_sets(description)),
        _ => return frame.payload.clone(),
    };
    if nal_length == 0 {
        return frame.payload.clone();
    }
    let mut out = BytesMut::with_capacity(frame.payload.len() + description.len() + 64);
    if frame.keyframe {
        for set in sets.unwrap_or_default() {
            out.put_slice(START_CODE);
            out.put_slice(set);
        }
    }
    let mut rest = &frame.payload[..];
    while let Some((length, after)) = rest.split_at_checked(usize::from(nal_length)) {
        let length = length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        let (unit, after) = after.split_at(length.min(after.len()));
        out.put_slice(START_CODE);
        out.put_slice(unit);
        rest = after;
    }
    out.freeze()
}

fn take_sets<'a>(bytes: &mut &'a [u8], count: usize, sets: &mut Vec<&'a [u8]>) -> Option<()> {
    for _ in 0..count {
        let (length, rest) = bytes.split_first_chunk::<2>()?;
        let (set, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        sets.push(set);
        *bytes = rest;
    }
    Some(())
}

fn avc_parameter_sets(description: &[u8]) -> Option<Vec<&[u8]>> {
    let mut sets = Vec::new();
    let (count, mut rest) = description.get(5..)?.split_first()?;
    take_sets(&mut rest, usize::from(count & 0x1f), &mut sets)?;
    let (count, mut rest) = rest.split_first()?;
    take_sets(&mut rest, usize::from(*count), &mut sets)?;
    Some(sets)
}

fn hevc_parameter_sets(description: &[u8]) -> Option<Vec<&[u8]>> {
    let mut sets = Vec::new();
    let (arrays, mut rest) = description.get(22..)?.split_first()?;
    for _ in 0..*arrays {
        let ([_, high, low], after) = rest.split_first_chunk::<3>()?;
        rest = after;
        take_sets(&mut rest, usize::from(u16::from_be_bytes([*high, *low])), &mut sets)?;
    }
    Some(sets)
}
