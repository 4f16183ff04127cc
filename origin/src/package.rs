//! From a frame to an object: what goes into the payload and what into the properties.

use bytes::Bytes;
use media::{Frame, TrackInfo, TrackKind, package_cmaf};
use moqt::{HopDelay, Pair, Properties, TrackMark, property};
use serde::{Deserialize, Serialize};

use crate::{limit::MAX_PROLOGUE, publish::PublishError};

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

/// A frame, and where its time went until it was published.
#[derive(Clone, Debug)]
pub(crate) struct Published {
    pub(crate) frame: Frame,
    /// `None` for what is not to be measured.
    pub(crate) stamp: Option<Stamp>,
}

/// The beginning of a frame's delay stamp.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    /// When it was captured, or reached this origin, unix µs.
    pub(crate) captured: u64,
    /// µs from then until it was published.
    pub(crate) origin: u64,
}

/// Packages the frames of one track. Pure: the same frame gives the same object every time, so an
/// object that is packaged again is the object that was sent before.
#[derive(Clone, Debug)]
pub(crate) struct Packager {
    form: Form,
    content_type: String,
    /// What comes before the payloads when they are read as one file.
    prologue: Bytes,
    /// Frames of the track are stamped.
    mark: Option<TrackMark>,
}

#[derive(Clone, Debug)]
enum Form {
    /// The payload as it is: catalogs.
    Document,
    /// CMAF chunks.
    Cmaf,
    /// LOC objects.
    Loc { timescale: u64, config: Option<Pair> },
}

impl Packager {
    /// The packager for a catalog.
    pub(crate) fn document() -> Self {
        let content_type = "application/json".to_owned();
        Self { form: Form::Document, content_type, prologue: Bytes::new(), mark: None }
    }

    /// The packager for a media track; with `mark` it stamps frames.
    pub(crate) fn new(packaging: Packaging, track: &TrackInfo, mark: Option<TrackMark>) -> Self {
        match packaging {
            Packaging::Cmaf => {
                let kind = if track.kind.is_video() { "video" } else { "audio" };
                let content_type = format!("{kind}/mp4; codecs=\"{}\"", track.codec);
                Self { form: Form::Cmaf, content_type, prologue: track.init.clone(), mark }
            }
            Packaging::Loc => {
                let id = match track.kind {
                    TrackKind::Video { .. } => property::VIDEO_CONFIG,
                    TrackKind::Audio { .. } => property::AUDIO_CONFIG,
                };
                let config = Some(track.description.clone()).filter(|config| !config.is_empty());
                let config = config.map(|config| Pair::new(id, config));
                let form = Form::Loc { timescale: track.timescale.into(), config };
                Self { form, content_type: "application/octet-stream".to_owned(), prologue: Bytes::new(), mark }
            }
        }
    }

    /// Whether objects carry properties (a bit of the subgroup header).
    pub(crate) fn has_properties(&self) -> bool {
        matches!(self.form, Form::Loc { .. }) || self.mark.is_some()
    }

    /// The properties of the track, `priority` among them.
    pub(crate) fn track_properties(&self, priority: u8) -> Result<Properties, PublishError> {
        let priority = Pair::new(property::DEFAULT_PUBLISHER_PRIORITY, u64::from(priority));
        let timescale = match &self.form {
            Form::Loc { timescale, .. } => Some(Pair::new(property::TIMESCALE, *timescale)),
            Form::Document | Form::Cmaf => None,
        };
        let content_type = Pair::new(property::CONTENT_TYPE, Bytes::from(self.content_type.clone()));
        let mark = self.mark.map(|mark| Pair::new(property::HOP_DELAY, mark.to_bytes()));
        let told = !self.prologue.is_empty() && self.prologue.len() <= MAX_PROLOGUE;
        let prologue = told.then(|| Pair::new(property::PROLOGUE, self.prologue.clone()));
        let pairs = [Some(priority), timescale, Some(content_type), mark, prologue];
        Ok(Properties::from_pairs(pairs.into_iter().flatten())?)
    }

