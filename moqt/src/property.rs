//! Properties of tracks and objects (2.5, 12): kept as the bytes they came in, so that they can be
//! forwarded unchanged, and read on demand.

use std::time::Duration;

use bytes::{Bytes, BytesMut};

use crate::codec::{DecodeError, Encode, EncodeError, ProtocolError};
use crate::key_value::{Pair, PairIter, PairValue, decode_block, decode_id, encode_block, encode_id};
use crate::limit::REPLACED_PAIR_BYTES;
use crate::location::{GroupOrder, Location};
use crate::version::Version;

/// Track: publisher's OBJECT_DELIVERY_TIMEOUT in ms, 0 = none.
pub const OBJECT_DELIVERY_TIMEOUT: u64 = 0x02;
/// Track: MAX_CACHE_DURATION in ms.
pub const MAX_CACHE_DURATION: u64 = 0x04;
/// Track: publisher's SUBGROUP_DELIVERY_TIMEOUT in ms, 0 = none.
pub const SUBGROUP_DELIVERY_TIMEOUT: u64 = 0x06;
/// LOC, track or object: units per second of [`TIMESTAMP`].
pub const TIMESCALE: u64 = 0x08;
/// LOC, object: RFC 9626 frame marking.
pub const VIDEO_FRAME_MARKING: u64 = 0x09;
/// Pairs that only the original publisher adds and nobody changes.
pub const IMMUTABLE: u64 = 0x0B;
/// LOC, object: RFC 6464 audio level.
pub const AUDIO_LEVEL: u64 = 0x0C;
/// LOC: decoder configuration of a video track.
pub const VIDEO_CONFIG: u64 = 0x0D;
/// Track: priority of what has none of its own, 0 to 255.
pub const DEFAULT_PUBLISHER_PRIORITY: u64 = 0x0E;
/// LOC: decoder configuration of an audio track.
pub const AUDIO_CONFIG: u64 = 0x0F;
/// LOC, object: presentation time, in [`TIMESCALE`] units.
pub const TIMESTAMP: u64 = 0x10;
/// Track: the publisher's group order, 1 or 2.
pub const DEFAULT_PUBLISHER_GROUP_ORDER: u64 = 0x22;
/// Track: 1 when NEW_GROUP_REQUEST is honoured.
pub const DYNAMIC_GROUPS: u64 = 0x30;
/// Object: how many groups just before this one never exist.
pub const PRIOR_GROUP_ID_GAP: u64 = 0x3C;
/// Object: how many objects just before this one never exist.
pub const PRIOR_OBJECT_ID_GAP: u64 = 0x3E;
/// MSF: 1 when the payload is gzip.
pub const MSF_COMPRESSION: u64 = 0x78;
/// Efir, track: MIME type of the payloads one after the other, with a `codecs` parameter for media.
pub const CONTENT_TYPE: u64 = 0x79;
/// Efir, track and object: where a frame's time goes, see [`crate::hop_delay`].
pub const HOP_DELAY: u64 = 0x7B;
/// Efir, track: what a reader of the bare payloads must have before the first (CMAF initialization segment).
pub const PROLOGUE: u64 = 0x7D;
/// Track properties that must be understood to use the track (2.5.1).
pub const MANDATORY: std::ops::RangeInclusive<u64> = 0x4000..=0x7FFF;
/// The priority of a publisher that names none (12.4).
pub const DEFAULT_PRIORITY: u8 = 128;

