//! Names of tracks: namespaces, track names, and their text form (1.5, 2.4.1).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, put_prefixed, take_prefixed};
use crate::limit::{FULL_NAME_BYTES, NAMESPACE_FIELDS};
use crate::varint;
use crate::version::Version;

/// Why something is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than [`NAMESPACE_FIELDS`].
    #[error("a namespace has at most 32 fields")]
    TooManyFields,
    /// A field without bytes.
    #[error("a namespace field has at least one byte")]
    EmptyField,
    /// More than [`FULL_NAME_BYTES`].
    #[error("a name has at most 4096 bytes")]
    TooLong,
    /// Not the text form of a name.
    #[error("not the text form of a name: {0}")]
    Text(&'static str),
}

impl From<NameError> for DecodeError {
    fn from(error: NameError) -> Self {
        Self::violation(error.to_string())
    }
}

/// An ordered list of 0 to 32 byte strings, each at least one byte, 4096 bytes together.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Namespace(Arc<[Bytes]>);

impl Namespace {
    /// A namespace of these fields.
    ///
    /// # Errors
    /// [`NameError`] when there are too many fields, an empty one, or too many bytes.
    pub fn new<F: Into<Bytes>>(fields: impl IntoIterator<Item = F>) -> Result<Self, NameError> {
        let fields: Arc<[Bytes]> = fields.into_iter().map(Into::into).collect();
        if fields.len() > NAMESPACE_FIELDS {
            return Err(NameError::TooManyFields);
        }
        if fields.iter().any(Bytes::is_empty) {
            return Err(NameError::EmptyField);
        }
        let namespace = Self(fields);
        if namespace.byte_len() > FULL_NAME_BYTES {
            return Err(NameError::TooLong);
        }
        Ok(namespace)
    }

    /// The fields, in order.
    pub fn fields(&self) -> &[Bytes] {
        &self.0
    }

    /// There are no fields: as a prefix, this matches everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Bytes of all fields together.
    pub fn byte_len(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }

    /// `other` begins with all of these fields (whole fields, never parts of one).
    pub fn is_prefix_of(&self, other: &Self) -> bool {
        other.0.starts_with(&self.0)
    }

    /// One of the two is a prefix of the other.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.is_prefix_of(other) || other.is_prefix_of(self)
    }

    /// What follows `prefix`, if this namespace begins with it.
    pub fn strip_prefix(&self, prefix: &Self) -> Option<Self> {
        self.0.strip_prefix(prefix.fields()).map(|rest| Self(rest.into()))
    }

    /// These fields, then those of `suffix`.
    ///
    /// # Errors
    /// [`NameError`] when the two together break a limit.
    pub fn join(&self, suffix: &Self) -> Result<Self, NameError> {
        Self::new(self.0.iter().chain(suffix.fields()).cloned())
    }

    /// Reads a prefix or suffix: unlike a track's namespace it may be empty in every version.
    pub(crate) fn decode_part(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let count = varint::decode(buf, version)?;
        if count > NAMESPACE_FIELDS as u64 {
            return Err(NameError::TooManyFields.into());
        }
        let mut fields = Vec::with_capacity(count as usize);
        let mut left = FULL_NAME_BYTES;
        for _ in 0..count {
            let field = take_prefixed(buf, version, left, "namespace above 4096 bytes")?;
            if field.is_empty() {
                return Err(NameError::EmptyField.into());
            }
            left -= field.len();
            fields.push(field);
        }
        Ok(Self(fields.into()))
    }

    /// Appends a prefix or suffix.
    pub(crate) fn encode_part(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        varint::encode(self.0.len() as u64, out, version)?;
        self.0.iter().try_for_each(|field| put_prefixed(field, out, version))
    }
}

impl Decode for Namespace {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let namespace = Self::decode_part(buf, version)?;
        if namespace.is_empty() && !version.allows_empty_namespace() {
            return Err(DecodeError::violation("a namespace needs a field in this version"));
        }
        Ok(namespace)
    }
}

impl Encode for Namespace {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        if self.is_empty() && !version.allows_empty_namespace() {
            return Err(EncodeError::Unrepresentable("an empty namespace"));
        }
        self.encode_part(out, version)
    }
}

/// A track's name in its namespace: any bytes, possibly none.
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TrackName(Bytes);

impl TrackName {
    /// A name of these bytes.
    ///
    /// # Errors
    /// [`NameError::TooLong`] above [`FULL_NAME_BYTES`].
    pub fn new(name: impl Into<Bytes>) -> Result<Self, NameError> {
        let name = name.into();
        if name.len() > FULL_NAME_BYTES { Err(NameError::TooLong) } else { Ok(Self(name)) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

impl Decode for TrackName {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let too_long = "track name above 4096 bytes";
        Ok(Self(take_prefixed(buf, version, FULL_NAME_BYTES, too_long)?))
    }
}

impl Encode for TrackName {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        put_prefixed(&self.0, out, version)
    }
}

/// A namespace and a track name, 4096 bytes together.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FullTrackName {
    /// The namespace.
    pub namespace: Namespace,
    /// The name in it.
    pub name: TrackName,
}

