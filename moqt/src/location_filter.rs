//! LOCATION_FILTER of drafts 20 and 22: what SUBSCRIPTION_FILTER and the range of FETCH became.

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, put_prefixed, take_prefixed};
use crate::limit::MESSAGE_BYTES;
use crate::location::Location;
use crate::varint;
use crate::version::Version;

/// Which objects of a track pass. Every end is inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocationFilter {
    /// All of them.
    All,
    /// From the first object of the group that many groups before the one after the largest.
    Groups(u64),
    /// From the object after the largest.
    NextObject,
    /// From this location on.
    From(Location),
    /// From `start` to the end of `end_group`.
    ToGroup {
        /// The first location.
        start: Location,
        /// The last group; at least `start.group`.
        end_group: u64,
    },
    /// From `start` to `end`.
    To {
        /// The first location.
        start: Location,
        /// The last one; at least `start`.
        end: Location,
    },
}

impl LocationFilter {
    /// Draft-22's filter type, which draft-20 tells by the number of fields.
    const fn kind(self) -> u64 {
        match self {
            Self::All => 0,
            Self::Groups(_) => 1,
            Self::From(_) => 2,
            Self::ToGroup { .. } => 3,
            Self::To { .. } => 4,
            Self::NextObject => 5,
        }
    }

    /// The fields that follow type or length; the group of an end is a delta.
    fn fields(self) -> Result<Vec<u64>, EncodeError> {
        let delta = |end: u64, start: Location| {
            end.checked_sub(start.group).ok_or(EncodeError::Unrepresentable("a filter that ends before it starts"))
        };
        Ok(match self {
            Self::All | Self::NextObject => Vec::new(),
            Self::Groups(groups) => vec![groups],
            Self::From(start) => vec![start.group, start.object],
            Self::ToGroup { start, end_group } => vec![start.group, start.object, delta(end_group, start)?],
            Self::To { start, end } if end < start => {
                return Err(EncodeError::Unrepresentable("a filter that ends before it starts"));
            }
            Self::To { start, end } => vec![start.group, start.object, delta(end.group, start)?, end.object],
        })
    }

    /// The filter of that type with these fields, if there is one.
    fn from_fields(kind: u64, fields: &[u64]) -> Result<Self, DecodeError> {
        let end_group = |start: u64, delta: u64| {
            start.checked_add(delta).ok_or_else(|| DecodeError::violation("the filter's end group is impossible"))
        };
        Ok(match (kind, fields) {
            (0, []) => Self::All,
            (1, [groups]) => Self::Groups(*groups),
            (2, [group, object]) => Self::From(Location::new(*group, *object)),
            (3, [group, object, delta]) => {
                Self::ToGroup { start: Location::new(*group, *object), end_group: end_group(*group, *delta)? }
            }
            (4, [group, object, delta, last]) => {
                let start = Location::new(*group, *object);
                let end = Location::new(end_group(*group, *delta)?, *last);
                if end < start {
                    return Err(DecodeError::violation("the filter ends before it starts"));
                }
                Self::To { start, end }
            }
            (5, []) => Self::NextObject,
            _ => return Err(DecodeError::violation("unknown filter type")),
        })
    }

    /// Draft-20: as many fields as fill the length.
    fn decode_counted(mut content: Bytes, version: Version) -> Result<Self, DecodeError> {
        let mut fields = Vec::with_capacity(MAX_FIELDS);
        while !content.is_empty() {
            if fields.len() == MAX_FIELDS {
                return Err(DecodeError::violation("a filter with too many fields"));
            }
            let field = varint::decode(&mut content, version);
            fields.push(field.map_err(|error| error.at_end("a filter that does not fill its length"))?);
        }
        match fields.as_slice() {
            [0, 0] => Ok(Self::NextObject),
            _ => Self::from_fields(fields.len() as u64, &fields),
        }
    }
}

/// Fields of the longest filter.
const MAX_FIELDS: usize = 4;

