//! Codec strings from decoder configurations, and the configurations that can be made from a codec string alone.

use std::fmt::Write as _;

use bytes::Bytes;

const OPUS_MAGIC: &[u8; 8] = b"OpusHead";

/// Samples at 48 kHz an Opus decoder throws away first: what libopus asks for.
const OPUS_PRE_SKIP: u16 = 312;

/// Sampling rates by AudioSpecificConfig index (ISO/IEC 14496-3, 1.6.3.4).
const AAC_RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// `avc1.PPCCLL` from an avcC (ISO/IEC 14496-15, 5.3.3).
pub(crate) fn avc_string(entry: &str, avcc: &[u8]) -> Option<String> {
    let [1, profile, compatibility, level, _, ..] = *avcc else {
        return None;
    };
    Some(format!("{entry}.{profile:02x}{compatibility:02x}{level:02x}"))
}

/// `hvc1.1.6.L93.B0` from an hvcC (ISO/IEC 14496-15, Annex E).
pub(crate) fn hevc_string(entry: &str, hvcc: &[u8]) -> Option<String> {
    if hvcc.len() < 23 {
        return None;
    }
    let space = ["", "A", "B", "C"][usize::from(hvcc[1] >> 6)];
    let tier = if hvcc[1] & 0x20 == 0 { 'L' } else { 'H' };
    let profile = hvcc[1] & 0x1f;
    let compatibility = u32::from_be_bytes([hvcc[2], hvcc[3], hvcc[4], hvcc[5]]).reverse_bits();
    let mut text = format!("{entry}.{space}{profile}.{compatibility:X}.{tier}{}", hvcc[12]);
    let constraints = &hvcc[6..12];
    let used = constraints.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    for byte in &constraints[..used] {
        // Writing to a String cannot fail.
        let _ = write!(text, ".{byte:X}");
    }
    Some(text)
}

/// `av01.P.LLT.DD` from an av1C.
pub(crate) fn av1_string(av1c: &[u8]) -> Option<String> {
    let [_, profile_level, flags, _, ..] = *av1c else {
        return None;
    };
    let profile = profile_level >> 5;
    let tier = if flags & 0x80 == 0 { 'M' } else { 'H' };
    let depth = match (flags & 0x40 != 0, flags & 0x20 != 0) {
        (true, true) if profile == 2 => 12,
        (true, _) => 10,
        _ => 8,
    };
    Some(format!("av01.{profile}.{:02}{tier}.{depth:02}", profile_level & 0x1f))
}

/// av1C for a codec string: 4:2:0, no configuration OBUs (the sequence header is in every keyframe).
pub(crate) fn av1_config(codec: &str) -> Option<Bytes> {
    let mut parts = codec.strip_prefix("av01.")?.split('.');
    let profile: u8 = parts.next()?.parse().ok()?;
    let level_tier = parts.next()?;
    let (level, tier) = level_tier.split_at_checked(level_tier.len().checked_sub(1)?)?;
    let level: u8 = level.parse().ok()?;
    if profile > 2 || level > 31 {
        return None;
    }
    let depth = match parts.next()? {
        "08" => 0,
        "10" => 0x40,
        "12" => 0x60,
        _ => return None,
    };
    let tier = if tier == "H" { 0x80 } else { 0 };
    Some(Bytes::copy_from_slice(&[0x81, profile << 5 | level, tier | depth | 0x0c, 0]))
}

/// `vp09.PP.LL.DD` from a vpcC (with its version and flags).
pub(crate) fn vp9_string(vpcc: &[u8]) -> Option<String> {
    let [_, _, _, _, profile, level, depth, ..] = *vpcc else {
        return None;
    };
    Some(format!("vp09.{profile:02}.{level:02}.{:02}", depth >> 4))
}

/// vpcC for a codec string: 4:2:0, limited range, colours unspecified.
pub(crate) fn vp9_config(codec: &str) -> Option<Bytes> {
    let mut parts = codec.strip_prefix("vp09.")?.split('.');
    let profile: u8 = parts.next()?.parse().ok()?;
    let level: u8 = parts.next()?.parse().ok()?;
    let depth: u8 = parts.next()?.parse().ok()?;
    if profile > 3 || !matches!(depth, 8 | 10 | 12) {
        return None;
    }
    Some(Bytes::copy_from_slice(&[1, 0, 0, 0, profile, level, depth << 4 | 2, 2, 2, 2, 0, 0]))
}

/// What an AudioSpecificConfig says.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AacConfig {
    pub(crate) object_type: u8,
    /// 0 when the config does not give it.
    pub(crate) sample_rate: u32,
    /// 0 when it is defined elsewhere.
    pub(crate) channels: u32,
}

