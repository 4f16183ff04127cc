//! MP4 files, fragmented or not, as an iterator of frames.

use std::{
    fmt,
    io::{ErrorKind, Read, Seek, SeekFrom},
};

use bytes::BytesMut;

use super::{Demuxer, fragment::Sample, movie::Movie, sample_table::SampleTable};
use crate::{
    bmff::{BoxHeader, BoxKind, BoxRef},
    error::DemuxError,
    frame::{Frame, MediaEvent, TrackInfo},
    limit::{FILE_READ_BYTES, MAX_MOOV_BYTES},
};

/// The frames of an MP4 file, of all tracks together.
///
/// Ordinary files yield frames in decode order over all tracks, read one at a time; fragmented ones in the order of
/// the file. After an error the iteration ends.
pub struct FileDemuxer<R> {
    reader: R,
    tracks: Vec<TrackInfo>,
    source: Source,
}

enum Source {
    Tables {
        tables: Vec<SampleTable>,
        /// Reads the fragments that come after the samples of the tables, when there are any.
        fragments: Option<Demuxer>,
    },
    Fragments {
        demuxer: Demuxer,
        chunk: Vec<u8>,
    },
    Ended,
}

impl<R> fmt::Debug for FileDemuxer<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FileDemuxer").field("tracks", &self.tracks).finish_non_exhaustive()
    }
}

/// Opens an MP4 file, fragmented or not, wherever its `moov` stands. Blocking.
///
/// # Errors
/// Reading fails, there is no `moov`, it or the first fragment is malformed or over the limit, or no track is in a codec
/// carried here.
pub fn demux_file<R: Read + Seek>(mut reader: R) -> Result<FileDemuxer<R>, DemuxError> {
    let (bytes, offset) = read_moov(&mut reader)?;
    let movie = Movie::parse(&BoxRef::parse(&bytes, offset)?)?;
    let fragments = movie.fragmented.then(|| Demuxer::after_moov(&movie, offset + bytes.len() as u64));
    let mut has_samples = false;
    for track in &movie.tracks {
        has_samples |= track.has_table_samples()?;
    }
    let fragments = match fragments {
        Some(demuxer) if !has_samples => {
            let infos = movie.tracks.into_iter().map(|track| track.info).collect();
            return fragmented(reader, demuxer, infos);
        }
        fragments => fragments,
    };
    let tables = movie.tracks.iter().map(SampleTable::new).collect::<Result<_, _>>()?;
    let source = Source::Tables { tables, fragments };
    Ok(FileDemuxer { reader, tracks: movie.tracks.into_iter().map(|track| track.info).collect(), source })
}

/// Reads the first fragment, which tells what the `moov` does not.
fn fragmented<R: Read + Seek>(
    mut reader: R,
    mut demuxer: Demuxer,
    tracks: Vec<TrackInfo>,
) -> Result<FileDemuxer<R>, DemuxError> {
    demuxer.announce(tracks);
    reader.seek(SeekFrom::Start(demuxer.position))?;
    let mut chunk = vec![0; FILE_READ_BYTES];
    let tracks = match pull(&mut reader, &mut demuxer, &mut chunk)? {
        Some(MediaEvent::Tracks(tracks)) => tracks,
        Some(MediaEvent::Frame(_)) | None => Vec::new(),
    };
    Ok(FileDemuxer { reader, tracks, source: Source::Fragments { demuxer, chunk } })
}

fn start_fragments<R: Seek>(reader: &mut R, demuxer: Demuxer) -> Result<Source, DemuxError> {
    reader.seek(SeekFrom::Start(demuxer.position))?;
    Ok(Source::Fragments { demuxer, chunk: vec![0; FILE_READ_BYTES] })
}

