//! The drafts this crate speaks, and every rule in which they differ (one question per method).

use std::fmt;

/// A draft of MOQT. Those of [`Version::ALL`] are negotiated; what later ones write otherwise is known to the codec alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// draft-ietf-moq-transport-16: QUIC varints, one bidirectional control stream.
    Draft16,
    /// draft-ietf-moq-transport-18: vi64 integers, one stream per request.
    Draft18,
    /// draft-ietf-moq-transport-20: LOCATION_FILTER, also in place of the kinds of FETCH. Not negotiated.
    Draft20,
    /// draft-ietf-moq-transport-22: LOCATION_FILTER with a type. Not negotiated.
    Draft22,
}

impl Version {
    /// Every version that sessions speak, most wanted first: the order in which a client offers them.
    pub const ALL: [Self; 2] = [Self::Draft18, Self::Draft16];
    /// Every version whose messages the codec reads and writes.
    pub const KNOWN: [Self; 4] = [Self::Draft16, Self::Draft18, Self::Draft20, Self::Draft22];

    /// The ALPN on raw QUIC and the WebTransport sub-protocol (section 3.1).
    pub const fn alpn(self) -> &'static str {
        match self {
            Self::Draft16 => "moqt-16",
            Self::Draft18 => "moqt-18",
            Self::Draft20 => "moqt-20",
            Self::Draft22 => "moqt-22",
        }
    }

    /// The number of the draft.
    pub const fn draft(self) -> u16 {
        match self {
            Self::Draft16 => 16,
            Self::Draft18 => 18,
            Self::Draft20 => 20,
            Self::Draft22 => 22,
        }
    }

    /// The version of the draft with this number, if it is one of ours.
    pub fn from_draft(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.draft() == number)
    }

    /// The version an ALPN or sub-protocol names, if it is one of ours.
    pub fn from_alpn(alpn: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.alpn().as_bytes() == alpn)
    }

    /// Integers are vi64 (1.4.1) rather than RFC 9000 varints.
    pub const fn has_vi64(self) -> bool {
        !matches!(self, Self::Draft16)
    }

    /// Each request has its own bidirectional stream, so replies carry no Request ID.
    pub const fn has_request_streams(self) -> bool {
        !matches!(self, Self::Draft16)
    }

    /// Message Parameters follow the even/odd rule of Key-Value-Pairs rather than a typed table.
    pub(crate) const fn has_key_value_parameters(self) -> bool {
        matches!(self, Self::Draft16)
    }

    /// A known parameter in a message that does not define it is skipped rather than fatal.
    pub(crate) const fn ignores_misplaced_parameters(self) -> bool {
        matches!(self, Self::Draft16)
    }

    /// A delivery timeout of 0 ends the session rather than meaning "none".
    pub(crate) const fn refuses_zero_delivery_timeout(self) -> bool {
        matches!(self, Self::Draft16)
    }

    /// A namespace without fields may name a track, not only be a prefix or suffix.
    pub(crate) const fn allows_empty_namespace(self) -> bool {
        !matches!(self, Self::Draft16)
    }

    /// The end group of an absolute range, and ids on FETCH streams, are deltas.
    pub(crate) const fn has_delta_ranges(self) -> bool {
        !matches!(self, Self::Draft16)
    }

    /// Subgroup stream types have the FIRST_OBJECT bit 0x40.
    pub(crate) const fn has_first_object_bit(self) -> bool {
        !matches!(self, Self::Draft16)
    }

    /// Padding streams and datagrams exist (11.5).
    pub(crate) const fn has_padding(self) -> bool {
        !matches!(self, Self::Draft16)
    }

    /// LOCATION_FILTER says which objects a subscription or FETCH is for, and FETCH has no kinds.
    pub(crate) const fn has_location_filter(self) -> bool {
        matches!(self, Self::Draft20 | Self::Draft22)
    }

    /// A LOCATION_FILTER is told by how many fields fill its length rather than by a type.
    pub(crate) const fn counts_filter_fields(self) -> bool {
        matches!(self, Self::Draft20)
    }

    /// GOAWAY carries a timeout and, on the control stream, a Request ID.
    pub(crate) const fn has_goaway_timeout(self) -> bool {
        !matches!(self, Self::Draft16)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.alpn())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alpn_names_round_trip() {
        for version in Version::ALL {
            assert_eq!(Version::from_alpn(version.alpn().as_bytes()), Some(version));
            assert_eq!(Version::from_draft(version.draft()), Some(version));
            assert_eq!(version.alpn(), format!("moqt-{}", version.draft()));
        }
        assert_eq!(Version::from_alpn(b"moqt-99"), None);
        assert_eq!(Version::from_draft(17), None);
        for later in [Version::Draft20, Version::Draft22] {
            assert_eq!(Version::from_alpn(later.alpn().as_bytes()), None, "known to the codec only");
        }
        assert_eq!(Version::ALL[0], Version::Draft18, "the newest is offered first");
    }
}
