//! Catalogs: what a broadcast offers, in the two dialects players speak.
//!
//! | Dialect | Track name | Module |
//! |---|---|---|
//! | MSF `draft-01` (with CMSF packaging) | `catalog` | `msf` |
//! | hang | `catalog.json` | `hang` |

mod hang;
mod msf;

use std::time::Duration;

use bytes::Bytes;

use crate::{
    demux::read_init,
    error::{CatalogError, PackageError},
    frame::{TrackInfo, TrackKind},
    limit::{MAX_CATALOG_BYTES, MAX_CATALOG_TRACKS},
    package::TrackDescription,
};

/// Name of the MOQT track with the MSF catalog.
pub const MSF_TRACK: &str = "catalog";

/// Name of the MOQT track with the hang catalog.
pub const HANG_TRACK: &str = "catalog.json";

/// How frames sit in objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packaging {
    /// `moof` + `mdat`.
    Cmaf,
    /// Bare chunk, timestamp in object properties (LOC); hang's `loc` puts them in front of the chunk.
    Loc,
    /// hang: QUIC varint timestamp in microseconds, then the chunk.
    Legacy,
}

/// The media tracks of one broadcast.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Catalog {
    /// Media tracks; tracks of other kinds (timelines, logs) and unknown packagings are left out when reading.
    pub tracks: Vec<CatalogTrack>,
    /// Milliseconds since 1970 when the catalog was made.
    pub generated_at: Option<u64>,
    /// The broadcast has ended: nothing will be added any more.
    pub is_complete: bool,
}

/// One media track of a catalog.
#[derive(Debug, Clone, PartialEq)]
pub struct CatalogTrack {
    /// MOQT track name.
    pub name: String,
    /// Where the track is when not in the catalog's own namespace, as the catalog says it: MSF names a namespace, hang a
    /// relative path.
    pub namespace: Option<String>,
    /// How frames sit in objects.
    pub packaging: Packaging,
    /// Video or audio. A dimension the catalog does not give is 0.
    pub kind: TrackKind,
    /// WebCodecs codec string.
    pub codec: String,
    /// Bits per second.
    pub bitrate: Option<u64>,
    /// Ticks per second of the track's timestamps.
    pub timescale: Option<u32>,
    /// CMAF initialisation segment, for [`Packaging::Cmaf`].
    pub init: Option<Bytes>,
    /// Decoder configuration, for [`Packaging::Loc`] and [`Packaging::Legacy`].
    pub description: Option<Bytes>,
    /// Still being produced.
    pub is_live: bool,
    /// How far behind live a player should stay.
    pub target_latency: Option<Duration>,
    /// Language tag.
    pub language: Option<String>,
    /// Name for people.
    pub label: Option<String>,
    /// Tracks with the same number play together.
    pub render_group: Option<u64>,
    /// Tracks with the same number are alternatives of each other.
    pub alt_group: Option<u64>,
}

impl CatalogTrack {
    /// The catalog entry of a demuxed track, live and in render group 1.
    #[must_use]
    pub fn from_info(name: impl Into<String>, info: &TrackInfo, packaging: Packaging) -> Self {
        let cmaf = packaging == Packaging::Cmaf;
        Self {
            name: name.into(),
            namespace: None,
            packaging,
            kind: info.kind,
            codec: info.codec.clone(),
            bitrate: info.bitrate,
            timescale: Some(info.timescale),
            init: cmaf.then(|| info.init.clone()),
            description: (!cmaf && !info.description.is_empty()).then(|| info.description.clone()),
            is_live: true,
            target_latency: None,
            language: info.language.clone(),
            label: None,
            render_group: Some(1),
            alt_group: None,
        }
    }

    /// What a writer or player needs to know about the track: read from the initialisation segment when there is one,
    /// else made from codec, dimensions and description.
    ///
    /// # Errors
    /// The segment does not parse, or the codec cannot be described without what the catalog leaves out.
    pub fn track_info(&self) -> Result<TrackInfo, PackageError> {
        if let Some(init) = &self.init {
            let mut info = read_init(init)?;
            info.bitrate = self.bitrate.or(info.bitrate);
            info.language = self.language.clone().or(info.language);
            return Ok(info);
        }
        TrackDescription {
            id: 1,
            kind: self.kind,
            codec: &self.codec,
            timescale: self.timescale.unwrap_or(crate::container::MICROSECONDS),
            description: self.description.clone().unwrap_or_default(),
            bitrate: self.bitrate,
            language: self.language.as_deref(),
        }
        .into_info()
    }
}

impl Catalog {
    /// The MSF document (`draft-01`): initialisation data in `initDataList`, referred to by `initRef`.
    /// [`Packaging::Legacy`] tracks do not exist there and are left out.
    #[must_use]
    pub fn to_msf(&self) -> String {
        msf::write(self)
    }

    /// Reads an MSF document: `draft-01` and the numeric versions before it, unknown fields ignored.
    ///
    /// # Errors
    /// Not JSON, too large, a delta update, or a media track with a missing or wrong field.
    pub fn from_msf(json: &[u8]) -> Result<Self, CatalogError> {
        check_size(json)?;
        msf::read(json)?.checked()
    }

    /// The hang document.
    #[must_use]
    pub fn to_hang(&self) -> String {
        hang::write(self)
    }

    /// Reads a hang document; renditions in unknown containers are left out, unknown fields ignored.
    ///
    /// # Errors
    /// Not JSON, too large, or a rendition with a wrong field.
    pub fn from_hang(json: &[u8]) -> Result<Self, CatalogError> {
        check_size(json)?;
        hang::read(json)?.checked()
    }

    fn checked(self) -> Result<Self, CatalogError> {
        if self.tracks.len() > MAX_CATALOG_TRACKS {
            return Err(CatalogError::TooManyTracks(self.tracks.len()));
        }
        Ok(self)
    }
}

fn check_size(json: &[u8]) -> Result<(), CatalogError> {
    if json.len() > MAX_CATALOG_BYTES {
        return Err(CatalogError::TooLarge(json.len()));
    }
    Ok(())
}
