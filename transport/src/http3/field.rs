//! Header sections: QPACK without a dynamic table (RFC 9204), which our SETTINGS allow no peer to use.

use std::collections::HashMap;

use bytes::Bytes;
use wtransport_proto::qpack::{Decoder, Encoder};

use super::error::Http3Error;
use super::frame::{HEADERS, frame_head};

/// Names and values of one header section; of a repeated name the last value.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Fields(HashMap<String, String>);

impl Fields {
    pub(crate) fn decode(section: &[u8]) -> Result<Self, Http3Error> {
        check_integers(section)?;
        Decoder::decode(section).map(Self).map_err(|error| Http3Error::Decompression(error.to_string()))
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The `:status` of a response.
    pub(crate) fn status(&self) -> Option<u16> {
        self.get(":status")?.parse().ok()
    }
}

/// A HEADERS frame; pseudo-headers must come first in `fields`.
pub(crate) fn headers_frame<'a>(fields: impl IntoIterator<Item = (&'a str, &'a str)>) -> [Bytes; 2] {
    let section = Bytes::from(Encoder::encode(fields).into_vec());
    [frame_head(HEADERS, section.len()), section]
}

/// Most bytes a QPACK integer of ours may take: enough for any length within a section, and far from overflow.
const MAX_INTEGER_BYTES: usize = 4;

/// Walks the section's structure and refuses integers that run on, which the decoder would shift out of range.
fn check_integers(section: &[u8]) -> Result<(), Http3Error> {
    let mut rest = section;
    integer(&mut rest, 8)?;
    integer(&mut rest, 7)?;
    while let Some(&first) = rest.first() {
        match first {
            0x80.. => drop(integer(&mut rest, 6)?),
            0x40..=0x7f => {
                integer(&mut rest, 4)?;
                string(&mut rest, 7)?;
            }
            0x20..=0x3f => {
                string(&mut rest, 3)?;
                string(&mut rest, 7)?;
            }
            _ => return Err(Http3Error::Decompression("dynamic table is not in use".into())),
        }
    }
    Ok(())
}

fn integer(rest: &mut &[u8], prefix: u32) -> Result<usize, Http3Error> {
    let error = || Http3Error::Decompression("integer is cut off or too long".into());
    let (&first, tail) = rest.split_first().ok_or_else(error)?;
    *rest = tail;
    let mask = (1usize << prefix) - 1;
    let mut value = usize::from(first) & mask;
    if value < mask {
        return Ok(value);
    }
    for position in 0..MAX_INTEGER_BYTES {
        let (&byte, tail) = rest.split_first().ok_or_else(error)?;
        *rest = tail;
        value += usize::from(byte & 0x7f) << (7 * position);
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err(error())
}

fn string(rest: &mut &[u8], prefix: u32) -> Result<(), Http3Error> {
    let length = integer(rest, prefix)?;
    *rest = rest.get(length..).ok_or_else(|| Http3Error::Decompression("string is cut off".into()))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_survive_a_round_trip() {
        let fields =
            [(":method", "GET"), (":path", "/live?x=1"), ("x-long", "a value that is not in the static table")];
        let [_, section] = headers_frame(fields);
        let decoded = Fields::decode(&section).unwrap();
        assert_eq!(decoded.iter().count(), 3);
        for (name, value) in fields {
            assert_eq!(decoded.get(name), Some(value));
        }
    }

    #[test]
    fn endless_integers_are_refused() {
        let mut section = vec![0, 0, 0xff];
        section.extend([0xff; 40]);
        assert!(matches!(Fields::decode(&section), Err(Http3Error::Decompression(_))));
        assert!(matches!(Fields::decode(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff]), Err(Http3Error::Decompression(_))));
    }

    #[test]
    fn cut_off_and_dynamic_sections_are_refused() {
        let [_, section] = headers_frame([(":method", "GET"), ("x-a", "bcd")]);
        for end in 0..section.len() {
            // Cutting between two fields leaves a shorter but valid section; anything else must be an error, never a panic.
            let _ = Fields::decode(&section[..end]);
        }
        assert!(Fields::decode(&section[..section.len() - 1]).is_err());
        assert!(Fields::decode(&[0, 0, 0x10]).is_err());
        assert!(Fields::decode(&[]).is_err());
    }

    #[test]
    fn random_bytes_never_panic() {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        for _ in 0..20_000 {
            let bytes: Vec<u8> = (0..24)
                .map(|_| {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                    (state >> 56) as u8
                })
                .collect();
            let mut section = vec![0, 0];
            section.extend(bytes);
            let _ = Fields::decode(&section);
        }
    }
}
