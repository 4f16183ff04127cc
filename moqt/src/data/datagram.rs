//! Objects in datagrams (11.3.1).

use bytes::{BufMut, Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, ProtocolError, take_u8};
use crate::data::object::{ObjectStatus, decode_properties, encode_properties};
use crate::property::Properties;
use crate::request::TrackAlias;
use crate::varint;
use crate::version::Version;

const PROPERTIES: u64 = 0x01;
const END_OF_GROUP: u64 = 0x02;
const ZERO_OBJECT_ID: u64 = 0x04;
const DEFAULT_PRIORITY: u64 = 0x08;
const STATUS: u64 = 0x20;
const PADDING: u64 = 0x132B_3E29;

/// An object that travels in one datagram.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Datagram {
    /// The track.
    pub track_alias: TrackAlias,
    /// The group.
    pub group: u64,
    /// The object.
    pub object_id: u64,
    /// The publisher's priority; `None` for the track's default.
    pub priority: Option<u8>,
    /// The object's properties; none unless its status is Normal.
    pub properties: Properties,
    /// The group has no object after this one; not together with a status.
    pub end_of_group: bool,
    /// Payload or status.
    pub body: DatagramBody,
}

/// What a datagram says about its object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DatagramBody {
    /// The object's payload, possibly empty.
    Payload(Bytes),
    /// The object's status.
    Status(ObjectStatus),
}

impl Datagram {
    /// Reads a whole datagram; `None` for padding, to be dropped.
    ///
    /// # Errors
    /// PROTOCOL_VIOLATION for an unknown type or fields that do not fit it.
    pub fn decode(mut buf: Bytes, version: Version) -> Result<Option<Self>, ProtocolError> {
        let end = "the datagram ends inside a field";
        let kind = varint::decode(&mut buf, version).map_err(|error| error.at_end(end))?;
        if kind == PADDING && version.has_padding() {
            return Ok(None);
        }
        check_type(kind)?;
        Self::decode_after_type(kind, buf, version).map(Some).map_err(|error| error.at_end(end))
    }

    fn decode_after_type(kind: u64, mut buf: Bytes, version: Version) -> Result<Self, DecodeError> {
        let buf = &mut buf;
        let track_alias = TrackAlias::decode(buf, version)?;
        let group = varint::decode(buf, version)?;
        let object_id = if kind & ZERO_OBJECT_ID == 0 { varint::decode(buf, version)? } else { 0 };
        let priority = if kind & DEFAULT_PRIORITY == 0 { Some(take_u8(buf)?) } else { None };
        let mut properties = Properties::EMPTY;
        if kind & PROPERTIES != 0 {
            properties = decode_properties(buf, version)?;
            if properties.is_empty() {
                return Err(DecodeError::violation("a datagram with an empty properties block"));
            }
        }
        let body = if kind & STATUS == 0 {
            DatagramBody::Payload(buf.split_off(0))
        } else {
            let status = ObjectStatus::decode(buf, version)?;
            if status != ObjectStatus::Normal && !properties.is_empty() {
                return Err(DecodeError::violation("properties on an object that is not Normal"));
            }
            if !buf.is_empty() {
                return Err(DecodeError::violation("a payload after an object status"));
            }
            DatagramBody::Status(status)
        };
        let end_of_group = kind & END_OF_GROUP != 0;
        Ok(Self { track_alias, group, object_id, priority, properties, end_of_group, body })
    }

    /// The shortest type this datagram can have.
    pub fn wire_type(&self) -> u64 {
        let flag = |set: bool, bit: u64| if set { bit } else { 0 };
        flag(!self.properties.is_empty(), PROPERTIES)
            | flag(self.end_of_group, END_OF_GROUP)
            | flag(self.object_id == 0, ZERO_OBJECT_ID)
            | flag(self.priority.is_none(), DEFAULT_PRIORITY)
            | flag(matches!(self.body, DatagramBody::Status(_)), STATUS)
    }

    /// Appends the datagram with a given type, which may spell out object id 0.
    ///
    /// # Errors
    /// [`EncodeError::Unrepresentable`] when the type cannot carry these fields.
    pub fn encode_as(&self, kind: u64, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        let shortest = self.wire_type();
        let is_status = matches!(self.body, DatagramBody::Status(_));
        let plain = matches!(self.body, DatagramBody::Payload(_) | DatagramBody::Status(ObjectStatus::Normal));
        if kind | ZERO_OBJECT_ID != shortest | ZERO_OBJECT_ID
            || (kind & ZERO_OBJECT_ID != 0 && self.object_id != 0)
            || (is_status && self.end_of_group)
            || (!plain && !self.properties.is_empty())
        {
            return Err(EncodeError::Unrepresentable("a datagram of this type with these fields"));
        }
        varint::encode(kind, out, version)?;
        self.track_alias.encode(out, version)?;
        varint::encode(self.group, out, version)?;
        if kind & ZERO_OBJECT_ID == 0 {
            varint::encode(self.object_id, out, version)?;
        }
        if let Some(priority) = self.priority {
            out.put_u8(priority);
        }
        if !self.properties.is_empty() {
            encode_properties(&self.properties, out, version)?;
        }
        match &self.body {
            DatagramBody::Payload(payload) => {
                out.extend_from_slice(payload);
                Ok(())
            }
            DatagramBody::Status(status) => status.encode(out, version),
        }
    }
}

impl Encode for Datagram {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        self.encode_as(self.wire_type(), out, version)
    }
}

/// Only the form `0b00X0XXXX` is an object, and a status cannot also end its group.
fn check_type(kind: u64) -> Result<(), ProtocolError> {
    let known = kind & !(STATUS | 0x0f) == 0;
    if known && kind & (STATUS | END_OF_GROUP) != STATUS | END_OF_GROUP {
        return Ok(());
    }
    Err(ProtocolError::violation(format!("unknown datagram type {kind:#x}")))
}
