//! A stream of fragmented MP4: standard input, or the output of a command.

use media::{Demuxer, Frame, MediaEvent};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::{IngestError, Interleaver, Pacer, Source, Timeline};
use crate::limit::PIPE_READ_BYTES;

/// Reads a pipe and takes it apart. Nothing is read before what was read is handed out, so a slow
/// consumer holds the writer of the pipe back.
#[derive(Debug)]
pub(crate) struct PipeSource<R> {
    reader: R,
    demuxer: Demuxer,
    buffer: Box<[u8]>,
    ended: bool,
    pacing: Option<Pacing>,
}

#[derive(Debug, Default)]
struct Pacing {
    interleaver: Interleaver,
    timeline: Timeline,
    pacer: Pacer,
    due: Option<(u128, Frame)>,
    /// What ended the pipe; told after the frames that came before it.
    failure: Option<IngestError>,
}

impl<R: AsyncRead + Send + Unpin> PipeSource<R> {
    /// Reads from `reader`. With `paced` frames are held until their decode time; without, they come
    /// as fast as they are written (`ffmpeg -re` paces already).
    pub(crate) fn new(reader: R, paced: bool) -> Self {
        let pacing = paced.then(|| Pacing { timeline: Timeline::new(), ..Pacing::default() });
        Self { reader, demuxer: Demuxer::new(), buffer: vec![0; PIPE_READ_BYTES].into(), ended: false, pacing }
    }

    /// The next event in the order of the pipe.
    async fn demuxed(&mut self) -> Result<Option<MediaEvent>, IngestError> {
        loop {
            if let Some(event) = self.demuxer.next()? {
                return Ok(Some(event));
            }
            if self.ended {
                return Ok(None);
            }
            match self.reader.read(&mut self.buffer).await? {
                0 => {
                    self.ended = true;
                    self.demuxer.finish()?;
                }
                count => self.demuxer.push(&self.buffer[..count]),
            }
        }
    }
}

impl<R: AsyncRead + Send + Unpin> Source for PipeSource<R> {
    async fn next(&mut self) -> Result<Option<MediaEvent>, IngestError> {
        loop {
            let Some(pacing) = &mut self.pacing else {
                return self.demuxed().await;
            };
            if let Some(frame) = pacing.next_frame(self.ended).await {
                return Ok(Some(MediaEvent::Frame(frame)));
            }
            if self.ended {
                return pacing.failure.take().map_or(Ok(None), Err);
            }
            let event = self.demuxed().await;
            if let Some(pacing) = &mut self.pacing {
                match event {
                    Ok(Some(MediaEvent::Frame(frame))) => pacing.interleaver.push(frame),
                    Ok(Some(MediaEvent::Tracks(tracks))) => {
                        pacing.interleaver.tracks(&tracks);
                        pacing.timeline.tracks(&tracks);
                        return Ok(Some(MediaEvent::Tracks(tracks)));
                    }
                    Ok(None) => {}
                    Err(error) => {
                        self.ended = true;
                        pacing.failure = Some(error);
                    }
                }
            }
        }
    }
}

impl Pacing {
    /// The earliest frame, once it is known and due; `None` when the pipe has to say more first.
    async fn next_frame(&mut self, ended: bool) -> Option<Frame> {
        if self.due.is_none() {
            let mut frame = self.interleaver.pop(ended)?;
            self.due = Some((self.timeline.place(&mut frame), frame));
        }
        let (time, _) = self.due.as_ref()?;
        self.pacer.wait(*time).await;
        self.due.take().map(|(_, frame)| frame)
    }
}
