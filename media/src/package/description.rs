//! Initialisation segments for tracks that come without one (LOC, hang's legacy), from codec and configuration.

use bytes::Bytes;
use mp4_atom::{
    Audio, BufMut, Encode, Esds, Visual,
    esds::{DecoderConfig, DecoderSpecific, EsDescriptor},
};

use super::init::{InitTrack, init_segment};
use crate::{
    codec::{Codec, aac_config, av1_config, opus_dops_from_head, opus_head, parse_aac_config, vp9_config},
    error::PackageError,
    frame::{TrackInfo, TrackKind},
};

/// Everything a catalog says about a track without an initialisation segment.
#[derive(Debug, Clone)]
pub struct TrackDescription<'a> {
    /// Track id to use.
    pub id: u32,
    /// Video or audio with its dimensions.
    pub kind: TrackKind,
    /// WebCodecs codec string.
    pub codec: &'a str,
    /// Ticks per second.
    pub timescale: u32,
    /// Decoder configuration; may be empty for AV1, VP9, AAC and Opus, where the codec string is enough.
    pub description: Bytes,
    /// Bits per second.
    pub bitrate: Option<u64>,
    /// ISO 639-2 code.
    pub language: Option<&'a str>,
}

impl TrackDescription<'_> {
    /// The track with an initialisation segment made for it.
    ///
    /// # Errors
    /// A codec not carried here, or one that needs a configuration (H.264, H.265) without it.
    pub fn into_info(self) -> Result<TrackInfo, PackageError> {
        let fail = |reason| PackageError::Track { codec: self.codec.to_owned(), reason };
        if self.timescale == 0 {
            return Err(fail("timescale is 0"));
        }
        let codec = Codec::from_string(self.codec, &self.description).ok_or_else(|| fail("not carried here"))?;
        let video = !matches!(codec, Codec::Aac | Codec::Opus);
        if video != self.kind.is_video() {
            return Err(fail("does not fit the kind of the track"));
        }
        let description = if self.description.is_empty() {
            default_configuration(codec, self.codec, self.kind).ok_or_else(|| fail("needs a decoder configuration"))?
        } else {
            self.description.clone()
        };
        let mut entry = Vec::new();
        write_entry(&mut entry, codec, &description, &self)
            .map_err(|_| fail("the decoder configuration is malformed"))?;
        let init = init_segment(&[InitTrack {
            id: self.id,
            kind: self.kind,
            timescale: self.timescale,
            language: self.language,
            entry: &entry,
        }]);
        // Reading it back checks the configuration and gives the dimensions it implies.
        let checked = crate::demux::read_init(&init).map_err(|_| fail("the decoder configuration is malformed"))?;
        Ok(TrackInfo {
            codec: self.codec.to_owned(),
            bitrate: self.bitrate,
            kind: match self.kind {
                video @ TrackKind::Video { .. } => video,
                TrackKind::Audio { .. } => checked.kind,
            },
            ..checked
        })
    }
}

fn default_configuration(codec: Codec, text: &str, kind: TrackKind) -> Option<Bytes> {
    match (codec, kind) {
        (Codec::Av1, _) => av1_config(text),
        (Codec::Vp9, _) => vp9_config(text),
        (Codec::Aac, TrackKind::Audio { sample_rate, channels }) => aac_config(text, sample_rate, channels),
        (Codec::Opus, TrackKind::Audio { sample_rate, channels }) => opus_head(sample_rate, channels),
        _ => None,
    }
}

fn write_entry(
    out: &mut Vec<u8>,
    codec: Codec,
    description: &[u8],
    track: &TrackDescription<'_>,
) -> mp4_atom::Result<()> {
    let in_band = track.codec.starts_with("avc3") || track.codec.starts_with("hev1");
    let (name, config) = match codec {
        Codec::H264 { .. } if in_band => (b"avc3", b"avcC"),
        Codec::H264 { .. } => (b"avc1", b"avcC"),
        Codec::H265 { .. } if in_band => (b"hev1", b"hvcC"),
        Codec::H265 { .. } => (b"hvc1", b"hvcC"),
        Codec::Av1 => (b"av01", b"av1C"),
        Codec::Vp9 => (b"vp09", b"vpcC"),
        Codec::Aac => return write_mp4a(out, description),
        Codec::Opus => return write_opus(out, description),
    };
    let pixels = |value: u32| u16::try_from(value).unwrap_or(u16::MAX);
    let (width, height) = match track.kind {
        TrackKind::Video { width, height, .. } => (pixels(width), pixels(height)),
        TrackKind::Audio { .. } => (0, 0),
    };
    out.encode_atom(*name, |out| {
        Visual { data_reference_index: 1, width, height, ..Visual::default() }.encode(out)?;
        out.encode_atom(*config, |out| {
            out.append_slice(description);
            Ok(())
        })
    })
}

fn audio(sample_rate: u32, channels: u32) -> Audio {
    Audio {
        data_reference_index: 1,
        channel_count: u16::try_from(channels).unwrap_or(2),
        sample_size: 16,
        // The field holds 16 bits; higher rates are only in the decoder configuration.
        sample_rate: u16::try_from(sample_rate).unwrap_or(0).into(),
    }
}

fn write_mp4a(out: &mut Vec<u8>, description: &[u8]) -> mp4_atom::Result<()> {
    const AUDIO_STREAM: u8 = 5;
    let config = parse_aac_config(description).ok_or(mp4_atom::Error::OutOfBounds)?;
    out.encode_atom(*b"mp4a", |out| {
        audio(config.sample_rate, config.channels).encode(out)?;
        Esds {
            es_desc: EsDescriptor {
                dec_config: DecoderConfig {
                    object_type_indication: 0x40,
                    stream_type: AUDIO_STREAM,
                    dec_specific: Some(DecoderSpecific { raw: description.to_vec(), ..DecoderSpecific::default() }),
                    ..DecoderConfig::default()
                },
                ..EsDescriptor::default()
            },
        }
        .encode(out)
    })
}

fn write_opus(out: &mut Vec<u8>, description: &[u8]) -> mp4_atom::Result<()> {
    let dops = opus_dops_from_head(description).ok_or(mp4_atom::Error::OutOfBounds)?;
    out.encode_atom(*b"Opus", |out| {
        audio(48_000, dops[1].into()).encode(out)?;
        out.encode_atom(*b"dOps", |out| {
            out.append_slice(&dops);
            Ok(())
        })
    })
}
