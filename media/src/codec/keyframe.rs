//! Whether a frame starts a group, told from its bits.

use super::Codec;

/// Whether decoding can start at this frame: an H.264 IDR, an H.265 IRAP, an AV1 or VP9 key frame; audio always.
/// `None` when the bits do not tell (not a frame of that codec, or a cut one).
#[must_use]
pub fn is_keyframe(codec: Codec, payload: &[u8]) -> Option<bool> {
    match codec {
        Codec::H264 { nal_length } => first_slice(payload, nal_length, |header| match header & 0x1f {
            1..=4 => Some(false),
            5 => Some(true),
            _ => None,
        }),
        Codec::H265 { nal_length } => first_slice(payload, nal_length, |header| match (header >> 1) & 0x3f {
            0..=15 => Some(false),
            16..=23 => Some(true),
            _ => None,
        }),
        Codec::Av1 => av1(payload),
        Codec::Vp9 => vp9(*payload.first()?),
        Codec::Aac | Codec::Opus => Some(true),
    }
}

fn first_slice(payload: &[u8], nal_length: u8, classify: impl Fn(u8) -> Option<bool>) -> Option<bool> {
    if nal_length == 0 {
        return payload.windows(4).filter(|window| window[..3] == [0, 0, 1]).find_map(|window| classify(window[3]));
    }
    let mut rest = payload;
    while let Some((length, after)) = rest.split_at_checked(usize::from(nal_length)) {
        let length = length.iter().fold(0, |sum, byte| (sum << 8) | usize::from(*byte));
        if let Some(verdict) = after.first().filter(|_| length > 0).and_then(|byte| classify(*byte)) {
            return Some(verdict);
        }
        rest = after.get(length..)?;
    }
    None
}

/// Walks the OBUs to the first frame header (AV1 5.3, 5.9.2): a shown key frame behind a sequence header. A key frame
/// that is shown later (a forward key frame) is no place to start.
fn av1(payload: &[u8]) -> Option<bool> {
    const SEQUENCE_HEADER: u8 = 1;
    const FRAME_HEADER: u8 = 3;
    const FRAME: u8 = 6;
    // show_existing_frame 0, frame_type 0, show_frame 1.
    const SHOWN_KEY: u8 = 0b0001;
    let mut rest = payload;
    let mut sequence_header = false;
    loop {
        let header = *rest.first()?;
        if header & 0x80 != 0 {
            return None;
        }
        let mut at = if header & 4 != 0 { 2 } else { 1 };
        let size = if header & 2 != 0 {
            let (size, used) = leb128(rest.get(at..)?)?;
            at += used;
            size
        } else {
            rest.len().checked_sub(at)?
        };
        let body = rest.get(at..)?;
        match (header >> 3) & 15 {
            SEQUENCE_HEADER => sequence_header = true,
            FRAME_HEADER | FRAME => return Some(sequence_header && body.first()? >> 4 == SHOWN_KEY),
            _ => {}
        }
        rest = body.get(size..)?;
    }
}

fn leb128(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        value |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// VP9 uncompressed header: frame_marker(2) profile(2, one reserved bit more for profile 3) show_existing frame_type.
fn vp9(first: u8) -> Option<bool> {
    if first >> 6 != 2 {
        return None;
    }
    let shift = if (first >> 4) & 3 == 3 { 1 } else { 0 };
    let show_existing = first & (0x08 >> shift) != 0;
    Some(!show_existing && first & (0x04 >> shift) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AVC: Codec = Codec::H264 { nal_length: 4 };

    #[test]
    fn h264_looks_past_parameter_sets() {
        let idr = [0, 0, 0, 1, 9, 0, 0, 0, 2, 0x67, 1, 0, 0, 0, 2, 0x65, 0x88];
        assert_eq!(is_keyframe(AVC, &idr), Some(true));
        assert_eq!(is_keyframe(AVC, &[0, 0, 0, 2, 0x41, 0x9a]), Some(false));
        assert_eq!(is_keyframe(AVC, &[0, 0, 0, 9, 0x06, 0x9a]), None);
        assert_eq!(is_keyframe(AVC, &[]), None);
        let start_codes = Codec::H264 { nal_length: 0 };
        assert_eq!(is_keyframe(start_codes, &[0, 0, 0, 1, 0x67, 0, 0, 1, 0x65]), Some(true));
    }

    #[test]
    fn h265_irap_range() {
        let codec = Codec::H265 { nal_length: 4 };
        for (unit, expected) in [(19, Some(true)), (21, Some(true)), (1, Some(false)), (32, None)] {
            assert_eq!(is_keyframe(codec, &[0, 0, 0, 2, unit << 1, 1]), expected, "type {unit}");
        }
    }

    #[test]
    fn vp9_and_av1_headers() {
        assert_eq!(is_keyframe(Codec::Vp9, &[0x82]), Some(true));
        assert_eq!(is_keyframe(Codec::Vp9, &[0x86]), Some(false));
        assert_eq!(is_keyframe(Codec::Vp9, &[0x88]), Some(false));
        assert_eq!(is_keyframe(Codec::Vp9, &[0x00]), None);
        // Sequence header of one byte, then a frame: key (type 0), inter (type 1).
        assert_eq!(is_keyframe(Codec::Av1, &[0x0a, 1, 0, 0x32, 1, 0x10]), Some(true));
        assert_eq!(is_keyframe(Codec::Av1, &[0x0a, 1, 0, 0x32, 1, 0x00]), Some(false), "shown later");
        assert_eq!(is_keyframe(Codec::Av1, &[0x0a, 1, 0, 0x32, 1, 0x80]), Some(false), "shown again");
        assert_eq!(is_keyframe(Codec::Av1, &[0x32, 1, 0x10]), Some(false), "no sequence header");
        assert_eq!(is_keyframe(Codec::Av1, &[0x32, 1, 0x30]), Some(false));
        assert_eq!(is_keyframe(Codec::Av1, &[0x0a, 0x85]), None);
    }
}
