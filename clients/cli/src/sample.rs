//! Objects to frames: CMAF, LOC and hang's legacy container.

use bytes::Bytes;
use media::{
    CatalogTrack, Codec, Frame, MICROSECONDS, PackageError, Packaging, RawFrame, TrackInfo, Unpackager,
    decode_hang_loc, decode_legacy, is_keyframe, loc,
};

use crate::merge::Entry;

/// One frame, and when it is.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// Decode time where the container has one, else presentation time, in microseconds of the track's own timeline.
    pub(crate) time: i64,
    /// Length in microseconds; 0 when the container does not say.
    pub(crate) duration: i64,
    /// Microseconds since 1970 when it was captured, when the publisher says.
    pub(crate) captured: Option<u64>,
    /// The frame itself.
    pub(crate) coded: Coded,
}

/// A frame as its container gives it.
#[derive(Debug, Clone)]
pub(crate) enum Coded {
    /// With decode time and duration.
    Frame(Frame),
    /// With a presentation time only.
    Raw(RawFrame),
}

/// Takes the objects of one track apart.
#[derive(Debug)]
pub(crate) struct Depackager {
    info: TrackInfo,
    codec: Codec,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Cmaf(Box<Unpackager>),
    Loc,
    Legacy,
}

impl Depackager {
    /// For a track of a catalog.
    pub(crate) fn new(track: &CatalogTrack) -> Result<Self, PackageError> {
        let info = track.track_info()?;
        let form = match track.packaging {
            Packaging::Cmaf => Form::Cmaf(Box::new(Unpackager::new(&info.init)?)),
            Packaging::Loc => Form::Loc,
            Packaging::Legacy => Form::Legacy,
        };
        let codec = Codec::from_string(&info.codec, &info.description);
        let codec =
            codec.ok_or_else(|| PackageError::Track { codec: info.codec.clone(), reason: "not carried here" })?;
        Ok(Self { info, codec, form })
    }

    /// The track, with an initialisation segment.
    pub(crate) fn info(&self) -> &TrackInfo {
        &self.info
    }

    /// The frames of one object, in decode order.
    pub(crate) fn unpack(&mut self, entry: &Entry) -> Result<Vec<Sample>, PackageError> {
        let timescale = self.info.timescale;
        match &mut self.form {
            Form::Cmaf(unpackager) => {
                let frames = unpackager.unpack(&entry.payload)?;
                Ok(frames.into_iter().map(|frame| sample_of_frame(frame, timescale)).collect())
            }
            Form::Legacy => {
                let (timestamp, payload) = decode_legacy(entry.payload.clone())?;
                Ok(self.raw(entry, timestamp, MICROSECONDS, payload))
            }
            Form::Loc => self.unpack_loc(entry),
        }
    }

    fn unpack_loc(&self, entry: &Entry) -> Result<Vec<Sample>, PackageError> {
        let timestamp = [loc::TIMESTAMP, loc::OLD_TIMESTAMP].into_iter().find_map(|id| entry.properties.get_int(id));
        let Some(timestamp) = timestamp else {
            // hang's `loc` keeps its properties in front of the chunk.
            let (timestamp, payload) = decode_hang_loc(entry.payload.clone())?;
            return Ok(self.raw(entry, timestamp, MICROSECONDS, payload));
        };
        let timescale = entry.properties.get_int(loc::TIMESCALE).and_then(|scale| u32::try_from(scale).ok());
        let timescale = timescale.filter(|scale| *scale > 0).unwrap_or(self.info.timescale);
        Ok(self.raw(entry, timestamp, timescale, entry.payload.clone()))
    }

    /// Nothing for a chunk without bytes: moq-dev ends its groups with one, which only tells when the last frame ends.
    fn raw(&self, entry: &Entry, timestamp: u64, timescale: u32, payload: Bytes) -> Vec<Sample> {
        if payload.is_empty() {
            return Vec::new();
        }
        let first = entry.location.object <= entry.missing_objects;
        let keyframe = !self.info.kind.is_video() || is_keyframe(self.codec, &payload).unwrap_or(first);
        let microseconds = rescale(timestamp.into(), timescale, MICROSECONDS);
        // A timestamp in microseconds that reads as a date of this century is one (LOC without a timescale).
        let captured = u64::try_from(microseconds).ok().filter(|time| *time > YEAR_2001_US);
        let timestamp = u64::try_from(rescale(timestamp.into(), timescale, self.info.timescale)).unwrap_or_default();
        let coded = Coded::Raw(RawFrame { timestamp, keyframe, payload });
        vec![Sample { time: microseconds, duration: 0, captured, coded }]
    }
}

const YEAR_2001_US: u64 = 978_307_200_000_000;

fn sample_of_frame(frame: Frame, timescale: u32) -> Sample {
    Sample {
        time: rescale(frame.decode_time.into(), timescale, MICROSECONDS),
        duration: rescale(frame.duration.into(), timescale, MICROSECONDS),
        captured: None,
        coded: Coded::Frame(frame),
    }
}

/// Ticks of one timescale in another, rounded down.
fn rescale(ticks: i128, from: u32, to: u32) -> i64 {
    let scaled = ticks.saturating_mul(i128::from(to)).div_euclid(i128::from(from.max(1)));
    i64::try_from(scaled).unwrap_or(i64::MAX)
}

