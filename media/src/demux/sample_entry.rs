//! Sample entries: from the box of a track's `stsd` to codec string, decoder configuration and dimensions.
//!
//! The configuration boxes are kept byte for byte, since decoders want them so.

use bytes::Bytes;
use mp4_atom::{Audio, Btrt, Decode, Esds, Visual};

use crate::{
    bmff::BoxRef,
    codec::{Codec, av1_string, avc_string, hevc_string, opus_head_from_dops, parse_aac_config, vp9_string},
    error::DemuxError,
    frame::TrackKind,
};

/// Bytes of a VisualSampleEntry before its boxes.
const VISUAL_FIELDS: usize = 78;

/// Bytes of an AudioSampleEntry before its boxes, by QuickTime version.
const AUDIO_FIELDS: [usize; 3] = [28, 44, 64];

/// MPEG-4 audio, the object type whose details are in the AudioSpecificConfig.
const OBJECT_TYPE_AAC: u8 = 0x40;

/// Sampling rate of every Opus track (RFC 7845: output is at 48 kHz).
const OPUS_RATE: u32 = 48_000;

#[derive(Debug)]
pub(super) struct SampleEntry {
    pub(super) codec: Codec,
    pub(super) string: String,
    pub(super) description: Bytes,
    pub(super) kind: TrackKind,
    pub(super) bitrate: Option<u64>,
}

impl SampleEntry {
    /// Reads one entry; `None` for a codec not carried here.
    pub(super) fn parse(entry: &BoxRef<'_>) -> Result<Option<Self>, DemuxError> {
        let name = match &entry.kind.0 {
            b"avc1" => "avc1",
            b"avc3" => "avc3",
            b"hvc1" => "hvc1",
            b"hev1" => "hev1",
            b"av01" => "av01",
            b"vp09" => "vp09",
            b"mp4a" => return Self::parse_audio(entry, parse_mp4a),
            b"Opus" => return Self::parse_audio(entry, parse_opus),
            _ => return Ok(None),
        };
        Self::parse_video(entry, name).map(Some)
    }

    fn parse_video(entry: &BoxRef<'_>, name: &str) -> Result<Self, DemuxError> {
        let visual = Visual::decode(&mut &*entry.body).map_err(|error| entry.invalid(error.to_string()))?;
        let config = match name {
            "avc1" | "avc3" => b"avcC",
            "hvc1" | "hev1" => b"hvcC",
            "av01" => b"av1C",
            _ => b"vpcC",
        };
        let config = match find_after(entry, VISUAL_FIELDS, config) {
            Ok(found) if !found.body.is_empty() => found,
            Err(error) if name != "av01" => return Err(error),
            // Muxers that write the moov before the first frame have nothing to put there.
            _ => {
                return Err(entry.unsupported(
                    "decoder configuration is empty: the moov was written before the encoder made it; with ffmpeg add \
                     `-movflags +delay_moov`",
                ));
            }
        };
        let string = match name {
            "avc1" | "avc3" => avc_string(name, config.body),
            "hvc1" | "hev1" => hevc_string(name, config.body),
            "av01" => av1_string(config.body),
            _ => vp9_string(config.body),
        };
        let string = string.ok_or_else(|| config.invalid("not a decoder configuration this player knows"))?;
        let codec = Codec::from_string(&string, config.body).ok_or_else(|| entry.unsupported(string.clone()))?;
        Ok(Self {
            codec,
            string,
            description: Bytes::copy_from_slice(config.body),
            kind: TrackKind::Video { width: visual.width.into(), height: visual.height.into(), framerate: None },
            bitrate: bitrate(entry, VISUAL_FIELDS)?,
        })
    }

    fn parse_audio(
        entry: &BoxRef<'_>,
        parse: impl Fn(&BoxRef<'_>, usize, &Audio) -> Result<Self, DemuxError>,
    ) -> Result<Option<Self>, DemuxError> {
        let audio = Audio::decode(&mut &*entry.body).map_err(|error| entry.invalid(error.to_string()))?;
        let version = entry.body.get(9).copied().map_or(0, usize::from);
        let fields = AUDIO_FIELDS.get(version).copied().unwrap_or(AUDIO_FIELDS[0]);
        let mut parsed = parse(entry, fields, &audio)?;
        parsed.bitrate = bitrate(entry, fields)?.or(parsed.bitrate);
        Ok(Some(parsed))
    }
}

fn parse_mp4a(entry: &BoxRef<'_>, fields: usize, audio: &Audio) -> Result<SampleEntry, DemuxError> {
    let esds_box = match find_after(entry, fields, b"esds") {
        // QuickTime wraps it in `wave`.
        Err(missing) => match find_after(entry, fields, b"wave") {
            Ok(wave) => wave.need(b"esds")?,
            Err(_) => return Err(missing),
        },
        found => found?,
    };
    let esds: Esds = esds_box.decode()?;
    let decoder = esds.es_desc.dec_config;
    if decoder.object_type_indication != OBJECT_TYPE_AAC {
        let reason = format!("audio object type 0x{:02x}", decoder.object_type_indication);
        return Err(esds_box.unsupported(reason));
    }
    let raw = decoder.dec_specific.map(|specific| specific.raw).unwrap_or_default();
    let config = parse_aac_config(&raw).ok_or_else(|| esds_box.invalid("no AudioSpecificConfig"))?;
    let or_else = |value: u32, fallback: u32| if value == 0 { fallback } else { value };
    Ok(SampleEntry {
        codec: Codec::Aac,
        string: format!("mp4a.40.{}", config.object_type),
        description: raw.into(),
        kind: TrackKind::Audio {
            sample_rate: or_else(config.sample_rate, audio.sample_rate.integer().into()),
            channels: or_else(config.channels, audio.channel_count.into()),
        },
        bitrate: (decoder.avg_bitrate > 0).then(|| decoder.avg_bitrate.into()),
    })
}

fn parse_opus(entry: &BoxRef<'_>, fields: usize, _: &Audio) -> Result<SampleEntry, DemuxError> {
    let dops = find_after(entry, fields, b"dOps")?;
    let description = opus_head_from_dops(dops.body).ok_or_else(|| dops.invalid("not an Opus configuration"))?;
    Ok(SampleEntry {
        codec: Codec::Opus,
        string: "opus".to_owned(),
        kind: TrackKind::Audio { sample_rate: OPUS_RATE, channels: dops.body[1].into() },
        description,
        bitrate: None,
    })
}

fn find_after<'a>(entry: &BoxRef<'a>, fields: usize, kind: &[u8; 4]) -> Result<BoxRef<'a>, DemuxError> {
    for child in entry.children(fields) {
        let child = child?;
        if child.kind.0 == *kind {
            return Ok(child);
        }
    }
    Err(entry.invalid(format!("no `{}` inside", kind.escape_ascii())))
}

fn bitrate(entry: &BoxRef<'_>, fields: usize) -> Result<Option<u64>, DemuxError> {
    let Ok(btrt) = find_after(entry, fields, b"btrt") else {
        return Ok(None);
    };
    let btrt: Btrt = btrt.decode()?;
    let best = btrt.max_bitrate.max(btrt.avg_bitrate);
    Ok((best > 0).then(|| best.into()))
}