impl FullTrackName {
    /// The name of a track.
    ///
    /// # Errors
    /// [`NameError::TooLong`] when both together exceed [`FULL_NAME_BYTES`].
    pub fn new(namespace: Namespace, name: TrackName) -> Result<Self, NameError> {
        let full = Self { namespace, name };
        if full.byte_len() > FULL_NAME_BYTES { Err(NameError::TooLong) } else { Ok(full) }
    }

    /// Bytes of all fields and the name together.
    pub fn byte_len(&self) -> usize {
        self.namespace.byte_len() + self.name.0.len()
    }

    /// Reads a name whose namespace may be empty in every version (redirects: "the same track").
    pub(crate) fn decode_part(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let namespace = Namespace::decode_part(buf, version)?;
        let left = FULL_NAME_BYTES - namespace.byte_len();
        let name = take_prefixed(buf, version, left, "full track name above 4096 bytes")?;
        Ok(Self { namespace, name: TrackName(name) })
    }
}

impl Decode for FullTrackName {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let full = Self::decode_part(buf, version)?;
        if full.namespace.is_empty() && !version.allows_empty_namespace() {
            return Err(DecodeError::violation("a namespace needs a field in this version"));
        }
        Ok(full)
    }
}

impl Encode for FullTrackName {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        if self.byte_len() > FULL_NAME_BYTES {
            return Err(EncodeError::Unrepresentable("a full track name above 4096 bytes"));
        }
        self.namespace.encode(out, version)?;
        self.name.encode(out, version)
    }
}

fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

fn write_escaped(bytes: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for &byte in bytes {
        if is_literal(byte) {
            write!(f, "{}", char::from(byte))?;
        } else {
            write!(f, ".{byte:02x}")?;
        }
    }
    Ok(())
}

fn lower_hex(digit: Option<u8>) -> Result<u8, NameError> {
    match digit {
        Some(digit @ b'0'..=b'9') => Ok(digit - b'0'),
        Some(digit @ b'a'..=b'f') => Ok(digit - b'a' + 10),
        _ => Err(NameError::Text("a period needs two lower-case hex digits")),
    }
}

fn unescape(text: &str) -> Result<Bytes, NameError> {
    let mut bytes = text.bytes();
    let mut plain = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if is_literal(byte) {
            plain.push(byte);
        } else if byte == b'.' {
            let escaped = lower_hex(bytes.next())? << 4 | lower_hex(bytes.next())?;
            if is_literal(escaped) {
                return Err(NameError::Text("a literal character is escaped"));
            }
            plain.push(escaped);
        } else {
            return Err(NameError::Text("a character needs escaping"));
        }
    }
    Ok(plain.into())
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, field) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("-")?;
            }
            write_escaped(field, f)?;
        }
        Ok(())
    }
}

impl FromStr for Namespace {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        let fields = text.split('-').map(unescape).collect::<Result<Vec<_>, _>>()?;
        Self::new(fields)
    }
}

impl fmt::Display for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_escaped(&self.0, f)
    }
}

impl FromStr for TrackName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        Self::new(unescape(text)?)
    }
}

impl fmt::Display for FullTrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}--{}", self.namespace, self.name)
    }
}

impl FromStr for FullTrackName {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let (namespace, name) =
            text.split_once("--").ok_or(NameError::Text("no double hyphen before the track name"))?;
        Self::new(namespace.parse()?, name.parse()?)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({self})")
    }
}

impl fmt::Debug for TrackName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackName({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(fields: &[&'static str]) -> Namespace {
        Namespace::new(fields.iter().copied()).unwrap()
    }

    #[test]
    fn prefixes_are_of_whole_fields() {
        let (foo, foobar) = (namespace(&["foo"]), namespace(&["foobar"]));
        let foo_bar = namespace(&["foo", "bar"]);
        assert!(foo.is_prefix_of(&foo_bar) && foo.is_prefix_of(&foo));
        assert!(!foo.is_prefix_of(&foobar) && !foo_bar.is_prefix_of(&foo));
        assert!(foo_bar.overlaps(&foo) && !foo_bar.overlaps(&foobar));
        assert_eq!(foo_bar.strip_prefix(&foo), Some(namespace(&["bar"])));
        assert_eq!(foo_bar.strip_prefix(&foobar), None);
        assert_eq!(foo.join(&namespace(&["bar"])), Ok(foo_bar));
    }

    #[test]
    fn limits_are_checked_at_construction() {
        assert!(Namespace::new(["x"; 32]).is_ok());
        assert_eq!(Namespace::new(["x"; 33]), Err(NameError::TooManyFields));
        assert_eq!(Namespace::new([""]), Err(NameError::EmptyField));
        assert_eq!(Namespace::new([vec![0; 4097]]), Err(NameError::TooLong));
        let full = Namespace::new([vec![0; 4096]]).unwrap();
        assert!(FullTrackName::new(full.clone(), TrackName::default()).is_ok());
        let name = TrackName::new("x").unwrap();
        assert_eq!(FullTrackName::new(full, name), Err(NameError::TooLong));
    }

    #[test]
    fn text_that_is_not_canonical_is_refused() {
        for text in ["a--b-c", "a-", "-a--b", "a", "a--.6", "a--.2E", "a--.61", "a b--c", "---"] {
            assert!(text.parse::<FullTrackName>().is_err(), "{text}");
        }
        let empty: FullTrackName = "--x".parse().unwrap();
        assert!(empty.namespace.is_empty());
    }
}
