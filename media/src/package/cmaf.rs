//! One frame per CMAF chunk: `moof` + `mdat`.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Encode, Mfhd, Moof, Tfdt, Tfhd, Traf, Trun, TrunEntry};

use crate::{error::PackageError, frame::Frame, limit::MAX_SAMPLE_BYTES};

/// `sample_depends_on` = 2: on no other sample (ISO/IEC 14496-12, 8.8.3.1).
const SYNC_FLAGS: u32 = 0x0200_0000;

/// `sample_depends_on` = 1 and `sample_is_non_sync_sample`.
const DELTA_FLAGS: u32 = 0x0101_0000;

/// Bytes of an `mdat` header.
const MDAT_HEADER: usize = 8;

/// The frame as one CMAF chunk under track id [`Frame::track`]; `sequence` counts the fragments of the track from 1.
/// Header and payload are contiguous: the one copy a frame sees between demuxing and the wire.
///
/// # Errors
/// The payload is larger than [`crate::limit::MAX_SAMPLE_BYTES`].
pub fn package_cmaf(frame: &Frame, sequence: u32) -> Result<Bytes, PackageError> {
    let size = frame.payload.len();
    if size > MAX_SAMPLE_BYTES {
        return Err(PackageError::FrameTooLarge(size));
    }
    let header = encode(&moof(frame, sequence, 0));
    // The offset is a fixed-size field, so the second encoding is as long as the first.
    let header = encode(&moof(frame, sequence, (header.len() + MDAT_HEADER) as i32));
    let mut out = BytesMut::with_capacity(header.len() + MDAT_HEADER + size);
    out.put_slice(&header);
    out.put_u32((MDAT_HEADER + size) as u32);
    out.put_slice(b"mdat");
    out.put_slice(&frame.payload);
    Ok(out.freeze())
}

fn encode(moof: &Moof) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    moof.encode(&mut out).expect("one sample's moof is far below 4 GiB and its offset fits i32");
    out
}

fn moof(frame: &Frame, sequence: u32, data_offset: i32) -> Moof {
    let sample = TrunEntry {
        duration: Some(frame.duration),
        size: Some(frame.payload.len() as u32),
        flags: Some(if frame.keyframe { SYNC_FLAGS } else { DELTA_FLAGS }),
        cts: (frame.composition_offset != 0).then(|| frame.composition_offset.into()),
    };
    Moof {
        mfhd: Mfhd { sequence_number: sequence },
        traf: vec![Traf {
            tfhd: Tfhd { track_id: frame.track, default_base_is_moof: true, ..Tfhd::default() },
            tfdt: Some(Tfdt { base_media_decode_time: frame.decode_time }),
            trun: vec![Trun { data_offset: Some(data_offset), samples: vec![sample].into() }],
            ..Traf::default()
        }],
    }
}
