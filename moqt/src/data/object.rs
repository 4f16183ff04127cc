//! Objects of a subgroup stream (11.4.2): header fields, status.

use bytes::{Bytes, BytesMut};

use crate::codec::{DecodeError, Encode, EncodeError, put_prefixed, take_prefixed};
use crate::limit::PROPERTIES_BYTES;
use crate::property::Properties;
use crate::varint;
use crate::version::Version;

/// What an object without payload means (11.2.1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ObjectStatus {
    /// An object like any other.
    #[default]
    Normal,
    /// The group has no object here or after.
    EndOfGroup,
    /// The track has no object here or after.
    EndOfTrack,
}

impl ObjectStatus {
    /// The number on the wire.
    pub const fn to_wire(self) -> u64 {
        match self {
            Self::Normal => 0,
            Self::EndOfGroup => 3,
            Self::EndOfTrack => 4,
        }
    }

    /// The status a number stands for, if any.
    pub const fn from_wire(number: u64) -> Option<Self> {
        match number {
            0 => Some(Self::Normal),
            3 => Some(Self::EndOfGroup),
            4 => Some(Self::EndOfTrack),
            _ => None,
        }
    }

    pub(crate) fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let number = varint::decode(buf, version)?;
        Self::from_wire(number).ok_or_else(|| DecodeError::violation(format!("unknown object status {number}")))
    }
}

/// What precedes an object's payload on a subgroup stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ObjectHeader {
    /// The object's id in its group.
    pub object_id: u64,
    /// Its properties.
    pub properties: Properties,
    /// Bytes of payload that follow.
    pub payload_len: u64,
    /// Anything but [`ObjectStatus::Normal`] only without payload and properties.
    pub status: ObjectStatus,
}

impl ObjectHeader {
    /// Reads the header of the object after `previous` (`None` for the first of the stream).
    pub(crate) fn decode_after(
        previous: Option<u64>,
        has_properties: bool,
        buf: &mut Bytes,
        version: Version,
    ) -> Result<Self, DecodeError> {
        let delta = varint::decode(buf, version)?;
        let object_id = match previous {
            None => Some(delta),
            Some(previous) => previous.checked_add(1).and_then(|next| next.checked_add(delta)),
        };
        let object_id = object_id
            .filter(|id| *id <= varint::max(version))
            .ok_or_else(|| DecodeError::violation("an object id that does not fit"))?;
        let properties = if has_properties { decode_properties(buf, version)? } else { Properties::EMPTY };
        let payload_len = varint::decode(buf, version)?;
        let status = if payload_len == 0 { ObjectStatus::decode(buf, version)? } else { ObjectStatus::Normal };
        if status != ObjectStatus::Normal && !properties.is_empty() {
            return Err(DecodeError::violation("properties on an object that is not Normal"));
        }
        Ok(Self { object_id, properties, payload_len, status })
    }
}

/// Reads a properties block with its length.
pub(crate) fn decode_properties(buf: &mut Bytes, version: Version) -> Result<Properties, DecodeError> {
    let block = take_prefixed(buf, version, PROPERTIES_BYTES, "properties above our limit")?;
    Ok(Properties::new(block, version)?)
}

/// Appends a properties block with its length.
pub(crate) fn encode_properties(
    properties: &Properties,
    out: &mut BytesMut,
    version: Version,
) -> Result<(), EncodeError> {
    put_prefixed(&properties.to_version(version)?, out, version)
}

/// Appends the header of the object after `previous` (`None` for the first of the stream);
/// `has_properties` is the stream header's. The payload follows as it is.
///
/// # Errors
/// [`EncodeError::Unrepresentable`] when the id does not ascend, or properties, status and payload
/// exclude each other.
pub fn encode_object_header(
    previous: Option<u64>,
    header: &ObjectHeader,
    has_properties: bool,
    out: &mut BytesMut,
    version: Version,
) -> Result<(), EncodeError> {
    let ObjectHeader { object_id, properties, payload_len, status } = header;
    if !properties.is_empty() && (!has_properties || *status != ObjectStatus::Normal) {
        return Err(EncodeError::Unrepresentable("properties on this object"));
    }
    if *payload_len > 0 && *status != ObjectStatus::Normal {
        return Err(EncodeError::Unrepresentable("a payload on an object that is not Normal"));
    }
    let delta = match previous {
        None => Some(*object_id),
        Some(previous) => object_id.checked_sub(previous).and_then(|step| step.checked_sub(1)),
    };
    let delta = delta.ok_or(EncodeError::Unrepresentable("object ids that do not ascend"))?;
    varint::encode(delta, out, version)?;
    if has_properties {
        encode_properties(properties, out, version)?;
    }
    varint::encode(*payload_len, out, version)?;
    if *payload_len == 0 {
        varint::encode(status.to_wire(), out, version)?;
    }
    Ok(())
}

impl Encode for ObjectStatus {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(self.to_wire(), out, version)
    }
}