impl Decode for LocationFilter {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        if version.counts_filter_fields() {
            let content = take_prefixed(buf, version, MESSAGE_BYTES, "a parameter longer than any message")?;
            return Self::decode_counted(content, version);
        }
        let kind = varint::decode(buf, version)?;
        let count = match kind {
            0 | 5 => 0,
            1..=4 => kind,
            _ => return Err(DecodeError::violation("unknown filter type")),
        };
        let fields = (0..count).map(|_| varint::decode(buf, version)).collect::<Result<Vec<_>, _>>()?;
        Self::from_fields(kind, &fields)
    }
}

impl Encode for LocationFilter {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        let mut fields = self.fields()?;
        if !version.counts_filter_fields() {
            varint::encode(self.kind(), out, version)?;
            return fields.into_iter().try_for_each(|field| varint::encode(field, out, version));
        }
        match self {
            Self::NextObject => fields = vec![0, 0],
            // These two fields mean the next object.
            Self::From(Location { group: 0, object: 0 }) => {
                return Err(EncodeError::Unrepresentable("a filter that starts at the first object"));
            }
            _ => {}
        }
        let mut content = BytesMut::new();
        fields.into_iter().try_for_each(|field| varint::encode(field, &mut content, version))?;
        put_prefixed(&content, out, version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Version; 2] = [Version::Draft20, Version::Draft22];

    fn encoded(filter: LocationFilter, version: Version) -> Result<Bytes, EncodeError> {
        let mut out = BytesMut::new();
        filter.encode(&mut out, version).map(|()| out.freeze())
    }

    #[test]
    fn every_filter_survives_the_way_there_and_back() {
        let start = Location::new(300, 4);
        let filters = [
            LocationFilter::All,
            LocationFilter::Groups(0),
            LocationFilter::Groups(2),
            LocationFilter::NextObject,
            LocationFilter::From(start),
            LocationFilter::ToGroup { start, end_group: 300 },
            LocationFilter::To { start, end: Location::new(301, 0) },
        ];
        for (filter, version) in filters.into_iter().flat_map(|filter| BOTH.map(|version| (filter, version))) {
            let mut bytes = encoded(filter, version).unwrap();
            assert_eq!(LocationFilter::decode(&mut bytes, version), Ok(filter), "{version}");
            assert!(bytes.is_empty(), "{version}: {filter:?}");
        }
    }

    #[test]
    fn the_first_object_has_no_form_in_draft_20() {
        let first = LocationFilter::From(Location::default());
        assert!(encoded(first, Version::Draft20).is_err());
        assert_eq!(encoded(first, Version::Draft22), Ok(Bytes::from_static(&[2, 0, 0])));
        assert_eq!(encoded(LocationFilter::NextObject, Version::Draft20), Ok(Bytes::from_static(&[2, 0, 0])));
        assert_eq!(encoded(LocationFilter::NextObject, Version::Draft22), Ok(Bytes::from_static(&[5])));
    }

    #[test]
    fn impossible_filters_are_refused() {
        let decode = |bytes: &'static [u8], version| LocationFilter::decode(&mut Bytes::from_static(bytes), version);
        let violation = |bytes, version| {
            assert!(matches!(decode(bytes, version), Err(DecodeError::Invalid(_))), "{version}: {bytes:?}");
        };
        violation(&[5, 1, 1, 1, 1, 1], Version::Draft20);
        violation(&[1, 0x80], Version::Draft20);
        violation(&[4, 3, 5, 0, 4], Version::Draft20);
        violation(&[6], Version::Draft22);
        violation(&[4, 3, 5, 0, 4], Version::Draft22);
        let overflow = &[3, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0, 1];
        violation(overflow, Version::Draft22);
        assert_eq!(decode(&[2, 7], Version::Draft22), Err(DecodeError::Incomplete));
        let backwards = LocationFilter::To { start: Location::new(1, 1), end: Location::new(1, 0) };
        assert!(BOTH.iter().all(|version| encoded(backwards, *version).is_err()));
    }
}