    /// Packages frame number `sequence` (from 0) of its track; `first` of its group.
    pub(crate) fn package(&self, published: &Published, sequence: u32, first: bool) -> Result<Packaged, PublishError> {
        let Published { frame, stamp } = published;
        let stamp = stamp.filter(|_| self.mark.is_some()).map(|Stamp { captured, origin }| {
            let stamp = HopDelay { captured, origin, relays: Vec::new() };
            Pair::new(property::HOP_DELAY, stamp.to_bytes())
        });
        match &self.form {
            Form::Document => Ok(Packaged { properties: Properties::EMPTY, payload: frame.payload.clone() }),
            Form::Cmaf => {
                // Movie fragments are counted from 1.
                let payload = package_cmaf(frame, sequence.wrapping_add(1))?;
                Ok(Packaged { properties: Properties::from_pairs(stamp)?, payload })
            }
            Form::Loc { timescale, config } => {
                let timestamp = frame.pts().max(0).cast_unsigned();
                // A group can be decoded by itself: its first object brings units and configuration.
                let start = first.then(|| [Some(Pair::new(property::TIMESCALE, *timescale)), config.clone()]);
                let pairs = start.into_iter().flatten().flatten();
                let pairs = pairs.chain([Pair::new(property::TIMESTAMP, timestamp)]).chain(stamp);
                Ok(Packaged { properties: Properties::from_pairs(pairs)?, payload: frame.payload.clone() })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{audio, video, video_frame};

    const MARK: TrackMark = TrackMark { capture_known: true };

    fn published(stamp: Option<Stamp>) -> Published {
        Published { frame: video_frame(1, 3000, 3000, true), stamp }
    }

    #[test]
    fn loc_objects_carry_their_time_and_the_first_its_configuration() {
        let track = video(1, 90_000);
        let packager = Packager::new(Packaging::Loc, &track, None);
        let mut published = published(None);
        published.frame.composition_offset = 6000;
        let first = packager.package(&published, 0, true).unwrap();
        assert_eq!(first.payload, published.frame.payload);
        assert_eq!(first.properties.get_int(property::TIMESTAMP), Some(9000));
        assert_eq!(first.properties.get_int(property::TIMESCALE), Some(90_000));
        assert_eq!(first.properties.get_bytes(property::VIDEO_CONFIG), Some(track.description));
        let second = packager.package(&published, 1, false).unwrap();
        assert_eq!(second.properties.iter().count(), 1);
    }

    #[test]
    fn the_same_frame_gives_the_same_object() {
        for packaging in [Packaging::Cmaf, Packaging::Loc] {
            let packager = Packager::new(packaging, &video(1, 90_000), Some(MARK));
            let frame = published(Some(Stamp { captured: 1_700_000_000_000_000, origin: 77 }));
            assert_eq!(packager.package(&frame, 7, true).unwrap(), packager.package(&frame, 7, true).unwrap());
        }
    }

    #[test]
    fn stamps_are_there_where_the_track_says_so_and_only_there() {
        let stamp = Some(Stamp { captured: 1_700_000_000_000_000, origin: 77 });
        for packaging in [Packaging::Cmaf, Packaging::Loc] {
            let packager = Packager::new(packaging, &video(1, 90_000), Some(MARK));
            assert!(packager.has_properties());
            let track = packager.track_properties(7).unwrap();
            assert_eq!(TrackMark::from_bytes(&track.mutable_bytes(property::HOP_DELAY).unwrap()), Some(MARK));
            let object = packager.package(&published(stamp), 0, true).unwrap();
            let read = HopDelay::from_bytes(&object.properties.mutable_bytes(property::HOP_DELAY).unwrap()).unwrap();
            assert_eq!((read.captured, read.origin, read.relays.len()), (1_700_000_000_000_000, 77, 0));
            let bare = packager.package(&published(None), 0, true).unwrap();
            assert_eq!(bare.properties.mutable_bytes(property::HOP_DELAY), None);
            let without = Packager::new(packaging, &video(1, 90_000), None);
            assert_eq!(without.track_properties(7).unwrap().get(property::HOP_DELAY), None);
            assert_eq!(without.package(&published(stamp), 0, true).unwrap(), bare);
        }
    }

    #[test]
    fn track_properties_say_the_priority_and_what_the_payloads_are() {
        let told = |packager: Packager| {
            let properties = packager.track_properties(7).unwrap();
            assert_eq!(properties.default_publisher_priority(), 7);
            assert!(!properties.dynamic_groups());
            let text = String::from_utf8(properties.get_bytes(property::CONTENT_TYPE).unwrap().to_vec()).unwrap();
            (text, properties.get_bytes(property::PROLOGUE))
        };
        let (picture, sound) = (video(1, 90_000), audio(2, 48_000));
        let (text, prologue) = told(Packager::new(Packaging::Cmaf, &picture, None));
        assert_eq!((text.as_str(), prologue), ("video/mp4; codecs=\"avc1.64001f\"", Some(picture.init.clone())));
        assert_eq!(told(Packager::new(Packaging::Cmaf, &sound, None)).0, "audio/mp4; codecs=\"mp4a.40.2\"");
        let loc = told(Packager::new(Packaging::Loc, &picture, None));
        assert_eq!(loc, ("application/octet-stream".to_owned(), None));
        assert_eq!(told(Packager::document()), ("application/json".to_owned(), None));
        let large = TrackInfo { init: vec![0; MAX_PROLOGUE + 1].into(), ..picture };
        assert_eq!(told(Packager::new(Packaging::Cmaf, &large, None)).1, None, "an answer must hold it");
    }
}
