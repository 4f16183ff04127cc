//! `moof`: from runs and their defaults to samples with place, time and flags.

use bytes::Bytes;
use mp4_atom::{Tfdt, Tfhd, Trex, Trun};

use super::movie::{Movie, MovieTrack};
use crate::{
    bmff::{BoxHeader, BoxRef},
    codec::{Codec, is_keyframe},
    error::DemuxError,
    frame::Frame,
    limit::{MAX_FRAGMENT_SAMPLES, MAX_SAMPLE_BYTES},
};

/// `sample_is_non_sync_sample` (ISO/IEC 14496-12, 8.8.3.1).
const NON_SYNC: u32 = 0x0001_0000;

/// One sample, before its bytes are there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sample {
    /// Where its bytes start in the input.
    pub(crate) offset: u64,
    pub(crate) size: usize,
    pub(crate) track: u32,
    pub(crate) codec: Codec,
    pub(crate) decode_time: u64,
    pub(crate) composition_offset: i32,
    pub(crate) duration: u32,
    /// What the container says; the bits of the frame have the last word.
    pub(crate) sync: bool,
}

impl Sample {
    /// The frame, once its bytes are there.
    pub(crate) fn into_frame(self, payload: Bytes) -> Frame {
        Frame {
            track: self.track,
            decode_time: self.decode_time,
            composition_offset: self.composition_offset,
            duration: self.duration,
            keyframe: is_keyframe(self.codec, &payload).unwrap_or(self.sync),
            payload,
        }
    }
}

/// What a track carries from fragment to fragment.
#[derive(Debug)]
pub(crate) struct FragmentTrack {
    pub(crate) id: u32,
    pub(crate) codec: Codec,
    pub(crate) trex: Option<Trex>,
    pub(crate) shift: u64,
    /// Decode time of the next sample, for fragments without `tfdt`; without the shift.
    pub(crate) next_time: u64,
}

impl From<&MovieTrack<'_>> for FragmentTrack {
    fn from(track: &MovieTrack<'_>) -> Self {
        Self { id: track.info.id, codec: track.codec, trex: track.trex.clone(), shift: track.shift, next_time: 0 }
    }
}

/// Which tracks a `moof` may speak of.
#[derive(Debug)]
pub(crate) struct FragmentTracks {
    pub(crate) tracks: Vec<FragmentTrack>,
    /// Known to the `moov`, not carried here.
    pub(crate) ignored: Vec<u32>,
    /// A lone track takes fragments under any id: some publishers renumber only one of the two.
    pub(crate) any_id: bool,
}

impl FragmentTracks {
    pub(crate) fn new(movie: &Movie<'_>) -> Self {
        Self {
            tracks: movie.tracks.iter().map(FragmentTrack::from).collect(),
            ignored: movie.ignored.clone(),
            any_id: false,
        }
    }

    /// For chunks of one track, whatever id they carry.
    pub(crate) fn single(track: &MovieTrack<'_>) -> Self {
        Self { tracks: vec![track.into()], ignored: Vec::new(), any_id: true }
    }

    fn find(&mut self, id: u32, traf: &BoxRef<'_>) -> Result<Option<&mut FragmentTrack>, DemuxError> {
        if self.any_id {
            return Ok(self.tracks.first_mut());
        }
        if self.ignored.contains(&id) {
            return Ok(None);
        }
        match self.tracks.iter_mut().find(|track| track.id == id) {
            Some(track) => Ok(Some(track)),
            None => Err(traf.invalid(format!("track {id} is not in the moov"))),
        }
    }

    /// The samples a `moof` announces, in the order of their bytes.
    pub(crate) fn samples(&mut self, moof: &BoxRef<'_>) -> Result<Vec<Sample>, DemuxError> {
        let mut run = RunReader {
            moof_offset: moof.offset,
            moof_end: moof.offset + moof.raw.len() as u64,
            data_end: None,
            samples: Vec::new(),
            announced: 0,
        };
        for child in moof.children(0) {
            let child = child?;
            if child.kind.0 == *b"traf" {
                run.read_traf(&child, self)?;
            }
        }
        run.samples.sort_by_key(|sample| sample.offset);
        Ok(run.samples)
    }
}

/// Walks the runs of one `moof`.
struct RunReader {
    moof_offset: u64,
    moof_end: u64,
    /// Where the data of the run before ends: where a run without own offset starts.
    data_end: Option<u64>,
    samples: Vec<Sample>,
    announced: usize,
}

/// `tfhd` over `trex`.
#[derive(Clone, Copy)]
struct Defaults {
    duration: u32,
    size: u32,
    flags: Option<u32>,
}

