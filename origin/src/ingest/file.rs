//! A file, played in a loop at the speed of its timestamps.

use std::{
    fs::File,
    io::{BufReader, Cursor, Read, Seek},
    path::PathBuf,
    thread,
    time::SystemTime,
};

use media::{Frame, MediaEvent, TrackInfo, demux_file};
use tokio::sync::mpsc;

use super::{IngestError, Interleaver, Pacer, Source, Timeline};
use crate::limit::FILE_READ_AHEAD_FRAMES;

/// The clip that is built in, for an origin that was given no source.
static SAMPLE: &[u8] = include_bytes!("../../sample/sample.mp4");

/// What a [`FileSource`] plays.
#[derive(Clone, Debug)]
pub(crate) enum FileInput {
    /// An MP4 file, fragmented or not.
    Path(PathBuf),
    /// The built-in clip.
    Sample,
}

/// Plays a file: all tracks in one order, each frame at its time, again from the start at the end.
///
/// The file is read on a thread that stays [`FILE_READ_AHEAD_FRAMES`] ahead at most and ends
/// when this value is dropped.
#[derive(Debug)]
pub(crate) struct FileSource {
    input: FileInput,
    repeat: bool,
    reader: Option<mpsc::Receiver<Step>>,
    announced: bool,
    timeline: Timeline,
    pacer: Pacer,
    due: Option<(u128, Frame)>,
    /// When the last frame was due.
    captured: SystemTime,
}

type Step = Result<MediaEvent, IngestError>;

impl FileSource {
    /// Plays `input` for ever, or once.
    pub(crate) fn new(input: FileInput, repeat: bool) -> Self {
        Self {
            input,
            repeat,
            reader: None,
            announced: false,
            timeline: Timeline::new(),
            pacer: Pacer::default(),
            due: None,
            captured: SystemTime::UNIX_EPOCH,
        }
    }

    fn start_reading(&mut self) -> &mut mpsc::Receiver<Step> {
        self.reader.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(FILE_READ_AHEAD_FRAMES);
            let (input, failed) = (self.input.clone(), sender.clone());
            // A thread of its own and not the runtime's: it waits for the pacing most of the time.
            let spawned = thread::Builder::new().name("file-reader".to_owned()).spawn(move || read(&input, &sender));
            if let Err(error) = spawned {
                // The channel is empty, so there is room.
                let _ = failed.try_send(Err(error.into()));
            }
            receiver
        })
    }

    /// Begins the next loop; `false` when there is none. A file without frames does not loop.
    fn rewind(&mut self) -> bool {
        if !self.repeat || self.timeline.is_empty() {
            return false;
        }
        self.reader = None;
        self.timeline.repeat();
        true
    }
}

impl Source for FileSource {
    async fn next(&mut self) -> Result<Option<MediaEvent>, IngestError> {
        loop {
            if let Some((time, _)) = &self.due {
                self.captured = self.pacer.wait(*time).await;
                return Ok(self.due.take().map(|(_, frame)| MediaEvent::Frame(frame)));
            }
            match self.start_reading().recv().await.transpose()? {
                Some(MediaEvent::Tracks(tracks)) => {
                    self.timeline.tracks(&tracks);
                    if !std::mem::replace(&mut self.announced, true) {
                        return Ok(Some(MediaEvent::Tracks(tracks)));
                    }
                }
                Some(MediaEvent::Frame(mut frame)) => {
                    let time = self.timeline.place(&mut frame);
                    self.due = Some((time, frame));
                }
                None if self.rewind() => {}
                None => return Ok(None),
            }
        }
    }

    fn captured(&self) -> SystemTime {
        self.captured
    }
}

/// Sends the whole file through `sender`; stops early when nobody receives any more.
fn read(input: &FileInput, sender: &mpsc::Sender<Step>) {
    let result = match input {
        FileInput::Sample => read_from(Cursor::new(SAMPLE), sender),
        FileInput::Path(path) => match File::open(path) {
            Ok(file) => read_from(BufReader::new(file), sender),
            Err(reason) => Err(IngestError::Open { name: path.display().to_string(), reason }),
        },
    };
    if let Err(error) = result {
        // Fails only when the source is dropped: then nobody wants the error either.
        let _ = sender.blocking_send(Err(error));
    }
}

fn read_from(reader: impl Read + Seek, sender: &mpsc::Sender<Step>) -> Result<(), IngestError> {
    let mut file = demux_file(reader)?;
    let tracks: Vec<TrackInfo> = file.tracks().to_vec();
    if sender.blocking_send(Ok(MediaEvent::Tracks(tracks))).is_err() {
        return Ok(());
    }
    let mut interleaver = Interleaver::default();
    interleaver.tracks(file.tracks());
    loop {
        let next = file.next();
        let end = match next {
            Some(Ok(frame)) => {
                interleaver.push(frame);
                None
            }
            Some(Err(error)) => Some(Err(error.into())),
            None => Some(Ok(())),
        };
        // What was read before an error is good, so it goes out first.
        while let Some(frame) = interleaver.pop(end.is_some()) {
            if sender.blocking_send(Ok(MediaEvent::Frame(frame))).is_err() {
                return Ok(());
            }
        }
        if let Some(outcome) = end {
            return outcome;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashMap, time::Duration};

    use tokio::time::Instant;

    use super::*;

    async fn next(source: &mut FileSource) -> Option<MediaEvent> {
        source.next().await.unwrap()
    }

    #[tokio::test]
    async fn a_loop_has_no_seam_and_sound_stays_with_the_picture() {
        let mut source = FileSource::new(FileInput::Sample, true);
        let Some(MediaEvent::Tracks(tracks)) = next(&mut source).await else { panic!("no tracks") };
        let timescales: HashMap<u32, u32> = tracks.iter().map(|track| (track.id, track.timescale)).collect();
        let mut expected: HashMap<u32, u64> = HashMap::new();
        let mut first: HashMap<u32, Frame> = HashMap::new();
        let mut loops = 0;
        tokio::time::pause();
        while loops < 3 {
            let Some(MediaEvent::Frame(frame)) = next(&mut source).await else { panic!("the loop ended") };
            let time = expected.entry(frame.track).or_insert(frame.decode_time);
            assert_eq!(frame.decode_time, *time, "track {} after {loops} loops", frame.track);
            *time += u64::from(frame.duration);
            let start = first.entry(frame.track).or_insert_with(|| frame.clone());
            if frame.payload == start.payload && frame.decode_time > start.decode_time {
                let seconds = frame.decode_time as f64 / f64::from(timescales[&frame.track]);
                assert_eq!(seconds.fract(), 0.0, "both tracks begin the loop together");
                loops += usize::from(frame.track == tracks[0].id);
            }
        }
    }

    #[tokio::test]
    async fn a_file_lasts_as_long_as_it_plays() {
        let mut source = FileSource::new(FileInput::Sample, false);
        next(&mut source).await;
        tokio::time::pause();
        let start = Instant::now();
        let mut frames = 0;
        while next(&mut source).await.is_some() {
            frames += 1;
        }
        assert_eq!(frames, 240 + 375);
        let elapsed = start.elapsed();
        assert!(elapsed > Duration::from_millis(7900) && elapsed < Duration::from_millis(8100), "{elapsed:?}");
    }

    #[tokio::test]
    async fn a_missing_file_is_named() {
        let mut source = FileSource::new(FileInput::Path("/nonexistent/film.mp4".into()), true);
        let error = source.next().await.unwrap_err().to_string();
        assert!(error.contains("/nonexistent/film.mp4"), "{error}");
        assert!(source.next().await.unwrap().is_none(), "nothing comes after an error");
    }
}
