//! SETTINGS: what we say and what we need of the peer (RFC 9114 section 7.2.4, WebTransport section 9.2).

use bytes::Bytes;
use wtransport_proto::bytes::BytesReader;

use super::error::Http3Error;
use super::frame::{SETTINGS, frame_head, varints};
use crate::limit;

const MAX_FIELD_SECTION_SIZE: u64 = 0x06;
const ENABLE_CONNECT_PROTOCOL: u64 = 0x08;
const H3_DATAGRAM: u64 = 0x33;
/// WebTransport draft-02, the one browsers speak.
const ENABLE_WEBTRANSPORT: u64 = 0x2b60_3742;
/// WebTransport draft-07 to draft-12.
const WEBTRANSPORT_MAX_SESSIONS: u64 = 0xc671_706a;
/// WebTransport draft-13 and later.
const WT_MAX_SESSIONS: u64 = 0x14e9_cd29;
/// Settings of HTTP/2 that HTTP/3 forbids (RFC 9114 section 7.2.4.1).
const RESERVED: [u64; 5] = [0x00, 0x02, 0x03, 0x04, 0x05];

/// What a peer's settings allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PeerSettings {
    /// Extended CONNECT (RFC 9220).
    pub(crate) connect_protocol: bool,
    /// Datagrams bound to requests (RFC 9297).
    pub(crate) datagrams: bool,
    /// WebTransport in any of its drafts.
    pub(crate) webtransport: bool,
}

impl PeerSettings {
    pub(crate) fn decode(mut payload: &[u8]) -> Result<Self, Http3Error> {
        let mut settings = Self::default();
        while !payload.is_empty() {
            let (Some(id), Some(value)) = (payload.get_varint(), payload.get_varint()) else {
                return Err(Http3Error::Settings("cut off"));
            };
            let on = value.into_inner() > 0;
            match id.into_inner() {
                ENABLE_CONNECT_PROTOCOL => settings.connect_protocol = on,
                H3_DATAGRAM => settings.datagrams = on,
                ENABLE_WEBTRANSPORT | WEBTRANSPORT_MAX_SESSIONS | WT_MAX_SESSIONS => settings.webtransport |= on,
                id if RESERVED.contains(&id) => return Err(Http3Error::Settings("setting reserved by HTTP/3")),
                _ => {}
            }
        }
        Ok(settings)
    }
}

/// Our SETTINGS frame. The dynamic table stays off: its two settings are absent, which means 0.
pub(crate) fn settings_frame() -> [Bytes; 2] {
    let settings = varints(&[
        MAX_FIELD_SECTION_SIZE,
        limit::MAX_FIELD_SECTION as u64,
        ENABLE_CONNECT_PROTOCOL,
        1,
        H3_DATAGRAM,
        1,
        ENABLE_WEBTRANSPORT,
        1,
        WEBTRANSPORT_MAX_SESSIONS,
        1,
    ]);
    [frame_head(SETTINGS, settings.len()), settings]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_settings_allow_webtransport() {
        let [_, payload] = settings_frame();
        let settings = PeerSettings::decode(&payload).unwrap();
        assert_eq!(settings, PeerSettings { connect_protocol: true, datagrams: true, webtransport: true });
    }

    #[test]
    fn unknown_settings_are_ignored_and_bad_ones_refused() {
        assert_eq!(PeerSettings::decode(&varints(&[0x21, 7, 0xff_d277, 1])).unwrap(), PeerSettings::default());
        assert_eq!(PeerSettings::decode(&varints(&[0x03, 1])), Err(Http3Error::Settings("setting reserved by HTTP/3")));
        assert_eq!(PeerSettings::decode(&[0x08]), Err(Http3Error::Settings("cut off")));
        assert!(!PeerSettings::decode(&varints(&[ENABLE_WEBTRANSPORT, 0])).unwrap().webtransport);
    }
}