impl Sample {
    /// Moves the frame by so many microseconds, never before 0.
    pub(crate) fn shift(&mut self, microseconds: i64, timescale: u32) {
        self.time = self.time.saturating_add(microseconds);
        let ticks = rescale(microseconds.into(), MICROSECONDS, timescale);
        let time = match &mut self.coded {
            Coded::Frame(frame) => &mut frame.decode_time,
            Coded::Raw(raw) => &mut raw.timestamp,
        };
        *time = time.saturating_add_signed(ticks);
    }

    /// The frame with start codes where its codec has them, for a stream without a container.
    pub(crate) fn bare(self, depackager: &Depackager) -> Bytes {
        let info = &depackager.info;
        let frame = match self.coded {
            Coded::Frame(frame) => frame,
            Coded::Raw(raw) => Frame {
                track: info.id,
                decode_time: raw.timestamp,
                composition_offset: 0,
                duration: 0,
                keyframe: raw.keyframe,
                payload: raw.payload,
            },
        };
        media::to_annex_b(depackager.codec, &info.description, &frame)
    }
}

#[cfg(test)]
mod tests {
    use media::{TrackKind, encode_legacy};
    use moqt::{Location, Pair, Properties};

    use super::*;

    fn track(packaging: Packaging) -> CatalogTrack {
        CatalogTrack {
            name: "v".into(),
            namespace: None,
            packaging,
            kind: TrackKind::Video { width: 64, height: 64, framerate: None },
            codec: "vp09.00.10.08".into(),
            bitrate: None,
            timescale: Some(1000),
            init: None,
            description: None,
            is_live: true,
            target_latency: None,
            language: None,
            label: None,
            render_group: None,
            alt_group: None,
        }
    }

    fn entry(object: u64, payload: Bytes, properties: Properties) -> Entry {
        let location = Location::new(1, object);
        Entry { location, missing_objects: 0, missing_groups: 0, properties, payload, received: None }
    }

    fn raw(sample: &Sample) -> &RawFrame {
        match &sample.coded {
            Coded::Raw(raw) => raw,
            Coded::Frame(_) => panic!("a raw frame"),
        }
    }

    #[test]
    fn legacy_timestamps_are_microseconds() {
        let mut depackager = Depackager::new(&track(Packaging::Legacy)).unwrap();
        let payload = encode_legacy(40_000, &[0x82, 1]);
        let samples = depackager.unpack(&entry(0, payload, Properties::EMPTY)).unwrap();
        assert_eq!(samples[0].time, 40_000);
        let scale = u64::from(depackager.info().timescale);
        assert_eq!(raw(&samples[0]).timestamp, 40_000 * scale / 1_000_000);
        assert!(raw(&samples[0]).keyframe);
        assert!(depackager.unpack(&entry(0, Bytes::new(), Properties::EMPTY)).is_err());
    }

    #[test]
    fn a_chunk_without_bytes_is_no_frame() {
        let mut legacy = Depackager::new(&track(Packaging::Legacy)).unwrap();
        // As moq-rs 0.5.1 ends a group: only a timestamp, here 1 s.
        let end = Bytes::from_static(&[0x80, 0x0f, 0x42, 0x40]);
        assert!(legacy.unpack(&entry(30, end, Properties::EMPTY)).unwrap().is_empty());
        let mut bare = Depackager::new(&track(Packaging::Loc)).unwrap();
        let properties = Properties::from_pairs([Pair::new(loc::TIMESTAMP, 5000u64)]).unwrap();
        assert!(bare.unpack(&entry(30, Bytes::new(), properties)).unwrap().is_empty());
    }

    #[test]
    fn loc_takes_time_and_timescale_from_properties_else_from_the_payload() {
        let mut depackager = Depackager::new(&track(Packaging::Loc)).unwrap();
        let properties =
            Properties::from_pairs([Pair::new(loc::TIMESCALE, 90_000u64), Pair::new(loc::TIMESTAMP, 9000u64)]);
        let samples = depackager.unpack(&entry(3, Bytes::from_static(&[0x86]), properties.unwrap())).unwrap();
        assert_eq!((samples[0].time, raw(&samples[0]).timestamp), (100_000, 100));
        assert!(!raw(&samples[0]).keyframe);
        let hang = Bytes::from_static(&[3, 0x10, 0x43, 0xe8, 0x86]);
        let samples = depackager.unpack(&entry(3, hang, Properties::EMPTY)).unwrap();
        assert_eq!(samples[0].time, 1000);
    }

    #[test]
    fn shifts_never_go_below_zero() {
        let mut depackager = Depackager::new(&track(Packaging::Loc)).unwrap();
        let properties = Properties::from_pairs([Pair::new(loc::TIMESTAMP, 5000u64)]).unwrap();
        let mut sample = depackager.unpack(&entry(0, Bytes::from_static(&[0x82]), properties)).unwrap().remove(0);
        sample.shift(-2_000_000, 1000);
        assert_eq!((sample.time, raw(&sample).timestamp), (3_000_000, 3000));
        sample.shift(-9_000_000, 1000);
        assert_eq!(raw(&sample).timestamp, 0);
    }
}
