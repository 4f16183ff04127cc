//! Words for people that travel with an error.

use std::borrow::Cow;
use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::codec::{Decode, DecodeError, Encode, EncodeError, put_prefixed, take_prefixed};
use crate::limit::REASON_BYTES;
use crate::version::Version;

/// A reason phrase of at most 1024 bytes (1.4.4). A peer's may be broken UTF-8: it is only ever shown.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct ReasonPhrase(Bytes);

impl ReasonPhrase {
    /// A phrase, cut at the last character that fits [`REASON_BYTES`].
    pub fn new(text: impl Into<String>) -> Self {
        let mut text = text.into();
        let fits = (0..=REASON_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
        text.truncate(fits.unwrap_or_default());
        Self(text.into())
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The words, with replacement characters where they are not UTF-8.
    pub fn text(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }
}

impl From<&str> for ReasonPhrase {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for ReasonPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for ReasonPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text().fmt(f)
    }
}

impl Decode for ReasonPhrase {
    fn decode(buf: &mut Bytes, version: Version) -> Result<Self, DecodeError> {
        let too_long = "reason phrase above 1024 bytes";
        Ok(Self(take_prefixed(buf, version, REASON_BYTES, too_long)?))
    }
}

impl Encode for ReasonPhrase {
    fn encode(&self, out: &mut BytesMut, version: Version) -> Result<(), EncodeError> {
        put_prefixed(&self.0, out, version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_phrase_is_cut_between_characters() {
        let phrase = ReasonPhrase::new("я".repeat(600) + "x");
        assert_eq!(phrase.as_bytes().len(), REASON_BYTES);
        let odd = ReasonPhrase::new(format!("x{}", "я".repeat(600)));
        assert_eq!(odd.as_bytes().len(), REASON_BYTES - 1);
    }
}
