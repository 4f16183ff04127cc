//! FETCH streams (11.4.4): records relative to the one before.

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{DecodeError, EncodeError, ProtocolError, take_u8};
use crate::data::input::Input;
use crate::data::object::{decode_properties, encode_properties};
use crate::location::{GroupOrder, Location};
use crate::property::Properties;
use crate::varint;
use crate::version::Version;

const SUBGROUP_MODE: u64 = 0x03;
const SUBGROUP_ZERO: u64 = 0x00;
const SUBGROUP_PRIOR: u64 = 0x01;
const SUBGROUP_NEXT: u64 = 0x02;
const SUBGROUP_EXPLICIT: u64 = 0x03;
const OBJECT: u64 = 0x04;
const GROUP: u64 = 0x08;
const PRIORITY: u64 = 0x10;
const PROPERTIES: u64 = 0x20;
const DATAGRAM: u64 = 0x40;
const OBJECT_FLAGS: u64 = 0x7f;
const END_OF_NON_EXISTENT_RANGE: u64 = 0x8C;
const END_OF_UNKNOWN_RANGE: u64 = 0x10C;

/// What precedes an object's payload on a FETCH stream, with everything relative resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchObjectHeader {
    /// The object.
    pub location: Location,
    /// Its subgroup; `None` for an object that was published as a datagram.
    pub subgroup: Option<u64>,
    /// The publisher's priority.
    pub priority: u8,
    /// Its properties.
    pub properties: Properties,
    /// Bytes of payload that follow; there is no status.
    pub payload_len: u64,
}

/// What a FETCH stream holds after its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FetchItem {
    /// An object begins.
    Header {
        /// Its fields.
        header: FetchObjectHeader,
        /// Its fields exactly as they came.
        wire: Bytes,
    },
    /// A part of the current object's payload, a slice of what was pushed.
    Payload(Bytes),
    /// The current object is complete.
    End,
    /// Nothing more is sent up to and including `location`.
    EndOfRange {
        /// The end of the range.
        location: Location,
        /// The objects do not exist, rather than being in an unknown state.
        known: bool,
    },
}

/// What later records refer to.
#[derive(Clone, Copy, Debug)]
struct Prior {
    version: Version,
    order: GroupOrder,
    /// Of the last record of either kind.
    location: Option<Location>,
    /// Of the last object; `None` inside for a datagram.
    subgroup: Option<u64>,
    priority: Option<u8>,
}

impl Prior {
    const fn new(version: Version, order: GroupOrder) -> Self {
        Self { version, order, location: None, subgroup: None, priority: None }
    }

    fn follow(&mut self, header: &FetchObjectHeader) {
        self.location = Some(header.location);
        self.subgroup = header.subgroup;
        self.priority = Some(header.priority);
    }

    /// The location these fields stand for, if there is one.
    fn resolve(&self, group: Option<u64>, object: Option<u64>) -> Option<Location> {
        let Some(prior) = self.location else {
            return Some(Location::new(group?, object?));
        };
        let deltas = self.version.has_delta_ranges();
        let resolved_group = match group {
            None => prior.group,
            Some(group) if !deltas => group,
            Some(delta) => {
                let step = delta.checked_add(1)?;
                match self.order {
                    GroupOrder::Ascending => prior.group.checked_add(step)?,
                    GroupOrder::Descending => prior.group.checked_sub(step)?,
                }
            }
        };
        let resolved_object = match object {
            None => prior.object.checked_add(1)?,
            Some(delta) if deltas && group.is_none() => prior.object.checked_add(delta)?,
            Some(object) => object,
        };
        let max = varint::max(self.version);
        let fits = resolved_group <= max && resolved_object <= max;
        fits.then_some(Location::new(resolved_group, resolved_object))
    }

    /// The group field that stands for `group` when the flags ask for one.
    fn group_field(&self, group: u64) -> Option<u64> {
        let Some(prior) = self.location.filter(|_| self.version.has_delta_ranges()) else {
            return Some(group);
        };
        let step = match self.order {
            GroupOrder::Ascending => group.checked_sub(prior.group)?,
            GroupOrder::Descending => prior.group.checked_sub(group)?,
        };
        step.checked_sub(1)
    }

    /// The object field that stands for `object` when the flags ask for one.
    fn object_field(&self, object: u64, has_group: bool) -> Option<u64> {
        match self.location {
            Some(prior) if self.version.has_delta_ranges() && !has_group => object.checked_sub(prior.object),
            _ => Some(object),
        }
    }

    /// The subgroup a mode without a field stands for.
    fn subgroup(&self, mode: u64) -> Option<u64> {
        match mode {
            SUBGROUP_ZERO => Some(0),
            SUBGROUP_PRIOR => self.subgroup,
            SUBGROUP_NEXT => self.subgroup?.checked_add(1),
            _ => None,
        }
    }
}

enum Record {
    Object(FetchObjectHeader),
    EndOfRange { location: Location, known: bool },
}

