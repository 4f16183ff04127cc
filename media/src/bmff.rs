//! Box headers and bounded walking. Containers are walked here, not by the box library, because its decoders recurse
//! into whatever a box holds: a hostile `moov` could nest deep enough to exhaust the stack. Leaf boxes are decoded by it.

use std::fmt;

use mp4_atom::Atom;

use crate::error::DemuxError;

/// The four-character type of a box.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct BoxKind(pub [u8; 4]);

impl BoxKind {
    /// Stands for a box whose header is not complete.
    pub(crate) const UNKNOWN: Self = Self(*b"????");
}

impl fmt::Display for BoxKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.escape_ascii().fmt(f)
    }
}

impl fmt::Debug for BoxKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The start of a box in the input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoxHeader {
    pub(crate) kind: BoxKind,
    /// Where the box starts in the input.
    pub(crate) offset: u64,
    /// Bytes before the body: 8 or 16.
    pub(crate) header_size: u64,
    /// Whole size with the header; `None` when the box extends to the end of the input.
    pub(crate) size: Option<u64>,
}

impl BoxHeader {
    /// Largest header: 32-bit size, kind, 64-bit size.
    pub(crate) const MAX_SIZE: usize = 16;

    /// Reads the header of the box at `offset`; `None` when more bytes are needed.
    pub(crate) fn parse(bytes: &[u8], offset: u64) -> Result<Option<Self>, DemuxError> {
        let Some((short, rest)) = bytes.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let Some((kind, rest)) = rest.split_first_chunk::<4>() else {
            return Ok(None);
        };
        let kind = BoxKind(*kind);
        let (header_size, size) = match u32::from_be_bytes(*short) {
            0 => (8, None),
            1 => match rest.first_chunk::<8>() {
                Some(long) => (16, Some(u64::from_be_bytes(*long))),
                None => return Ok(None),
            },
            size => (8, Some(u64::from(size))),
        };
        if size.is_some_and(|size| size < header_size || offset.checked_add(size).is_none()) {
            return Err(DemuxError::Invalid { kind, offset, reason: format!("impossible size {}", size.unwrap_or(0)) });
        }
        Ok(Some(Self { kind, offset, header_size, size }))
    }

    /// The size, refused when it is open or above `limit`.
    pub(crate) fn bounded(&self, limit: u64) -> Result<u64, DemuxError> {
        match self.size {
            Some(size) if size <= limit => Ok(size),
            size => Err(DemuxError::TooLarge {
                kind: self.kind,
                offset: self.offset,
                size: size.unwrap_or(u64::MAX),
                limit,
            }),
        }
    }

    pub(crate) fn invalid(&self, reason: impl Into<String>) -> DemuxError {
        DemuxError::Invalid { kind: self.kind, offset: self.offset, reason: reason.into() }
    }

    pub(crate) fn unsupported(&self, reason: impl Into<String>) -> DemuxError {
        DemuxError::Unsupported { kind: self.kind, offset: self.offset, reason: reason.into() }
    }
}

