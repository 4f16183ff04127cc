//! Where an object is in a track, and which part of a track a subscription wants.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError};
use crate::varint;
use crate::version::Version;

/// A group and an object in it; ordered by group, then object (1.4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// Group ID.
    pub group: u64,
    /// Object ID in the group.
    pub object: u64,
}

impl Location {
    /// The location of object `object` of group `group`.
    pub const fn new(group: u64, object: u64) -> Self {
        Self { group, object }
    }
}

impl Decode for Location {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let group = varint::decode(buf, version)?;
        Ok(Self { group, object: varint::decode(buf, version)? })
    }
}

impl Encode for Location {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(self.group, out, version)?;
        varint::encode(self.object, out, version)
    }
}

/// The order in which groups are sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GroupOrder {
    /// Oldest group first.
    #[default]
    Ascending,
    /// Newest group first.
    Descending,
}

impl GroupOrder {
    /// The number in GROUP_ORDER and DEFAULT_PUBLISHER_GROUP_ORDER.
    pub const fn to_wire(self) -> u64 {
        match self {
            Self::Ascending => 1,
            Self::Descending => 2,
        }
    }

    /// The order a number stands for, if any.
    pub const fn from_wire(number: u64) -> Option<Self> {
        match number {
            1 => Some(Self::Ascending),
            2 => Some(Self::Descending),
            _ => None,
        }
    }
}

/// Which objects of a track pass (5.1.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Filter {
    /// From the first object of the group after the largest.
    NextGroup,
    /// From the object after the largest.
    LargestObject,
    /// From this location on.
    AbsoluteStart(Location),
    /// From `start` to the end of `end_group`.
    AbsoluteRange {
        /// The first location.
        start: Location,
        /// The last group, inclusive; at least `start.group`.
        end_group: u64,
    },
}

impl Filter {
    /// The filter type on the wire.
    pub const fn to_wire(self) -> u64 {
        match self {
            Self::NextGroup => 1,
            Self::LargestObject => 2,
            Self::AbsoluteStart(_) => 3,
            Self::AbsoluteRange { .. } => 4,
        }
    }
}

impl Decode for Filter {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        match varint::decode(buf, version)? {
            1 => Ok(Self::NextGroup),
            2 => Ok(Self::LargestObject),
            3 => Ok(Self::AbsoluteStart(Location::decode(buf, version)?)),
            4 => {
                let start = Location::decode(buf, version)?;
                let end = varint::decode(buf, version)?;
                let end_group = if version.has_delta_ranges() {
                    start.group.checked_add(end)
                } else {
                    Some(end).filter(|end| *end >= start.group)
                };
                let end_group =
                    end_group.ok_or_else(|| DecodeError::violation("the filter's end group is impossible"))?;
                Ok(Self::AbsoluteRange { start, end_group })
            }
            _ => Err(DecodeError::violation("unknown filter type")),
        }
    }
}

impl Encode for Filter {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(self.to_wire(), out, version)?;
        match self {
            Self::NextGroup | Self::LargestObject => Ok(()),
            Self::AbsoluteStart(start) => start.encode(out, version),
            Self::AbsoluteRange { start, end_group } => {
                start.encode(out, version)?;
                let delta = end_group
                    .checked_sub(start.group)
                    .ok_or(EncodeError::Unrepresentable("a filter that ends before it starts"))?;
                let end = if version.has_delta_ranges() { delta } else { *end_group };
                varint::encode(end, out, version)
            }
        }
    }
}