/// The object or track breaks a rule of the model: end the track, not the session (2.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("malformed track: {0}")]
pub struct MalformedTrack(pub &'static str);

/// A block of properties.
///
/// Equality is of meaning: the same pairs, however their integers are written.
#[derive(Clone, Debug)]
pub struct Properties {
    raw: Bytes,
    version: Version,
}

impl Default for Properties {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl PartialEq for Properties {
    fn eq(&self, other: &Self) -> bool {
        let same = self.version == other.version && self.raw == other.raw;
        same || self.rewritten(Version::Draft18).ok() == other.rewritten(Version::Draft18).ok()
    }
}

impl Eq for Properties {}

impl Properties {
    /// No properties.
    pub const EMPTY: Self = Self { raw: Bytes::new(), version: Version::Draft18 };

    /// Properties as they came from the wire.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION when the pairs do not fill `raw` exactly.
    pub fn new(raw: Bytes, version: Version) -> Result<Self, ProtocolError> {
        for pair in PairIter::new(raw.clone(), version) {
            pair.map_err(|error| error.at_end("a pair runs past its block"))?;
        }
        Ok(Self { raw, version })
    }

    /// Properties made here. Types may come in any order; equal types keep theirs.
    ///
    /// # Errors
    /// [`EncodeError`] when a value is not of its type's form, or too long.
    pub fn from_pairs(pairs: impl IntoIterator<Item = Pair>) -> Result<Self, EncodeError> {
        let mut out = BytesMut::new();
        encode_block(pairs, &mut out, Version::Draft18)?;
        Ok(Self { raw: out.freeze(), version: Version::Draft18 })
    }

    /// The block as it came, in the integer coding of [`Self::version`].
    pub fn as_bytes(&self) -> &Bytes {
        &self.raw
    }

    /// The version whose integers the block uses.
    pub fn version(&self) -> Version {
        self.version
    }

    /// There are none.
    pub fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The outer pairs, in order, [`IMMUTABLE`] as one of them.
    pub fn iter(&self) -> impl Iterator<Item = Pair> + use<> {
        // `new` and `from_pairs` have parsed every pair once, so none is lost here.
        PairIter::new(self.raw.clone(), self.version).filter_map(Result::ok)
    }

    /// The pairs inside [`IMMUTABLE`], if it is there.
    ///
    /// # Errors
    /// [`MalformedTrack`] when it is there twice, does not parse, or holds another one.
    pub fn immutable(&self) -> Result<Option<Self>, MalformedTrack> {
        let mut blocks = self.iter().filter(|pair| pair.id == IMMUTABLE);
        let Some(Pair { value: PairValue::Bytes(raw), .. }) = blocks.next() else {
            return Ok(None);
        };
        if blocks.next().is_some() {
            return Err(MalformedTrack("two immutable blocks"));
        }
        let inner = Self::new(raw, self.version).map_err(|_| MalformedTrack("the immutable block does not parse"))?;
        if inner.iter().any(|pair| pair.id == IMMUTABLE) {
            return Err(MalformedTrack("an immutable block inside another"));
        }
        Ok(Some(inner))
    }

    /// The first value of a type, in the outer list or else in the immutable one.
    pub fn get(&self, id: u64) -> Option<PairValue> {
        let find = |properties: &Self| properties.iter().find(|pair| pair.id == id);
        let inner = || self.immutable().ok().flatten().and_then(|inner| find(&inner));
        find(self).or_else(inner).map(|pair| pair.value)
    }

    /// The value of an even type, from either list.
    pub fn get_int(&self, id: u64) -> Option<u64> {
        match self.get(id)? {
            PairValue::Int(value) => Some(value),
            PairValue::Bytes(_) => None,
        }
    }

    /// The value of an odd type, from either list.
    pub fn get_bytes(&self, id: u64) -> Option<Bytes> {
        match self.get(id)? {
            PairValue::Bytes(value) => Some(value),
            PairValue::Int(_) => None,
        }
    }

    /// The value of an odd type in the outer list, where anybody on the way may change it.
    pub fn mutable_bytes(&self, id: u64) -> Option<Bytes> {
        match self.iter().find(|pair| pair.id == id)?.value {
            PairValue::Bytes(value) => Some(value),
            PairValue::Int(_) => None,
        }
    }

    /// The same block with one pair in the outer list instead of the first of its type, or added. Everything else keeps
    /// its bytes.
    ///
    /// # Errors
    /// [`EncodeError`] when the value is not of its type's form, or too long.
    pub fn with(&self, pair: &Pair) -> Result<Self, EncodeError> {
        let broken = |_| EncodeError::Unrepresentable("a block that does not parse");
        let (mut rest, mut previous) = (self.raw.clone(), 0);
        let (place, next) = loop {
            let place = self.raw.len() - rest.len();
            if rest.is_empty() {
                break (place, None);
            }
            let id = decode_id(previous, &mut rest, self.version).map_err(broken)?;
            if id >= pair.id {
                break (place, Some(id));
            }
            PairValue::decode(id, &mut rest, self.version).map_err(broken)?;
            previous = id;
        };
        let mut out = BytesMut::with_capacity(self.raw.len() + REPLACED_PAIR_BYTES);
        out.extend_from_slice(&self.raw[..place]);
        pair.encode_after(previous, &mut out, self.version)?;
        match next {
            // What follows is written as the difference to the same type as before.
            Some(id) if id == pair.id => {
                PairValue::decode(id, &mut rest, self.version).map_err(broken)?;
            }
            Some(id) => encode_id(id, pair.id, &mut out, self.version)?,
            None => {}
        }
        out.extend_from_slice(&rest);
        Ok(Self { raw: out.freeze(), version: self.version })
    }

    /// The publisher's object delivery timeout, if it has one.
    pub fn object_delivery_timeout(&self) -> Option<Duration> {
        let timeout = self.get_int(OBJECT_DELIVERY_TIMEOUT).filter(|timeout| *timeout > 0);
        timeout.map(Duration::from_millis)
    }

    /// The publisher's subgroup delivery timeout, if it has one.
    pub fn subgroup_delivery_timeout(&self) -> Option<Duration> {
        let timeout = self.get_int(SUBGROUP_DELIVERY_TIMEOUT).filter(|timeout| *timeout > 0);
        timeout.map(Duration::from_millis)
    }

    /// How long after its arrival an object may still start to be served from a cache.
    pub fn max_cache_duration(&self) -> Option<Duration> {
        self.get_int(MAX_CACHE_DURATION).map(Duration::from_millis)
    }

    /// The priority of objects that carry none.
    pub fn default_publisher_priority(&self) -> u8 {
        let priority = self.get_int(DEFAULT_PUBLISHER_PRIORITY);
        priority.and_then(|priority| priority.try_into().ok()).unwrap_or(DEFAULT_PRIORITY)
    }

    /// The publisher's group order.
    pub fn default_publisher_group_order(&self) -> GroupOrder {
        let order = self.get_int(DEFAULT_PUBLISHER_GROUP_ORDER);
        order.and_then(GroupOrder::from_wire).unwrap_or_default()
    }

    /// The publisher honours NEW_GROUP_REQUEST.
    pub fn dynamic_groups(&self) -> bool {
        self.get_int(DYNAMIC_GROUPS) == Some(1)
    }

    /// A property that must be understood and that `understood` does not name.
    pub fn unknown_mandatory(&self, understood: &[u64]) -> Option<u64> {
        let inner = self.immutable().ok().flatten().unwrap_or_default();
        let mut ids = self.iter().chain(inner.iter()).map(|pair| pair.id);
        ids.find(|id| MANDATORY.contains(id) && !understood.contains(id))
    }

    /// Checks the values a track's properties may have (12.1 to 12.6).
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION when one is outside its range.
    pub fn check_track(&self, version: Version) -> Result<(), ProtocolError> {
        let inner = self.immutable().ok().flatten().unwrap_or_default();
        for pair in self.iter().chain(inner.iter()) {
            let PairValue::Int(value) = pair.value else {
                continue;
            };
            let wrong = match pair.id {
                DEFAULT_PUBLISHER_PRIORITY => value > 255,
                DEFAULT_PUBLISHER_GROUP_ORDER => GroupOrder::from_wire(value).is_none(),
                DYNAMIC_GROUPS => value > 1,
                OBJECT_DELIVERY_TIMEOUT => value == 0 && version.refuses_zero_delivery_timeout(),
                _ => false,
            };
            if wrong {
                let reason = format!("track property {:#x} may not be {value}", pair.id);
                return Err(ProtocolError::violation(reason));
            }
        }
        Ok(())
    }

    /// Checks what an object at `location` may have (12.7 to 12.9, 2.5.1).
    ///
    /// # Errors
    /// [`MalformedTrack`] for a broken immutable block, a gap that is repeated or reaches below zero, or
    /// a property that only tracks may have.
    pub fn check_object(&self, location: Location) -> Result<(), MalformedTrack> {
        let inner = self.immutable()?.unwrap_or_default();
        let (mut group_gaps, mut object_gaps) = (0, 0);
        for pair in self.iter().chain(inner.iter()) {
            match (pair.id, pair.value) {
                (PRIOR_GROUP_ID_GAP, PairValue::Int(gap)) => {
                    group_gaps += 1;
                    if gap > location.group {
                        return Err(MalformedTrack("a group gap below group 0"));
                    }
                }
                (PRIOR_OBJECT_ID_GAP, PairValue::Int(gap)) => {
                    object_gaps += 1;
                    if gap > location.object {
                        return Err(MalformedTrack("an object gap below object 0"));
                    }
                }
                (id, _) if MANDATORY.contains(&id) => {
                    return Err(MalformedTrack("a mandatory track property on an object"));
                }
                _ => {}
            }
        }
        if group_gaps > 1 || object_gaps > 1 {
            return Err(MalformedTrack("a gap given twice"));
        }
        Ok(())
    }

    /// The block in the integers of `version`: the bytes as they came if they are in it already.
    ///
    /// # Errors
    /// [`EncodeError::ValueTooLarge`] for integers draft-16 cannot hold.
    pub fn to_version(&self, version: Version) -> Result<Bytes, EncodeError> {
        if self.version == version || self.raw.is_empty() {
            return Ok(self.raw.clone());
        }
        self.rewritten(version)
    }

    fn rewritten(&self, version: Version) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::with_capacity(self.raw.len());
        let mut previous = 0;
        for mut pair in self.iter() {
            if let (IMMUTABLE, PairValue::Bytes(raw)) = (pair.id, &pair.value)
                && let Ok(inner) = decode_block(raw.clone(), self.version)
            {
                let mut block = BytesMut::with_capacity(raw.len());
                encode_block(inner, &mut block, version)?;
                pair.value = PairValue::Bytes(block.freeze());
            }
            pair.encode_after(previous, &mut out, version)?;
            previous = pair.id;
        }
        Ok(out.freeze())
    }

    /// Reads the track properties that fill the rest of a message.
    pub(crate) fn decode_track(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let properties = Self::new(buf.split_off(0), version)?;
        properties.check_track(version)?;
        Ok(properties)
    }
}

impl Encode for Properties {
    /// Appends the pairs without a length.
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        out.extend_from_slice(&self.to_version(version)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nested(pairs: Vec<Pair>) -> Properties {
        let inner = Properties::from_pairs(pairs).unwrap();
        Properties::from_pairs([Pair::new(IMMUTABLE, inner.as_bytes().clone())]).unwrap()
    }

    #[test]
    fn s19_values_are_found_in_both_lists() {
        let properties = nested(vec![Pair::new(DYNAMIC_GROUPS, 1), Pair::new(0x4000, 1)]);
        assert!(properties.dynamic_groups());
        assert_eq!(properties.unknown_mandatory(&[]), Some(0x4000));
        assert_eq!(properties.unknown_mandatory(&[0x4000]), None);
        assert_eq!(properties.default_publisher_priority(), DEFAULT_PRIORITY);
        assert!(nested(vec![Pair::new(DYNAMIC_GROUPS, 2)]).check_track(Version::Draft18).is_err());
    }

    #[test]
    fn nested_or_broken_immutable_blocks_are_malformed() {
        let deep = nested(vec![Pair::new(IMMUTABLE, Bytes::new())]);
        assert!(deep.immutable().is_err());
        let broken = Pair::new(IMMUTABLE, Bytes::from_static(&[0x01, 0x09]));
        assert!(Properties::from_pairs([broken]).unwrap().immutable().is_err());
    }

    #[test]
    fn gaps_and_mandatory_properties_of_objects_are_checked() {
        let check = |pair: Pair| {
            let properties = Properties::from_pairs([pair]).unwrap();
            properties.check_object(Location::new(5, 3)).is_ok()
        };
        assert!(check(Pair::new(PRIOR_OBJECT_ID_GAP, 3)) && check(Pair::new(PRIOR_GROUP_ID_GAP, 5)));
        assert!(!check(Pair::new(PRIOR_OBJECT_ID_GAP, 4)));
        assert!(!check(Pair::new(PRIOR_GROUP_ID_GAP, 6)));
        assert!(!check(Pair::new(0x4002, 1)));
        let gap = Pair::new(PRIOR_OBJECT_ID_GAP, 1);
        let twice = Properties::from_pairs([gap.clone(), gap]).unwrap();
        assert!(twice.check_object(Location::new(5, 3)).is_err());
    }

    #[test]
    fn one_pair_changes_and_the_others_keep_their_bytes() {
        for version in [Version::Draft18, Version::Draft16] {
            let pairs = [Pair::new(TIMESTAMP, 70_000), Pair::new(0x7D, Bytes::from_static(b"after"))];
            let plain = Properties::from_pairs(pairs).unwrap().to_version(version).unwrap();
            let plain = Properties::new(plain, version).unwrap();
            let stamp = |text: &'static [u8]| Pair::new(HOP_DELAY, Bytes::from_static(text));
            let added = plain.with(&stamp(b"one")).unwrap();
            assert_eq!(added.iter().map(|pair| pair.id).collect::<Vec<_>>(), [TIMESTAMP, HOP_DELAY, 0x7D]);
            let replaced = added.with(&stamp(b"another")).unwrap();
            assert_eq!(replaced.mutable_bytes(HOP_DELAY).unwrap(), b"another"[..]);
            assert_eq!(replaced.get_int(TIMESTAMP), Some(70_000));
            assert_eq!(replaced.get_bytes(0x7D).unwrap(), b"after"[..]);
            assert_eq!(replaced.with(&stamp(b"one")).unwrap().as_bytes(), added.as_bytes());
            let alone = Properties::new(Bytes::new(), version).unwrap().with(&stamp(b"one")).unwrap();
            assert_eq!(alone.mutable_bytes(HOP_DELAY).unwrap(), b"one"[..]);
            let last = Pair::new(0x7F, Bytes::new());
            assert_eq!(Properties::new(replaced.with(&last).unwrap().raw, version).unwrap().iter().count(), 4);
        }
        let inside = nested(vec![Pair::new(HOP_DELAY, Bytes::from_static(b"fixed"))]);
        assert_eq!(inside.mutable_bytes(HOP_DELAY), None, "nobody may change what is immutable");
    }

    #[test]
    fn another_versions_integers_are_rewritten_also_inside() {
        let properties = nested(vec![Pair::new(TIMESTAMP, 1000)]);
        let raw = properties.to_version(Version::Draft16).unwrap();
        let other = Properties::new(raw, Version::Draft16).unwrap();
        assert_eq!(other.get_int(TIMESTAMP), Some(1000));
        assert_ne!(other.as_bytes(), properties.as_bytes());
        assert_eq!(other, properties);
    }
}
