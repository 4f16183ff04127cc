//! A stream of fragmented MP4: standard input, or the output of a command.

use std::time::SystemTime;

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
    /// When the last frame was due, or without pacing the bytes that completed it were read.
    captured: SystemTime,
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
        let buffer = vec![0; PIPE_READ_BYTES].into();
        Self { reader, demuxer: Demuxer::new(), buffer, ended: false, captured: SystemTime::UNIX_EPOCH, pacing }
    }

    /// Whether the writer has closed the pipe and everything was read.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
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
            let count = self.reader.read(&mut self.buffer).await?;
            if self.pacing.is_none() {
                self.captured = SystemTime::now();
            }
            match count {
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
            let over = self.ended || pacing.failure.is_some();
            if let Some((captured, frame)) = pacing.next_frame(over).await {
                self.captured = captured;
                return Ok(Some(MediaEvent::Frame(frame)));
            }
            if over {
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
                    Err(error) => pacing.failure = Some(error),
                }
            }
        }
    }

    fn captured(&self) -> SystemTime {
        self.captured
    }
}

impl Pacing {
    /// The earliest frame, once it is known and due, and when it was; `None` when the pipe has to say more first.
    async fn next_frame(&mut self, ended: bool) -> Option<(SystemTime, Frame)> {
        if self.due.is_none() {
            let mut frame = self.interleaver.pop(ended)?;
            self.due = Some((self.timeline.place(&mut frame), frame));
        }
        let (time, _) = self.due.as_ref()?;
        let captured = self.pacer.wait(*time).await;
        self.due.take().map(|(_, frame)| (captured, frame))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::AsyncWriteExt,
        time::{Instant, timeout},
    };

    use super::*;
    use crate::testing::SAMPLE;

    async fn frames(source: &mut PipeSource<&[u8]>) -> (Vec<Frame>, Result<(), IngestError>) {
        let mut frames = Vec::new();
        loop {
            match source.next().await {
                Ok(Some(MediaEvent::Frame(frame))) => frames.push(frame),
                Ok(Some(MediaEvent::Tracks(tracks))) => assert_eq!((tracks.len(), frames.len()), (2, 0)),
                Ok(None) => return (frames, Ok(())),
                Err(error) => return (frames, Err(error)),
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn pacing_changes_when_frames_come_but_not_which() {
        let start = Instant::now();
        let (mut plain, end) = frames(&mut PipeSource::new(SAMPLE, false)).await;
        assert!(end.is_ok() && start.elapsed().is_zero());
        let (mut paced, end) = frames(&mut PipeSource::new(SAMPLE, true)).await;
        assert!(end.is_ok());
        assert!((7900..8000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
        for frames in [&mut plain, &mut paced] {
            frames.sort_by_key(|frame| (frame.track, frame.decode_time));
        }
        assert_eq!(plain, paced);
    }

    #[tokio::test(start_paused = true)]
    async fn broken_input_is_named_after_everything_before_it() {
        let (whole, _) = frames(&mut PipeSource::new(SAMPLE, false)).await;
        let mut broken = SAMPLE[..SAMPLE.len() / 2].to_vec();
        // The next box claims to be smaller than its own header.
        let boxes = box_starts(SAMPLE);
        let at = boxes.into_iter().rfind(|start| *start <= broken.len()).unwrap();
        broken.truncate(at);
        broken.extend_from_slice(&[0, 0, 0, 3, b'm', b'o', b'o', b'f']);
        for paced in [false, true] {
            let (mut before, end) = frames(&mut PipeSource::new(&broken[..], paced)).await;
            let error = end.unwrap_err().to_string();
            assert!(error.contains("moof") && error.contains(&format!("byte {at}")), "{error}");
            assert!(before.len() > 100, "{}", before.len());
            assert!(before.iter().all(|frame| whole.contains(frame)));
            before.dedup();
            assert!(before.len() < whole.len());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_cut_input_says_where_it_ends() {
        let cut = &SAMPLE[..SAMPLE.len() / 2];
        let (before, end) = frames(&mut PipeSource::new(cut, true)).await;
        assert!(!before.is_empty());
        let error = end.unwrap_err().to_string();
        assert!(error.contains("mdat") && error.contains(&format!("byte {}", cut.len())), "{error}");
    }

    #[tokio::test]
    async fn frames_of_a_pipe_are_from_when_they_were_read() {
        for paced in [false, true] {
            let (before, mut source) = (SystemTime::now(), PipeSource::new(SAMPLE, paced));
            while !matches!(source.next().await.unwrap(), Some(MediaEvent::Frame(_))) {}
            assert!(source.captured() >= before && source.captured() <= SystemTime::now());
        }
    }

    #[tokio::test]
    async fn a_slow_consumer_holds_the_writer_back() {
        let (mut writer, reader) = tokio::io::duplex(16 * 1024);
        let mut source = PipeSource::new(reader, false);
        let writing = tokio::spawn(async move { writer.write_all(SAMPLE).await });
        while !matches!(source.next().await.unwrap(), Some(MediaEvent::Frame(_))) {}
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert!(!writing.is_finished(), "3 MB went into a pipe of 16 KB");
        while source.next().await.unwrap().is_some() {}
        timeout(Duration::from_secs(5), writing).await.unwrap().unwrap().unwrap();
    }

    /// Where the top-level boxes of a file begin.
    fn box_starts(file: &[u8]) -> Vec<usize> {
        let mut starts = Vec::new();
        let mut at = 0;
        while let Some(size) = file.get(at..at + 4) {
            starts.push(at);
            at += u32::from_be_bytes(size.try_into().unwrap()) as usize;
        }
        starts
    }
}
