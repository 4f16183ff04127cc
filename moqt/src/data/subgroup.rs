//! Subgroup streams (11.4.2).

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError, take_u8};
use crate::data::input::Input;
use crate::data::object::ObjectHeader;
use crate::request::TrackAlias;
use crate::varint;
use crate::version::Version;

const PROPERTIES: u64 = 0x01;
const SUBGROUP_ID_MODE: u64 = 0x06;
const MODE_ZERO: u64 = 0x00;
const MODE_FIRST_OBJECT: u64 = 0x02;
const MODE_EXPLICIT: u64 = 0x04;
const END_OF_GROUP: u64 = 0x08;
const SUBGROUP: u64 = 0x10;
const DEFAULT_PRIORITY: u64 = 0x20;
const FIRST_OBJECT: u64 = 0x40;

/// How a subgroup stream names its subgroup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SubgroupId {
    /// Subgroup 0.
    Zero,
    /// The id of the stream's first object.
    FirstObject,
    /// This one.
    Explicit(u64),
}

/// The start of a subgroup stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubgroupHeader {
    /// The track.
    pub track_alias: TrackAlias,
    /// The group.
    pub group: u64,
    /// The subgroup.
    pub subgroup: SubgroupId,
    /// The publisher's priority; `None` for the track's default.
    pub priority: Option<u8>,
    /// Every object has a properties block.
    pub has_properties: bool,
    /// The subgroup holds the group's last object, if the stream ends with FIN.
    pub end_of_group: bool,
    /// The stream's first object is the subgroup's first; draft-16 cannot say so.
    pub first_object: bool,
}

impl SubgroupHeader {
    /// Whether a stream type is one of a subgroup's.
    pub(crate) const fn has_type(kind: u64, version: Version) -> bool {
        let bits = if version.has_first_object_bit() { 0x7f } else { 0x3f };
        kind <= bits && kind & SUBGROUP != 0 && kind & SUBGROUP_ID_MODE != SUBGROUP_ID_MODE
    }

    /// The stream type.
    pub fn wire_type(&self, version: Version) -> u64 {
        let mode = match self.subgroup {
            SubgroupId::Zero => MODE_ZERO,
            SubgroupId::FirstObject => MODE_FIRST_OBJECT,
            SubgroupId::Explicit(_) => MODE_EXPLICIT,
        };
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        SUBGROUP
            | mode
            | flag(self.has_properties, PROPERTIES)
            | flag(self.end_of_group, END_OF_GROUP)
            | flag(self.priority.is_none(), DEFAULT_PRIORITY)
            | flag(self.first_object && version.has_first_object_bit(), FIRST_OBJECT)
    }

    /// Reads what follows the stream type, which [`Self::has_type`] holds for.
    pub(crate) fn decode_after_type(kind: u64, buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let track_alias = TrackAlias::decode(buf, version)?;
        let group = varint::decode(buf, version)?;
        let subgroup = match kind & SUBGROUP_ID_MODE {
            MODE_ZERO => SubgroupId::Zero,
            MODE_FIRST_OBJECT => SubgroupId::FirstObject,
            _ => SubgroupId::Explicit(varint::decode(buf, version)?),
        };
        let priority = if kind & DEFAULT_PRIORITY == 0 { Some(take_u8(buf)?) } else { None };
        Ok(Self {
            track_alias,
            group,
            subgroup,
            priority,
            has_properties: kind & PROPERTIES != 0,
            end_of_group: kind & END_OF_GROUP != 0,
            first_object: kind & FIRST_OBJECT != 0,
        })
    }
}

impl Encode for SubgroupHeader {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(self.wire_type(version), out, version)?;
        self.track_alias.encode(out, version)?;
        varint::encode(self.group, out, version)?;
        if let SubgroupId::Explicit(subgroup) = self.subgroup {
            varint::encode(subgroup, out, version)?;
        }
        if let Some(priority) = self.priority {
            out.put_u8(priority);
        }
        Ok(())
    }
}

/// What a subgroup stream holds after its header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubgroupItem {
    /// An object begins.
    Header {
        /// Its fields.
        header: ObjectHeader,
        /// Its fields exactly as they came, to be forwarded.
        wire: Bytes,
    },
    /// A part of the current object's payload, a slice of what was pushed.
    Payload(Bytes),
    /// The current object is complete.
    End,
}

/// Reads the objects of a subgroup stream from the bytes after its header.
///
/// Call [`push`](Self::push) with what was read, then [`next`](Self::next) until it returns `None`, and
/// [`finish`](Self::finish) at FIN. After an error the decoder is of no more use.
#[derive(Debug)]
pub struct SubgroupDecoder {
    version: Version,
    has_properties: bool,
    input: Input,
    previous: Option<u64>,
    /// Payload bytes still to come of the object under way.
    left: Option<u64>,
}

impl SubgroupDecoder {
    /// A decoder; `has_properties` is the stream header's.
    pub fn new(version: Version, has_properties: bool) -> Self {
        Self { version, has_properties, input: Input::default(), previous: None, left: None }
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
    pub fn next(&mut self) -> Result<Option<SubgroupItem>, ProtocolError> {
        let Some(left) = self.left else {
            return self.next_header();
        };
        if left == 0 {
            self.left = None;
            return Ok(Some(SubgroupItem::End));
        }
        let Some(part) = self.input.payload(left) else {
            return Ok(None);
        };
        self.left = Some(left - part.len() as u64);
        Ok(Some(SubgroupItem::Payload(part)))
    }

    fn next_header(&mut self) -> Result<Option<SubgroupItem>, ProtocolError> {
        let Self { version, has_properties, previous, .. } = *self;
        let read = self.input.header(|buf| ObjectHeader::decode_after(previous, has_properties, buf, version))?;
        let Some((header, wire)) = read else {
            return Ok(None);
        };
        self.previous = Some(header.object_id);
        self.left = Some(header.payload_len);
        Ok(Some(SubgroupItem::Header { header, wire }))
    }

    /// Checks that the stream may end here.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION inside an object (11.4), also one whose items were not all taken.
    pub fn finish(&self) -> Result<(), ProtocolError> {
        if self.left.is_none() && self.input.is_empty() {
            return Ok(());
        }
        Err(ProtocolError::violation("the stream ends inside an object"))
    }
}