fn decode_record(prior: &Prior, buf: &mut Bytes) -> Result<Record, DecodeError> {
    let version = prior.version;
    let flags = varint::decode(buf, version)?;
    if let END_OF_NON_EXISTENT_RANGE | END_OF_UNKNOWN_RANGE = flags {
        let location = Location::new(varint::decode(buf, version)?, varint::decode(buf, version)?);
        return Ok(Record::EndOfRange { location, known: flags == END_OF_NON_EXISTENT_RANGE });
    }
    if flags > OBJECT_FLAGS {
        return Err(DecodeError::violation(format!("unknown serialization flags {flags:#x}")));
    }
    if prior.location.is_none() && flags & (GROUP | OBJECT) != GROUP | OBJECT {
        return Err(DecodeError::violation("the first object refers to one before it"));
    }
    let mut field = |bit: u64| -> Result<Option<u64>, DecodeError> {
        if flags & bit == 0 { Ok(None) } else { varint::decode(buf, version).map(Some) }
    };
    let group = field(GROUP)?;
    let mode = flags & SUBGROUP_MODE;
    let explicit = flags & DATAGRAM == 0 && mode == SUBGROUP_EXPLICIT;
    let subgroup = if flags & DATAGRAM != 0 {
        None
    } else if explicit {
        field(u64::MAX)?
    } else {
        let subgroup = prior.subgroup(mode);
        let missing = || DecodeError::violation("there is no prior subgroup to refer to");
        Some(subgroup.ok_or_else(missing)?)
    };
    let object = field(OBJECT)?;
    let location =
        prior.resolve(group, object).ok_or_else(|| DecodeError::violation("a location that does not fit"))?;
    let priority = if flags & PRIORITY == 0 { prior.priority } else { Some(take_u8(buf)?) };
    let priority = priority.ok_or_else(|| DecodeError::violation("there is no prior priority to refer to"))?;
    let properties = if flags & PROPERTIES == 0 { Properties::EMPTY } else { decode_properties(buf, version)? };
    let payload_len = varint::decode(buf, version)?;
    Ok(Record::Object(FetchObjectHeader { location, subgroup, priority, properties, payload_len }))
}

/// Reads the records of a FETCH stream from the bytes after its header.
///
/// Used as [`SubgroupDecoder`](crate::SubgroupDecoder) is.
#[derive(Debug)]
pub struct FetchDecoder {
    prior: Prior,
    input: Input,
    /// Payload bytes still to come of the object under way.
    left: Option<u64>,
    /// The last record carried no payload.
    was_empty: bool,
}

impl FetchDecoder {
    /// A decoder; `order` is the group order the FETCH asked for.
    pub fn new(version: Version, order: GroupOrder) -> Self {
        let prior = Prior::new(version, order);
        Self { prior, input: Input::default(), left: None, was_empty: false }
    }

    /// Adds what was read next.
    pub fn push(&mut self, data: Bytes) {
        self.input.push(data);
    }

    /// The next item, or `None` when more bytes are needed.
    ///
    /// # Errors
    /// [`ProtocolError`] when the session must be closed.
    #[expect(clippy::should_implement_trait, reason = "an iterator may not go on after `None`")]
    pub fn next(&mut self) -> Result<Option<FetchItem>, ProtocolError> {
        let Some(left) = self.left else {
            return self.next_record();
        };
        if left == 0 {
            self.left = None;
            return Ok(Some(FetchItem::End));
        }
        let Some(part) = self.input.payload(left) else {
            return Ok(None);
        };
        self.left = Some(left - part.len() as u64);
        Ok(Some(FetchItem::Payload(part)))
    }

    fn next_record(&mut self) -> Result<Option<FetchItem>, ProtocolError> {
        let prior = &self.prior;
        let Some((record, wire)) = self.input.header(|buf| decode_record(prior, buf))? else {
            return Ok(None);
        };
        Ok(Some(match record {
            Record::Object(header) => {
                self.prior.follow(&header);
                self.left = Some(header.payload_len);
                self.was_empty = header.payload_len == 0;
                FetchItem::Header { header, wire }
            }
            Record::EndOfRange { location, known } => {
                self.prior.location = Some(location);
                self.was_empty = true;
                FetchItem::EndOfRange { location, known }
            }
        }))
    }

    /// Checks that the stream may end here.
    ///
    /// Some peers write a status after an empty object, or a length after a range; at the very end of
    /// the stream that is told apart from a new record and let pass.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION inside a record (11.4), also one whose items were not all taken.
    pub fn finish(&self) -> Result<(), ProtocolError> {
        let stray = self.was_empty && matches!(self.input.carried(), [0 | 3 | 4]);
        if self.left.is_none() && (stray || self.input.is_empty()) {
            return Ok(());
        }
        Err(ProtocolError::violation("the stream ends inside an object"))
    }
}

/// Writes the records of a FETCH stream after its header.
#[derive(Debug)]
pub struct FetchEncoder {
    prior: Prior,
    after_range: bool,
}

impl FetchEncoder {
    /// An encoder; `order` is the group order the FETCH asked for.
    pub fn new(version: Version, order: GroupOrder) -> Self {
        Self { prior: Prior::new(version, order), after_range: false }
    }

