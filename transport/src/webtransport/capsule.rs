//! Capsules on the CONNECT stream (RFC 9297 section 3): the close capsule is read, all others are skipped.

use bytes::{Buf, Bytes, BytesMut};
use wtransport_proto::bytes::BytesReader;

use crate::http3::{DATA, Http3Error, frame_head, varints};
use crate::limit;

/// CLOSE_WEBTRANSPORT_SESSION (WebTransport section 6).
const CLOSE_SESSION: u64 = 0x2843;

/// The peer's last words.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CloseCapsule {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

/// Finds the close capsule in the bytes of DATA frames, wherever those are cut.
#[derive(Debug, Default)]
pub(crate) struct CapsuleReader {
    buffer: BytesMut,
    skip_left: u64,
}

impl CapsuleReader {
    /// Takes the next bytes; the close capsule once it is complete.
    pub(crate) fn push(&mut self, bytes: &[u8]) -> Result<Option<CloseCapsule>, Http3Error> {
        self.buffer.extend_from_slice(bytes);
        loop {
            let skipped = usize::try_from(self.skip_left).map_or(self.buffer.len(), |left| left.min(self.buffer.len()));
            self.buffer.advance(skipped);
            self.skip_left -= skipped as u64;
            let mut view: &[u8] = &self.buffer;
            let (Some(kind), Some(length)) = (view.get_varint(), view.get_varint()) else { return Ok(None) };
            let (length, head) = (length.into_inner(), self.buffer.len() - view.len());
            if kind.into_inner() != CLOSE_SESSION {
                self.buffer.advance(head);
                self.skip_left = length;
                continue;
            }
            if !(4..=limit::MAX_CAPSULE as u64).contains(&length) {
                return Err(Http3Error::Message("close capsule has an impossible length"));
            }
            return Ok(view.get_bytes(length as usize).map(CloseCapsule::decode));
        }
    }
}

impl CloseCapsule {
    fn decode(payload: &[u8]) -> Self {
        let (code, reason) = payload.split_at(4);
        let code = code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte));
        Self { code, reason: String::from_utf8_lossy(reason).into_owned() }
    }
}

/// A DATA frame with the close capsule. Codes beyond 32 bits and reasons beyond 1024 bytes are cut.
pub(crate) fn close_frame(code: u64, reason: &str) -> [Bytes; 3] {
    let code = u32::try_from(code).unwrap_or(u32::MAX);
    let end =
        (0..=reason.len().min(limit::MAX_CLOSE_REASON)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
    let reason = &reason[..end];
    let mut payload = BytesMut::with_capacity(4 + reason.len());
    payload.extend_from_slice(&code.to_be_bytes());
    payload.extend_from_slice(reason.as_bytes());
    let head = varints(&[CLOSE_SESSION, payload.len() as u64]);
    [frame_head(DATA, head.len() + payload.len()), head, payload.freeze()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn capsule(code: u64, reason: &str) -> Vec<u8> {
        let [_, head, payload] = close_frame(code, reason);
        [head, payload].concat()
    }

    #[test]
    fn close_is_found_behind_unknown_capsules_however_it_is_cut() {
        let mut bytes = varints(&[0x1234_5678, 5]).to_vec();
        bytes.extend(b"hello");
        bytes.extend(capsule(300, "bye"));
        for size in 1..bytes.len() {
            let mut reader = CapsuleReader::default();
            let found: Vec<_> = bytes.chunks(size).filter_map(|chunk| reader.push(chunk).unwrap()).collect();
            assert_eq!(found, [CloseCapsule { code: 300, reason: "bye".into() }]);
        }
    }

    #[test]
    fn huge_unknown_capsules_are_not_kept() {
        let mut reader = CapsuleReader::default();
        assert_eq!(reader.push(&varints(&[0x40, 1 << 40])), Ok(None));
        for _ in 0..64 {
            assert_eq!(reader.push(&[0; 4096]), Ok(None));
            assert!(reader.buffer.is_empty());
        }
    }

    #[test]
    fn impossible_lengths_are_refused() {
        assert!(CapsuleReader::default().push(&varints(&[CLOSE_SESSION, 3])).is_err());
        assert!(CapsuleReader::default().push(&varints(&[CLOSE_SESSION, 2000])).is_err());
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let bytes = capsule(u64::MAX, &"é".repeat(1000));
        let close = CapsuleReader::default().push(&bytes).unwrap().unwrap();
        assert_eq!(close.code, u32::MAX);
        assert_eq!(close.reason, "é".repeat(512));
    }
}
