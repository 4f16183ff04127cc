//! A file, played in a loop at the speed of its timestamps.

use std::{
    fs::File,
    io::{BufReader, Cursor, Read, Seek},
    path::PathBuf,
};

use media::{Frame, MediaEvent, TrackInfo, demux_file};
use tokio::{sync::mpsc, task::spawn_blocking};

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
/// The file is read on a blocking thread that stays [`FILE_READ_AHEAD_FRAMES`] ahead at most and ends
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
        }
    }

    fn start_reading(&mut self) -> &mut mpsc::Receiver<Step> {
        self.reader.get_or_insert_with(|| {
            let (sender, receiver) = mpsc::channel(FILE_READ_AHEAD_FRAMES);
            let input = self.input.clone();
            spawn_blocking(move || read(&input, &sender));
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
                self.pacer.wait(*time).await;
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
