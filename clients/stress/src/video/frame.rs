//! The synthetic frame: who sent it, when and where it belongs, under a checksum.

use bytes::{BufMut, Bytes, BytesMut};
use crc32fast::Hasher;

use crate::clock::Moment;

/// Bytes before a frame's filling; no frame is shorter.
pub(crate) const HEADER_BYTES: usize = 48;

/// First bytes of every frame: what is not ours is told apart from what is broken.
const MAGIC: [u8; 4] = *b"efs1";
/// The checksum covers what follows it.
const CHECKED_FROM: usize = 8;

/// What a frame says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// The run that published it.
    pub(crate) run: u64,
    /// Track of the run.
    pub(crate) track: u32,
    pub(crate) group: u64,
    pub(crate) object: u32,
    /// Frames of the track published before it.
    pub(crate) sequence: u64,
    /// When the schedule had it published.
    pub(crate) due: Moment,
}

/// What is wrong with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Shorter than a header, or of another length than it was announced with.
    Length,
    /// Not a frame of this tool.
    Foreign,
    /// Its bytes are not those that were sent.
    Checksum,
    /// Of another run or track.
    Track,
    /// At another place of the track than it was published at.
    Place,
}

impl Fault {
    /// For reports.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Length => "length",
            Self::Foreign => "not of this tool",
            Self::Checksum => "checksum",
            Self::Track => "track",
            Self::Place => "place",
        }
    }
}

impl Stamp {
    /// The whole frame: the stamp, then `filling`.
    pub(crate) fn frame(&self, filling: &[u8]) -> Bytes {
        let mut frame = BytesMut::with_capacity(HEADER_BYTES + filling.len());
        frame.put_slice(&MAGIC);
        frame.put_u32(0);
        frame.put_u64(self.run);
        frame.put_u32(self.track);
        frame.put_u64(self.group);
        frame.put_u32(self.object);
        frame.put_u64(self.sequence);
        frame.put_u64(self.due.nanoseconds());
        frame.put_slice(filling);
        let checksum = crc32fast::hash(&frame[CHECKED_FROM..]);
        frame[4..CHECKED_FROM].copy_from_slice(&checksum.to_be_bytes());
        frame.freeze()
    }

    fn read(header: &[u8; HEADER_BYTES]) -> Self {
        Self {
            run: u64::from_be_bytes(field(header, 8)),
            track: u32::from_be_bytes(field(header, 16)),
            group: u64::from_be_bytes(field(header, 20)),
            object: u32::from_be_bytes(field(header, 28)),
            sequence: u64::from_be_bytes(field(header, 32)),
            due: Moment::from_nanoseconds(u64::from_be_bytes(field(header, 40))),
        }
    }
}

/// A field of the header; the offsets above are inside of it.
fn field<const N: usize>(header: &[u8; HEADER_BYTES], at: usize) -> [u8; N] {
    let mut bytes = [0; N];
    bytes.copy_from_slice(&header[at..at + N]);
    bytes
}

/// Checks one frame as its parts come in, without putting them together.
#[derive(Debug)]
pub(crate) struct FrameCheck {
    header: [u8; HEADER_BYTES],
    length: usize,
    checksum: Hasher,
}

impl FrameCheck {
    pub(crate) fn new() -> Self {
        Self { header: [0; HEADER_BYTES], length: 0, checksum: Hasher::new() }
    }

    /// The next bytes of the frame.
    pub(crate) fn push(&mut self, part: &[u8]) {
        let kept = part.len().min(HEADER_BYTES.saturating_sub(self.length));
        self.header[self.length.min(HEADER_BYTES)..][..kept].copy_from_slice(&part[..kept]);
        let unchecked = CHECKED_FROM.saturating_sub(self.length).min(part.len());
        self.checksum.update(&part[unchecked..]);
        self.length += part.len();
    }

    /// Bytes so far.
    pub(crate) fn length(&self) -> usize {
        self.length
    }

    /// Judges the frame and is ready for the next one. `run` and `track` are those that were asked for, `place` is group and
    /// object on the wire.
    pub(crate) fn finish(&mut self, run: u64, track: u32, place: (u64, u64)) -> Result<Stamp, Fault> {
        let Self { header, length, checksum } = std::mem::replace(self, Self::new());
        if length < HEADER_BYTES {
            return Err(Fault::Length);
        }
        if field(&header, 0) != MAGIC {
            return Err(Fault::Foreign);
        }
        if u32::from_be_bytes(field(&header, 4)) != checksum.finalize() {
            return Err(Fault::Checksum);
        }
        let stamp = Stamp::read(&header);
        if (stamp.run, stamp.track) != (run, track) {
            return Err(Fault::Track);
        }
        if (stamp.group, u64::from(stamp.object)) != place { Err(Fault::Place) } else { Ok(stamp) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STAMP: Stamp =
        Stamp { run: 1, track: 2, group: 4, object: 5, sequence: 125, due: Moment::from_nanoseconds(7) };

    fn check(frame: &[u8], cut: usize) -> Result<Stamp, Fault> {
        let mut check = FrameCheck::new();
        frame.chunks(cut.max(1)).for_each(|part| check.push(part));
        check.finish(1, 2, (4, 5))
    }

    proptest! {
        #[test]
        fn frames_are_read_back_however_they_are_cut(filling in prop::collection::vec(any::<u8>(), 0..300), cut in 1..400usize) {
            let frame = STAMP.frame(&filling);
            prop_assert_eq!(frame.len(), HEADER_BYTES + filling.len());
            prop_assert_eq!(check(&frame, cut), Ok(STAMP));
        }

        #[test]
        fn one_wrong_bit_anywhere_is_found(at in 0..HEADER_BYTES + 100, bit in 0..8u8, cut in 1..200usize) {
            let mut frame = STAMP.frame(&[7; 100]).to_vec();
            frame[at] ^= 1 << bit;
            let expected = if at < 4 { Fault::Foreign } else { Fault::Checksum };
            prop_assert_eq!(check(&frame, cut), Err(expected));
        }

        #[test]
        fn a_frame_cut_short_is_found(length in 0..HEADER_BYTES + 100) {
            let frame = STAMP.frame(&[7; 100]);
            let expected = if length < HEADER_BYTES { Fault::Length } else { Fault::Checksum };
            prop_assert_eq!(check(&frame[..length], 64), Err(expected));
        }
    }

    #[test]
    fn frames_of_others_and_at_other_places_are_found() {
        assert_eq!(check(&Stamp { run: 9, ..STAMP }.frame(&[]), 9), Err(Fault::Track));
        assert_eq!(check(&Stamp { track: 9, ..STAMP }.frame(&[]), 9), Err(Fault::Track));
        assert_eq!(check(&Stamp { object: 6, ..STAMP }.frame(&[]), 9), Err(Fault::Place));
        assert_eq!(check(&Stamp { group: 5, ..STAMP }.frame(&[]), 9), Err(Fault::Place));
    }
}