/// Reads the head of an AudioSpecificConfig (ISO/IEC 14496-3, 1.6.2.1).
pub(crate) fn parse_aac_config(config: &[u8]) -> Option<AacConfig> {
    let mut word = [0; 8];
    let used = config.len().min(8);
    word[..used].copy_from_slice(&config[..used]);
    let word = u64::from_be_bytes(word);
    let mut at = 0;
    let mut bits = |count: u32| {
        let value = (word << at) >> (64 - count);
        at += count;
        value
    };
    if config.len() < 2 {
        return None;
    }
    let object_type = match bits(5) {
        31 => 32 + bits(6),
        small => small,
    };
    let sample_rate = match bits(4) {
        15 => bits(24),
        index => u64::from(AAC_RATES.get(index as usize).copied().unwrap_or(0)),
    };
    let channels = match bits(4) {
        7 => 8,
        channels @ 0..=6 => channels,
        _ => 0,
    };
    Some(AacConfig { object_type: object_type as u8, sample_rate: sample_rate as u32, channels: channels as u32 })
}

/// AudioSpecificConfig for `mp4a.40.N` and the usual rates and channel counts.
pub(crate) fn aac_config(codec: &str, sample_rate: u32, channels: u32) -> Option<Bytes> {
    let object_type: u16 = codec.strip_prefix("mp4a.40.")?.parse().ok()?;
    let rate = AAC_RATES.iter().position(|rate| *rate == sample_rate)? as u16;
    let channels: u16 = match channels {
        1..=6 => channels as u16,
        8 => 7,
        _ => return None,
    };
    (1..=30)
        .contains(&object_type)
        .then(|| Bytes::copy_from_slice(&(object_type << 11 | rate << 7 | channels << 3).to_be_bytes()))
}

/// OpusHead (RFC 7845, little endian) from a dOps body (big endian, no magic).
pub(crate) fn opus_head_from_dops(dops: &[u8]) -> Option<Bytes> {
    let [0, channels, skip1, skip0, r3, r2, r1, r0, gain1, gain0, mapping @ ..] = dops else {
        return None;
    };
    let mut head = OPUS_MAGIC.to_vec();
    head.extend([1, *channels, *skip0, *skip1, *r0, *r1, *r2, *r3, *gain0, *gain1]);
    head.extend(mapping);
    (!mapping.is_empty()).then(|| head.into())
}

/// dOps body from an OpusHead.
pub(crate) fn opus_dops_from_head(head: &[u8]) -> Option<Vec<u8>> {
    let [_, channels, skip0, skip1, r0, r1, r2, r3, gain0, gain1, mapping @ ..] = head.strip_prefix(OPUS_MAGIC)? else {
        return None;
    };
    let mut dops = vec![0, *channels, *skip1, *skip0, *r3, *r2, *r1, *r0, *gain1, *gain0];
    dops.extend(mapping);
    (!mapping.is_empty()).then_some(dops)
}

/// OpusHead for mono or stereo without further information.
pub(crate) fn opus_head(sample_rate: u32, channels: u32) -> Option<Bytes> {
    let channels = u8::try_from(channels).ok().filter(|count| matches!(count, 1 | 2))?;
    let mut head = OPUS_MAGIC.to_vec();
    head.extend([1, channels]);
    head.extend(OPUS_PRE_SKIP.to_le_bytes());
    head.extend(sample_rate.to_le_bytes());
    head.extend([0, 0, 0]);
    Some(head.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_are_exact() {
        assert_eq!(avc_string("avc1", &[1, 0x64, 0, 0x1f, 0xff]).unwrap(), "avc1.64001f");
        let mut hvcc = vec![1, 1, 0x60, 0, 0, 0, 0x90, 0, 0, 0, 0, 0, 93];
        hvcc.resize(23, 0);
        assert_eq!(hevc_string("hvc1", &hvcc).unwrap(), "hvc1.1.6.L93.90");
        assert_eq!(av1_string(&[0x81, 0x04, 0x0c, 0]).unwrap(), "av01.0.04M.08");
        assert_eq!(vp9_string(&[1, 0, 0, 0, 0, 10, 0x82, 2, 2, 2, 0, 0]).unwrap(), "vp09.00.10.08");
        assert_eq!(avc_string("avc1", &[1, 2]), None);
    }

    #[test]
    fn configurations_made_from_strings_say_the_same() {
        for codec in ["av01.0.04M.08", "av01.1.13H.10", "av01.2.08M.12"] {
            assert_eq!(av1_string(&av1_config(codec).unwrap()).unwrap(), codec);
        }
        for codec in ["vp09.00.10.08", "vp09.02.51.10"] {
            assert_eq!(vp9_string(&vp9_config(codec).unwrap()).unwrap(), codec);
        }
        let aac = parse_aac_config(&aac_config("mp4a.40.2", 44_100, 2).unwrap()).unwrap();
        assert_eq!((aac.object_type, aac.sample_rate, aac.channels), (2, 44_100, 2));
        assert_eq!(av1_config("av01.0.M.08"), None);
        assert_eq!(av1_config("av01.0.é.08"), None);
    }

    #[test]
    fn opus_headers_convert_both_ways() {
        let head = opus_head(48_000, 2).unwrap();
        let dops = opus_dops_from_head(&head).unwrap();
        assert_eq!(dops, [0, 2, 1, 56, 0, 0, 0xbb, 0x80, 0, 0, 0]);
        assert_eq!(opus_head_from_dops(&dops).unwrap(), head);
    }
}
