//! What the containers need to know about codecs: codec strings, decoder configurations, keyframes.

mod annex_b;
mod configuration;
mod keyframe;

pub use annex_b::to_annex_b;
pub(crate) use configuration::{
    aac_config, av1_config, av1_string, avc_string, hevc_string, opus_dops_from_head, opus_head, opus_head_from_dops,
    parse_aac_config, vp9_config, vp9_string,
};
pub use keyframe::is_keyframe;

/// The codecs carried here, with what is needed to look into a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// H.264, NAL units with a length prefix of that many bytes; 0 = Annex B start codes.
    H264 {
        /// 1, 2 or 4; 0 for start codes.
        nal_length: u8,
    },
    /// H.265, NAL units with a length prefix of that many bytes; 0 = Annex B start codes.
    H265 {
        /// 1, 2 or 4; 0 for start codes.
        nal_length: u8,
    },
    /// AV1, temporal units.
    Av1,
    /// VP9.
    Vp9,
    /// AAC.
    Aac,
    /// Opus.
    Opus,
}

impl Codec {
    /// The codec of a WebCodecs codec string and its decoder configuration; `None` for a codec not carried here.
    #[must_use]
    pub fn from_string(codec: &str, description: &[u8]) -> Option<Self> {
        let nal_length = |at: usize| description.get(at).map_or(0, |byte| (byte & 3) + 1);
        let name = codec.split('.').next().unwrap_or(codec);
        Some(match name {
            "avc1" | "avc3" => Self::H264 { nal_length: nal_length(4) },
            "hvc1" | "hev1" => Self::H265 { nal_length: nal_length(21) },
            "av01" => Self::Av1,
            "vp09" => Self::Vp9,
            "mp4a" => Self::Aac,
            "opus" | "Opus" => Self::Opus,
            _ => return None,
        })
    }
}