impl RunReader {
    fn read_traf(&mut self, traf: &BoxRef<'_>, tracks: &mut FragmentTracks) -> Result<(), DemuxError> {
        let tfhd: Tfhd = traf.decode_child(b"tfhd")?;
        let tfdt: Option<Tfdt> = traf.decode_optional(b"tfdt")?;
        let mut track = tracks.find(tfhd.track_id, traf)?;
        let trex = track.as_ref().and_then(|track| track.trex.as_ref());
        let defaults = Defaults {
            duration: tfhd
                .default_sample_duration
                .unwrap_or_else(|| trex.map_or(0, |trex| trex.default_sample_duration)),
            size: tfhd.default_sample_size.unwrap_or_else(|| trex.map_or(0, |trex| trex.default_sample_size)),
            flags: tfhd.default_sample_flags.or_else(|| trex.map(|trex| trex.default_sample_flags)),
        };
        if let (Some(track), Some(tfdt)) = (track.as_deref_mut(), tfdt) {
            track.next_time = tfdt.base_media_decode_time;
        }
        let base = match (tfhd.base_data_offset, self.data_end) {
            (Some(base), _) => base,
            (None, Some(data_end)) if !tfhd.default_base_is_moof => data_end,
            (None, _) => self.moof_offset,
        };
        if tfhd.base_data_offset.is_some() {
            self.data_end = None;
        }
        for child in traf.children(0) {
            let child = child?;
            if child.kind.0 == *b"trun" {
                self.read_run(&child, base, defaults, track.as_deref_mut())?;
            }
        }
        Ok(())
    }

    fn read_run(
        &mut self,
        trun_box: &BoxRef<'_>,
        base: u64,
        defaults: Defaults,
        mut track: Option<&mut FragmentTrack>,
    ) -> Result<(), DemuxError> {
        let trun: Trun = trun_box.decode()?;
        self.announced = self.announced.saturating_add(trun.samples.len());
        if self.announced > MAX_FRAGMENT_SAMPLES {
            return Err(trun_box.invalid(format!("more than {MAX_FRAGMENT_SAMPLES} samples in one fragment")));
        }
        let mut offset = match (trun.data_offset, self.data_end) {
            (Some(relative), _) => base
                .checked_add_signed(relative.into())
                .ok_or_else(|| trun_box.invalid("data offset before the start of the input"))?,
            (None, Some(data_end)) => data_end,
            // Without any offset the data can only be what follows: the body of the next `mdat`.
            (None, None) if base == self.moof_offset => self.moof_end + 8,
            (None, None) => base,
        };
        for entry in &trun.samples {
            let size = entry.size.unwrap_or(defaults.size);
            let duration = entry.duration.unwrap_or(defaults.duration);
            let start = offset;
            offset =
                offset.checked_add(size.into()).ok_or_else(|| trun_box.invalid("data beyond the end of any input"))?;
            if size as usize > MAX_SAMPLE_BYTES {
                return Err(DemuxError::TooLarge {
                    kind: trun_box.kind,
                    offset: trun_box.offset,
                    size: size.into(),
                    limit: MAX_SAMPLE_BYTES as u64,
                });
            }
            let Some(track) = track.as_deref_mut() else {
                continue;
            };
            let decode_time = track.next_time;
            track.next_time = decode_time
                .checked_add(duration.into())
                .filter(|next| next.checked_add(track.shift).is_some())
                .ok_or_else(|| trun_box.invalid("decode time beyond 2^64"))?;
            if size == 0 {
                continue;
            }
            self.samples.push(Sample {
                offset: start,
                size: size as usize,
                track: track.id,
                codec: track.codec,
                decode_time: decode_time + track.shift,
                // Writers of version 0 boxes that mean a negative offset store it wrapped.
                composition_offset: entry.cts.unwrap_or(0) as i32,
                duration,
                sync: entry.flags.or(defaults.flags).is_some_and(|flags| flags & NON_SYNC == 0),
            });
        }
        self.data_end = Some(offset);
        Ok(())
    }
}

/// Refuses samples that do not lie in the media data in front of them.
pub(crate) fn check_place(sample: &Sample, position: u64, mdat: &BoxHeader) -> Result<(), DemuxError> {
    if sample.offset < position {
        return Err(mdat.invalid(format!(
            "a sample is announced at byte {}, before byte {position} where reading is",
            sample.offset
        )));
    }
    let end = mdat.size.map(|size| mdat.offset + size);
    if end.is_some_and(|end| sample.offset + sample.size as u64 > end) {
        return Err(
            mdat.invalid(format!("a sample of {} bytes at byte {} does not fit in", sample.size, sample.offset))
        );
    }
    Ok(())
}