    /// Appends an object's header in its shortest form; the payload follows as it is.
    ///
    /// # Errors
    /// [`EncodeError`] when groups run against the order or objects do not ascend; nothing is written
    /// then, and the encoder can go on.
    pub fn object(&mut self, header: &FetchObjectHeader, out: &mut BytesMut) -> Result<(), EncodeError> {
        self.object_as(self.shortest_flags(header), header, out)
    }

    fn shortest_flags(&self, header: &FetchObjectHeader) -> u64 {
        // Readers differ, and draft-16 is silent, in which subgroup and priority are "prior" after a range.
        let unclear = Prior { subgroup: None, priority: None, ..self.prior };
        let prior = if self.after_range { &unclear } else { &self.prior };
        let subgroup = match header.subgroup {
            None => DATAGRAM,
            Some(0) => SUBGROUP_ZERO,
            same if same == prior.subgroup => SUBGROUP_PRIOR,
            next if next == prior.subgroup(SUBGROUP_NEXT) => SUBGROUP_NEXT,
            Some(_) => SUBGROUP_EXPLICIT,
        };
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        let group = prior.location.is_none_or(|prior| prior.group != header.location.group);
        let next_object = prior.location.and_then(|prior| prior.object.checked_add(1));
        subgroup
            | flag(group, GROUP)
            | flag(next_object != Some(header.location.object), OBJECT)
            | flag(prior.priority != Some(header.priority), PRIORITY)
            | flag(!header.properties.is_empty(), PROPERTIES)
    }

    /// Appends an object's header with given flags, which may spell out what could be left out.
    ///
    /// # Errors
    /// As [`Self::object`], and when the flags stand for other fields than the header's.
    pub fn object_as(&mut self, flags: u64, header: &FetchObjectHeader, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        let written = self.write(flags, header, out);
        if written.is_err() {
            out.truncate(start);
        } else {
            self.prior.follow(header);
            self.after_range = false;
        }
        written
    }

    fn write(&self, flags: u64, header: &FetchObjectHeader, out: &mut BytesMut) -> Result<(), EncodeError> {
        let Prior { version, .. } = self.prior;
        let wrong = EncodeError::Unrepresentable("this object after the one before");
        let has = |bit: u64| flags & bit != 0;
        let group = self.prior.group_field(header.location.group).filter(|_| has(GROUP));
        let object = self.prior.object_field(header.location.object, has(GROUP));
        let object = object.filter(|_| has(OBJECT));
        let explicit = !has(DATAGRAM) && flags & SUBGROUP_MODE == SUBGROUP_EXPLICIT;
        let subgroup = match header.subgroup {
            Some(subgroup) if explicit => Some(subgroup),
            _ if has(DATAGRAM) => None,
            _ => self.prior.subgroup(flags & SUBGROUP_MODE),
        };
        let priority = if has(PRIORITY) { Some(header.priority) } else { self.prior.priority };
        if flags > OBJECT_FLAGS
            || self.prior.resolve(group, object) != Some(header.location)
            || subgroup != header.subgroup
            || (explicit && subgroup.is_none())
            || priority != Some(header.priority)
            || (!has(PROPERTIES) && !header.properties.is_empty())
        {
            return Err(wrong);
        }
        varint::encode(flags, out, version)?;
        let fields = [group, subgroup.filter(|_| explicit), object];
        for field in fields.into_iter().flatten() {
            varint::encode(field, out, version)?;
        }
        if has(PRIORITY) {
            out.put_u8(header.priority);
        }
        if has(PROPERTIES) {
            encode_properties(&header.properties, out, version)?;
        }
        varint::encode(header.payload_len, out, version)
    }

    /// Appends the end of a range: nothing up to and including `location` exists (`known`), or it is
    /// not known whether it does.
    ///
    /// # Errors
    /// [`EncodeError::ValueTooLarge`] for ids draft-16 cannot hold.
    pub fn end_of_range(&mut self, location: Location, known: bool, out: &mut BytesMut) -> Result<(), EncodeError> {
        let version = self.prior.version;
        let flags = if known { END_OF_NON_EXISTENT_RANGE } else { END_OF_UNKNOWN_RANGE };
        varint::encode(flags, out, version)?;
        varint::encode(location.group, out, version)?;
        varint::encode(location.object, out, version)?;
        self.prior.location = Some(location);
        self.after_range = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_announce_a_subgroup_need_one() {
        let mut encoder = FetchEncoder::new(Version::Draft18, GroupOrder::Ascending);
        let datagram = |object| FetchObjectHeader {
            location: Location { group: 1, object },
            subgroup: None,
            priority: 7,
            properties: Properties::EMPTY,
            payload_len: 1,
        };
        let mut out = BytesMut::new();
        encoder.object(&datagram(0), &mut out).unwrap();
        let written = out.len();
        let flags = SUBGROUP_EXPLICIT | OBJECT | PRIORITY;
        assert!(encoder.object_as(flags, &datagram(1), &mut out).is_err());
        assert_eq!(out.len(), written);
    }
}
