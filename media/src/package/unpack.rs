//! CMAF chunks back to frames.

use bytes::Bytes;

use crate::{
    bmff::BoxRef,
    demux::{FragmentTracks, with_init},
    error::DemuxError,
    frame::{Frame, TrackInfo},
};

/// Takes the CMAF chunks of one track apart.
#[derive(Debug)]
pub struct Unpackager {
    info: TrackInfo,
    entry: Bytes,
    tracks: FragmentTracks,
}

impl Unpackager {
    /// For the track of this initialisation segment.
    ///
    /// # Errors
    /// The segment is malformed, has several tracks or a codec not carried here.
    pub fn new(init: &[u8]) -> Result<Self, DemuxError> {
        with_init(init, |track| {
            let tracks = FragmentTracks::single(&track);
            let entry = Bytes::copy_from_slice(track.entry);
            let mut info = track.info;
            info.init = Bytes::copy_from_slice(init);
            Ok(Self { info, entry, tracks })
        })
    }

    /// The track.
    #[must_use]
    pub fn info(&self) -> &TrackInfo {
        &self.info
    }

    /// The track's sample entry box as it stands in the initialisation segment.
    pub(crate) fn entry(&self) -> &[u8] {
        &self.entry
    }

    /// The frames of one object: one or more `moof` + `mdat`, in decode order. Payloads are slices of `chunk`.
    ///
    /// # Errors
    /// The chunk is malformed, cut, or over a limit.
    pub fn unpack(&mut self, chunk: &Bytes) -> Result<Vec<Frame>, DemuxError> {
        let mut frames = Vec::new();
        let mut samples = Vec::new();
        let mut offset = 0;
        while offset < chunk.len() {
            let found = BoxRef::parse(&chunk[offset..], offset as u64)?;
            let end = offset + found.raw.len();
            match &found.kind.0 {
                b"moof" if samples.is_empty() => samples = self.tracks.samples(&found)?,
                b"moof" => return Err(found.invalid("comes before the data of the fragment before")),
                b"mdat" => {
                    let body = (end - found.body.len()) as u64;
                    for sample in samples.drain(..) {
                        let range = (sample.offset >= body && sample.offset <= end as u64)
                            .then(|| sample.offset as usize..sample.offset as usize + sample.size)
                            .filter(|range| range.end <= end)
                            .ok_or_else(|| found.invalid("a sample is announced outside of it"))?;
                        frames.push(sample.into_frame(chunk.slice(range)));
                    }
                }
                _ => {}
            }
            offset = end;
        }
        if samples.is_empty() {
            return Ok(frames);
        }
        Err(DemuxError::Truncated { kind: crate::bmff::BoxKind(*b"mdat"), offset: offset as u64, end: offset as u64 })
    }
}