/// A complete box in memory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BoxRef<'a> {
    pub(crate) kind: BoxKind,
    /// Where the box starts in the input.
    pub(crate) offset: u64,
    /// Header and body.
    pub(crate) raw: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> BoxRef<'a> {
    /// The box that starts at the first byte of `bytes`, which lie at `offset` in the input.
    pub(crate) fn parse(bytes: &'a [u8], offset: u64) -> Result<Self, DemuxError> {
        let truncated = |kind, offset| DemuxError::Truncated { kind, offset, end: offset + bytes.len() as u64 };
        let header = BoxHeader::parse(bytes, offset)?.ok_or_else(|| truncated(BoxKind::UNKNOWN, offset))?;
        let size = header.size.unwrap_or(bytes.len() as u64);
        let raw = usize::try_from(size)
            .ok()
            .and_then(|size| bytes.get(..size))
            .ok_or_else(|| truncated(header.kind, offset))?;
        let body = raw.get(header.header_size as usize..).ok_or_else(|| header.invalid("shorter than its header"))?;
        Ok(Self { kind: header.kind, offset, raw, body })
    }

    /// The boxes inside, after `skip` bytes of own fields.
    pub(crate) fn children(&self, skip: usize) -> Children<'a> {
        let rest = self.body.get(skip..).unwrap_or_default();
        Children { parent: self.kind, rest, offset: self.offset + (self.raw.len() - rest.len()) as u64 }
    }

    /// The first child of that kind.
    pub(crate) fn find(&self, kind: &[u8; 4]) -> Result<Option<Self>, DemuxError> {
        for child in self.children(0) {
            let child = child?;
            if child.kind.0 == *kind {
                return Ok(Some(child));
            }
        }
        Ok(None)
    }

    /// The first child of that kind, which has to be there.
    pub(crate) fn need(&self, kind: &[u8; 4]) -> Result<Self, DemuxError> {
        self.find(kind)?.ok_or_else(|| self.invalid(format!("no `{}` inside", BoxKind(*kind))))
    }

    /// Decodes a leaf box; bytes left over are ignored, as every player does.
    pub(crate) fn decode<T: Atom>(&self) -> Result<T, DemuxError> {
        T::decode_body(&mut &*self.body).map_err(|error| self.invalid(error.to_string()))
    }

    /// The child of that kind, decoded.
    pub(crate) fn decode_child<T: Atom>(&self, kind: &[u8; 4]) -> Result<T, DemuxError> {
        self.need(kind)?.decode()
    }

    /// The child of that kind, decoded, when it is there.
    pub(crate) fn decode_optional<T: Atom>(&self, kind: &[u8; 4]) -> Result<Option<T>, DemuxError> {
        self.find(kind)?.map(|child| child.decode()).transpose()
    }

    pub(crate) fn invalid(&self, reason: impl Into<String>) -> DemuxError {
        DemuxError::Invalid { kind: self.kind, offset: self.offset, reason: reason.into() }
    }

    pub(crate) fn unsupported(&self, reason: impl Into<String>) -> DemuxError {
        DemuxError::Unsupported { kind: self.kind, offset: self.offset, reason: reason.into() }
    }
}

/// Iterates over the boxes of a container.
#[derive(Debug)]
pub(crate) struct Children<'a> {
    parent: BoxKind,
    rest: &'a [u8],
    offset: u64,
}

impl<'a> Iterator for Children<'a> {
    type Item = Result<BoxRef<'a>, DemuxError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Less than a header is padding: QuickTime ends some containers with four zero bytes.
        if self.rest.len() < 8 {
            return None;
        }
        match BoxRef::parse(self.rest, self.offset) {
            Ok(child) => {
                self.rest = &self.rest[child.raw.len()..];
                self.offset += child.raw.len() as u64;
                Some(Ok(child))
            }
            Err(DemuxError::Truncated { kind, offset, .. }) => {
                self.rest = &[];
                let reason = format!("extends beyond the `{}` around it", self.parent);
                Some(Err(DemuxError::Invalid { kind, offset, reason }))
            }
            Err(error) => {
                self.rest = &[];
                Some(Err(error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_each_size_form() {
        let short = BoxHeader::parse(b"\0\0\0\x10moov", 5).unwrap().unwrap();
        assert_eq!((short.size, short.header_size, short.offset), (Some(16), 8, 5));
        let long = BoxHeader::parse(b"\0\0\0\x01mdat\0\0\0\x01\0\0\0\0", 0).unwrap().unwrap();
        assert_eq!((long.size, long.header_size), (Some(1 << 32), 16));
        let open = BoxHeader::parse(b"\0\0\0\0mdat", 0).unwrap().unwrap();
        assert_eq!(open.size, None);
        assert!(BoxHeader::parse(b"\0\0\0\x01mdat\0", 0).unwrap().is_none());
        assert!(BoxHeader::parse(b"\0\0\0\x07mdat", 0).is_err());
        assert!(BoxHeader::parse(b"\0\0\0\x01mdat\xff\xff\xff\xff\xff\xff\xff\xff", 1).is_err());
    }

    #[test]
    fn a_child_larger_than_its_parent_is_named() {
        let parent = BoxRef::parse(b"\0\0\0\x10moov\0\0\0\x20trak", 100).unwrap();
        let error = parent.find(b"trak").unwrap_err().to_string();
        assert_eq!(error, "box `trak` at byte 108: extends beyond the `moov` around it");
    }

    #[test]
    fn an_open_child_takes_the_rest_and_ends_the_walk() {
        let parent = BoxRef::parse(b"\0\0\0\x14moov\0\0\0\0free\0\0\0\0", 0).unwrap();
        assert_eq!(parent.children(0).count(), 1);
    }
}
