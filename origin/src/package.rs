//! From a frame to an object: what goes into the payload and what into the properties.

use bytes::Bytes;
use media::{Frame, TrackInfo, TrackKind, package_cmaf};
use moqt::{Pair, Properties, property};
use serde::{Deserialize, Serialize};

use crate::publish::PublishError;

/// How frames are put into objects.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Packaging {
    /// One `moof` + `mdat` per frame; what every CMSF and hang player takes.
    #[default]
    Cmaf,
    /// The bare frame; times and decoder configuration are object properties (LOC).
    Loc,
}

/// One object, ready to be published.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Packaged {
    pub(crate) properties: Properties,
    pub(crate) payload: Bytes,
}

/// Packages the frames of one track. Pure: the same frame gives the same object every time, so an
/// object that is packaged again is the object that was sent before.
#[derive(Clone, Debug)]
pub(crate) enum Packager {
    /// The payload as it is: catalogs.
    Document,
    /// CMAF chunks.
    Cmaf,
    /// LOC objects.
    Loc { timescale: u64, config: Option<Pair> },
}

impl Packager {
    /// The packager for a media track.
    pub(crate) fn new(packaging: Packaging, track: &TrackInfo) -> Self {
        match packaging {
            Packaging::Cmaf => Self::Cmaf,
            Packaging::Loc => {
                let id = match track.kind {
                    TrackKind::Video { .. } => property::VIDEO_CONFIG,
                    TrackKind::Audio { .. } => property::AUDIO_CONFIG,
                };
                let config = Some(track.description.clone()).filter(|config| !config.is_empty());
                Self::Loc { timescale: track.timescale.into(), config: config.map(|config| Pair::new(id, config)) }
            }
        }
    }

    /// Whether objects carry properties (a bit of the subgroup header).
    pub(crate) fn has_properties(&self) -> bool {
        matches!(self, Self::Loc { .. })
    }

    /// The properties of the track, `priority` among them.
    pub(crate) fn track_properties(&self, priority: u8) -> Result<Properties, PublishError> {
        let priority = Pair::new(property::DEFAULT_PUBLISHER_PRIORITY, u64::from(priority));
        let timescale = match self {
            Self::Loc { timescale, .. } => Some(Pair::new(property::TIMESCALE, *timescale)),
            Self::Document | Self::Cmaf => None,
        };
        // Pairs are written as differences, so they must ascend: 0x08 before 0x0E.
        Ok(Properties::from_pairs(timescale.into_iter().chain([priority]))?)
    }

    /// Packages frame number `sequence` (from 0) of its track; `first` of its group.
    pub(crate) fn package(&self, frame: &Frame, sequence: u32, first: bool) -> Result<Packaged, PublishError> {
        match self {
            Self::Document => Ok(Packaged { properties: Properties::EMPTY, payload: frame.payload.clone() }),
            Self::Cmaf => {
                // Movie fragments are counted from 1.
                let payload = package_cmaf(frame, sequence.wrapping_add(1))?;
                Ok(Packaged { properties: Properties::EMPTY, payload })
            }
            Self::Loc { timescale, config } => {
                let timestamp = frame.pts().max(0).cast_unsigned();
                // A group can be decoded by itself: its first object brings units and configuration.
                let start = first.then(|| [Some(Pair::new(property::TIMESCALE, *timescale)), config.clone()]);
                let pairs = start.into_iter().flatten().flatten();
                let pairs = pairs.chain([Pair::new(property::TIMESTAMP, timestamp)]);
                Ok(Packaged { properties: Properties::from_pairs(pairs)?, payload: frame.payload.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{video, video_frame};

    #[test]
    fn loc_objects_carry_their_time_and_the_first_its_configuration() {
        let track = video(1, 90_000);
        let packager = Packager::new(Packaging::Loc, &track);
        let mut frame = video_frame(1, 3000, 3000, true);
        frame.composition_offset = 6000;
        let first = packager.package(&frame, 0, true).unwrap();
        assert_eq!(first.payload, frame.payload);
        assert_eq!(first.properties.get_int(property::TIMESTAMP), Some(9000));
        assert_eq!(first.properties.get_int(property::TIMESCALE), Some(90_000));
        assert_eq!(first.properties.get_bytes(property::VIDEO_CONFIG), Some(track.description));
        let second = packager.package(&frame, 1, false).unwrap();
        assert_eq!(second.properties.iter().count(), 1);
    }

    #[test]
    fn the_same_frame_gives_the_same_object() {
        for packaging in [Packaging::Cmaf, Packaging::Loc] {
            let packager = Packager::new(packaging, &video(1, 90_000));
            let frame = video_frame(1, 3000, 3000, true);
            assert_eq!(packager.package(&frame, 7, true).unwrap(), packager.package(&frame, 7, true).unwrap());
        }
    }

    #[test]
    fn track_properties_say_the_priority() {
        for packaging in [Packaging::Cmaf, Packaging::Loc] {
            let properties = Packager::new(packaging, &video(1, 90_000)).track_properties(7).unwrap();
            assert_eq!(properties.default_publisher_priority(), 7);
            assert!(!properties.dynamic_groups());
        }
    }
}
