//! MSF (draft-ietf-moq-msf, `draft-01`) with the `cmaf` packaging of CMSF.

use std::{collections::BTreeMap, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Catalog, CatalogTrack, Packaging};
use crate::{container::MICROSECONDS, error::CatalogError, frame::TrackKind};

const VERSION: &str = "draft-01";

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    /// A string since draft-01, a number before; not looked at when reading, since `tracks` decides.
    #[serde(default)]
    version: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    generated_at: Option<u64>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_complete: bool,
    tracks: Option<Vec<Track>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    init_data_list: Vec<InitData>,
}

#[derive(Debug, Serialize, Deserialize)]
struct InitData {
    id: String,
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    data: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Track {
    name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    namespace: Option<String>,
    #[serde(default)]
    packaging: String,
    #[serde(default)]
    is_live: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    role: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    codec: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bitrate: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    framerate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    samplerate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel_config: Option<ChannelConfig>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timescale: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    render_group: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    alt_group: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target_latency: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lang: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init_ref: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init_data: Option<String>,
}

/// A whole number that some writers put down as `5e6` or `5000000.0`.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum Number {
    Whole(u64),
    Fraction(f64),
}

impl Number {
    pub(super) fn millis(duration: Duration) -> Self {
        Self::Whole(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn get(self) -> u64 {
        match self {
            Self::Whole(value) => value,
            Self::Fraction(value) => value.max(0.0).round() as u64,
        }
    }
}

/// A string by the draft; a number in older catalogs.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
enum ChannelConfig {
    Text(String),
    Count(u32),
}

impl ChannelConfig {
    fn channels(&self) -> u32 {
        match self {
            Self::Text(text) => text.parse().unwrap_or(0),
            Self::Count(count) => *count,
        }
    }
}

pub(super) fn write(catalog: &Catalog) -> String {
    let mut document = Document {
        version: VERSION.into(),
        generated_at: catalog.generated_at,
        is_complete: catalog.is_complete,
        tracks: None,
        init_data_list: Vec::new(),
    };
    let tracks = catalog.tracks.iter().filter_map(|track| write_track(track, &mut document.init_data_list)).collect();
    document.tracks = Some(tracks);
    to_json(&document)
}

pub(super) fn to_json(document: &impl Serialize) -> String {
    serde_json::to_string(document).expect("strings, numbers and maps with string keys always serialize")
}

fn write_track(track: &CatalogTrack, init_data: &mut Vec<InitData>) -> Option<Track> {
    let (packaging, init) = match track.packaging {
        Packaging::Cmaf => ("cmaf", &track.init),
        Packaging::Loc => ("loc", &track.description),
        Packaging::Legacy => return None,
    };
    let init_ref = init.as_ref().map(|data| {
        let data = STANDARD.encode(data);
        // Tracks that share their configuration share the entry.
        match init_data.iter().find(|known| known.data == data) {
            Some(known) => known.id.clone(),
            None => {
                let id = format!("init-{}", track.name);
                init_data.push(InitData { id: id.clone(), kind: "inline".to_owned(), data });
                id
            }
        }
    });
    let mut out = Track {
        name: track.name.clone(),
        namespace: track.namespace.clone(),
        packaging: packaging.to_owned(),
        is_live: track.is_live,
        codec: Some(track.codec.clone()),
        bitrate: track.bitrate.map(Number::Whole),
        timescale: track.timescale,
        render_group: track.render_group,
        alt_group: track.alt_group,
        target_latency: track.target_latency.map(Number::millis),
        lang: track.language.clone(),
        label: track.label.clone(),
        init_ref,
        ..Track::default()
    };
    match track.kind {
        TrackKind::Video { width, height, framerate } => {
            out.role = Some("video".to_owned());
            out.width = Some(width);
            out.height = Some(height);
            out.framerate = framerate;
        }
        TrackKind::Audio { sample_rate, channels } => {
            out.role = Some("audio".to_owned());
            out.samplerate = Some(sample_rate);
            out.channel_config = Some(ChannelConfig::Text(channels.to_string()));
        }
    }
    Some(out)
}

pub(super) fn read(json: &[u8]) -> Result<Catalog, CatalogError> {
    let value: Value = serde_json::from_slice(json)?;
    if value.get("tracks").is_none() && value.get("deltaUpdate").is_some() {
        return Err(CatalogError::Delta);
    }
    let document: Document = serde_json::from_slice(json)?;
    let init_data: BTreeMap<&str, &InitData> =
        document.init_data_list.iter().map(|entry| (entry.id.as_str(), entry)).collect();
    // A complete catalog, and one whose broadcast has not begun, may leave the list out.
    let tracks = document.tracks.iter().flatten();
    let tracks = tracks.filter_map(|track| read_track(track, &init_data).transpose());
    Ok(Catalog {
        tracks: tracks.collect::<Result<_, _>>()?,
        generated_at: document.generated_at,
        is_complete: document.is_complete,
    })
}

/// `None` for a track that is not audio or video, or in a packaging not carried here.
fn read_track(track: &Track, init_data: &BTreeMap<&str, &InitData>) -> Result<Option<CatalogTrack>, CatalogError> {
    let fail = |reason: String| CatalogError::Track { track: track.name.clone(), reason };
    let packaging = match track.packaging.as_str() {
        // `chunk-per-object` is what moqtail calls one CMAF chunk per object.
        "cmaf" | "chunk-per-object" => Packaging::Cmaf,
        "loc" => Packaging::Loc,
        // moq-dev lists the tracks of its hang catalog in MSF, too.
        "legacy" => Packaging::Legacy,
        _ => return Ok(None),
    };
    let Some(kind) = kind(track) else {
        return Ok(None);
    };
    let codec = track.codec.clone().ok_or_else(|| fail("`codec` is missing".to_owned()))?;
    let data = match (&track.init_data, &track.init_ref) {
        (Some(data), _) => Some(data),
        (None, Some(id)) => {
            let entry = init_data
                .get(id.as_str())
                .ok_or_else(|| fail(format!("`initRef` \"{id}\" is not in `initDataList`")))?;
            // Other types say that a property carries the data.
            matches!(entry.kind.as_str(), "inline" | "").then_some(&entry.data)
        }
        (None, None) => None,
    };
    let data = data
        .map(|data| STANDARD.decode(data.trim()))
        .transpose()
        .map_err(|error| fail(format!("initialisation data is not base64: {error}")))?
        .map(Bytes::from);
    if track.timescale == Some(0) {
        return Err(fail("`timescale` is 0".to_owned()));
    }
    let (init, description) = match packaging {
        Packaging::Cmaf => (data, None),
        Packaging::Loc | Packaging::Legacy => (None, data),
    };
    Ok(Some(CatalogTrack {
        name: track.name.clone(),
        namespace: track.namespace.clone(),
        packaging,
        kind,
        codec,
        bitrate: track.bitrate.map(Number::get),
        timescale: if packaging == Packaging::Legacy { Some(MICROSECONDS) } else { track.timescale },
        init,
        description,
        is_live: track.is_live,
        target_latency: track.target_latency.map(|latency| Duration::from_millis(latency.get())),
        language: track.lang.clone(),
        label: track.label.clone(),
        render_group: track.render_group,
        alt_group: track.alt_group,
    }))
}

/// By role, or without one by what else is said.
fn kind(track: &Track) -> Option<TrackKind> {
    let is_audio_codec = |codec: &str| codec == "opus" || codec.starts_with("mp4a");
    let audio = match track.role.as_deref() {
        Some("video" | "signlanguage") => false,
        Some("audio" | "audiodescription") => true,
        Some(_) => return None,
        None => track.samplerate.is_some() || track.codec.as_deref().is_some_and(is_audio_codec),
    };
    Some(if audio {
        TrackKind::Audio {
            sample_rate: track.samplerate.unwrap_or(0),
            channels: track.channel_config.as_ref().map_or(0, ChannelConfig::channels),
        }
    } else {
        TrackKind::Video {
            width: track.width.unwrap_or(0),
            height: track.height.unwrap_or(0),
            framerate: track.framerate,
        }
    })
}