/// Finds the `moov` among the top-level boxes and reads it.
fn read_moov<R: Read + Seek>(reader: &mut R) -> Result<(Vec<u8>, u64), DemuxError> {
    let end = reader.seek(SeekFrom::End(0))?;
    let mut offset = 0;
    loop {
        reader.seek(SeekFrom::Start(offset))?;
        let mut head = Vec::new();
        reader.by_ref().take(BoxHeader::MAX_SIZE as u64).read_to_end(&mut head)?;
        let Some(header) = BoxHeader::parse(&head, offset)? else {
            return Err(DemuxError::Truncated { kind: BoxKind(*b"moov"), offset, end });
        };
        let size = header.size.unwrap_or(end - offset);
        if header.kind.0 == *b"moov" {
            let header = BoxHeader { size: Some(size), ..header };
            let size = header.bounded(MAX_MOOV_BYTES)?;
            reader.seek(SeekFrom::Start(offset))?;
            let mut bytes = Vec::new();
            reader.by_ref().take(size).read_to_end(&mut bytes)?;
            // A short read is reported by whoever parses the box.
            return Ok((bytes, offset));
        }
        offset += size;
        if offset > end {
            return Err(DemuxError::Truncated { kind: header.kind, offset: header.offset, end });
        }
    }
}

/// Reads until the demuxer yields something; `None` at the end of the file.
fn pull<R: Read>(reader: &mut R, demuxer: &mut Demuxer, chunk: &mut [u8]) -> Result<Option<MediaEvent>, DemuxError> {
    loop {
        if let Some(event) = demuxer.next()? {
            return Ok(Some(event));
        }
        match reader.read(chunk) {
            Ok(0) => {
                demuxer.finish()?;
                return demuxer.next();
            }
            Ok(count) => demuxer.push(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error.into()),
        }
    }
}

impl<R: Read + Seek> FileDemuxer<R> {
    /// The tracks of the file.
    #[must_use]
    pub fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    fn next_frame(&mut self) -> Result<Option<Frame>, DemuxError> {
        match &mut self.source {
            Source::Ended => Ok(None),
            Source::Fragments { demuxer, chunk } => loop {
                match pull(&mut self.reader, demuxer, chunk)? {
                    Some(MediaEvent::Frame(frame)) => return Ok(Some(frame)),
                    Some(MediaEvent::Tracks(_)) => {}
                    None => return Ok(None),
                }
            },
            Source::Tables { tables, fragments } => {
                while let Some(sample) = earliest(tables)? {
                    if sample.size > 0 {
                        return read_sample(&mut self.reader, sample).map(Some);
                    }
                }
                let Some(mut demuxer) = fragments.take() else {
                    return Ok(None);
                };
                demuxer.continue_after(tables);
                self.source = start_fragments(&mut self.reader, demuxer)?;
                self.next_frame()
            }
        }
    }
}

/// The sample that is decoded first among the next ones of all tracks.
fn earliest(tables: &mut [SampleTable]) -> Result<Option<Sample>, DemuxError> {
    let mut best: Option<(usize, u64, u32)> = None;
    for (index, table) in tables.iter().enumerate() {
        let Some(time) = table.next_time() else {
            continue;
        };
        let earlier = best.is_none_or(|(_, best_time, best_scale)| {
            u128::from(time) * u128::from(best_scale) < u128::from(best_time) * u128::from(table.timescale)
        });
        if earlier {
            best = Some((index, time, table.timescale));
        }
    }
    match best {
        Some((index, ..)) => tables[index].next(),
        None => Ok(None),
    }
}

fn read_sample<R: Read + Seek>(reader: &mut R, sample: Sample) -> Result<Frame, DemuxError> {
    reader.seek(SeekFrom::Start(sample.offset))?;
    let mut payload = BytesMut::zeroed(sample.size);
    match reader.read_exact(&mut payload) {
        Ok(()) => Ok(sample.into_frame(payload.freeze())),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Err(DemuxError::Truncated {
            kind: BoxKind(*b"mdat"),
            offset: sample.offset,
            end: reader.seek(SeekFrom::End(0))?,
        }),
        Err(error) => Err(error.into()),
    }
}

impl<R: Read + Seek> Iterator for FileDemuxer<R> {
    type Item = Result<Frame, DemuxError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.next_frame() {
            Ok(Some(frame)) => Some(Ok(frame)),
            Ok(None) => {
                self.source = Source::Ended;
                None
            }
            Err(error) => {
                self.source = Source::Ended;
                Some(Err(error))
            }
        }
    }
}
