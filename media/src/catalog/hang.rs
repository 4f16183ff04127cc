//! hang (moq-dev): renditions by track name, configuration in hexadecimal.

use std::{collections::BTreeMap, fmt::Write as _, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{
    Catalog, CatalogTrack, Packaging,
    msf::{Number, to_json},
};
use crate::{container::MICROSECONDS, error::CatalogError, frame::TrackKind};

#[derive(Debug, Default, Serialize, Deserialize)]
struct Document {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    video: Option<Section>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audio: Option<Section>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Section {
    #[serde(default)]
    renditions: BTreeMap<String, Rendition>,
}

/// One rendition; the fields of the other kind stay empty.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rendition {
    codec: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coded_width: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    coded_height: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    framerate: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    sample_rate: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number_of_channels: Option<u32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bitrate: Option<Number>,
    /// Milliseconds a player should buffer at least.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jitter: Option<Number>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    label: Option<String>,
    /// Relative path of another broadcast that holds the track.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    broadcast: Option<String>,
    #[serde(default)]
    container: Container,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Container {
    kind: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    init: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timescale: Option<u32>,
}

impl Default for Container {
    /// What an absent container means.
    fn default() -> Self {
        Self { kind: "legacy".to_owned(), init: None, timescale: None }
    }
}

pub(super) fn write(catalog: &Catalog) -> String {
    let mut document = Document::default();
    for track in &catalog.tracks {
        let section = if track.kind.is_video() { &mut document.video } else { &mut document.audio };
        let section = section.get_or_insert_default();
        section.renditions.insert(track.name.clone(), write_rendition(track));
    }
    to_json(&document)
}

fn write_rendition(track: &CatalogTrack) -> Rendition {
    let container = match track.packaging {
        Packaging::Cmaf => Container {
            kind: "cmaf".to_owned(),
            init: track.init.as_ref().map(|init| STANDARD.encode(init)),
            timescale: track.timescale,
        },
        Packaging::Loc => Container { kind: "loc".to_owned(), ..Container::default() },
        Packaging::Legacy => Container::default(),
    };
    let mut rendition = Rendition {
        codec: track.codec.clone(),
        description: track.description.as_deref().map(to_hex),
        bitrate: track.bitrate.map(Number::Whole),
        label: track.label.clone(),
        jitter: track.target_latency.map(Number::millis),
        broadcast: track.namespace.clone(),
        container,
        ..Rendition::default()
    };
    match track.kind {
        TrackKind::Video { width, height, framerate } => {
            rendition.coded_width = Some(width);
            rendition.coded_height = Some(height);
            rendition.framerate = framerate;
        }
        TrackKind::Audio { sample_rate, channels } => {
            rendition.sample_rate = Some(sample_rate);
            rendition.number_of_channels = Some(channels);
        }
    }
    rendition
}

pub(super) fn read(json: &[u8]) -> Result<Catalog, CatalogError> {
    let document: Document = serde_json::from_slice(json)?;
    let mut catalog = Catalog::default();
    for (section, video) in [(document.video, true), (document.audio, false)] {
        for (name, rendition) in section.unwrap_or_default().renditions {
            catalog.tracks.extend(read_rendition(name, rendition, video)?);
        }
    }
    Ok(catalog)
}

/// `None` for a container not known here.
fn read_rendition(name: String, rendition: Rendition, video: bool) -> Result<Option<CatalogTrack>, CatalogError> {
    let fail = |reason: String| CatalogError::Track { track: name.clone(), reason };
    let packaging = match rendition.container.kind.as_str() {
        "cmaf" => Packaging::Cmaf,
        "loc" => Packaging::Loc,
        "legacy" => Packaging::Legacy,
        _ => return Ok(None),
    };
    let kind = if video {
        TrackKind::Video {
            width: rendition.coded_width.unwrap_or(0),
            height: rendition.coded_height.unwrap_or(0),
            framerate: rendition.framerate,
        }
    } else {
        TrackKind::Audio {
            sample_rate: rendition.sample_rate.unwrap_or(0),
            channels: rendition.number_of_channels.unwrap_or(0),
        }
    };
    let init = rendition.container.init.as_deref().map(|init| STANDARD.decode(init));
    let init =
        init.transpose().map_err(|error| fail(format!("`container.init` is not base64: {error}")))?.map(Bytes::from);
    let description = rendition.description.as_deref().map(from_hex);
    if description == Some(None) {
        return Err(fail("`description` is not hexadecimal".to_owned()));
    }
    let timescale = match packaging {
        Packaging::Cmaf => rendition.container.timescale.filter(|timescale| *timescale > 0),
        Packaging::Loc | Packaging::Legacy => Some(MICROSECONDS),
    };
    Ok(Some(CatalogTrack {
        packaging,
        namespace: rendition.broadcast,
        kind,
        codec: rendition.codec,
        bitrate: rendition.bitrate.map(Number::get),
        timescale,
        init,
        description: description.flatten(),
        is_live: true,
        target_latency: rendition.jitter.map(|jitter| Duration::from_millis(jitter.get())),
        language: None,
        label: rendition.label,
        render_group: None,
        alt_group: None,
        name,
    }))
}

fn to_hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn from_hex(text: &str) -> Option<Bytes> {
    let digits = text.as_bytes();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits
        .chunks_exact(2)
        .map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?))
        .collect::<Option<Vec<u8>>>()
        .map(Bytes::from)
}
