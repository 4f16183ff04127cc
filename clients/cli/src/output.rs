//! Frames to a file, to standard output, or nowhere.

use std::io;

use bytes::Bytes;
use media::{Mp4Writer, PackageError};
use tokio::fs::File;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use crate::error::Failure;
use crate::sample::{Coded, Depackager, Sample};

/// Where bytes go. Writing waits for whoever takes them, and reading waits for writing.
pub(crate) struct Sink {
    /// For messages.
    target: String,
    writer: Option<Box<dyn AsyncWrite + Send + Unpin>>,
}

/// Whether more can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Written {
    /// Go on.
    More,
    /// Whoever read the output has had enough (a closed pipe).
    Enough,
}

impl Sink {
    /// Opens `-o`'s argument.
    pub(crate) async fn open(output: Option<&str>) -> Result<Self, Failure> {
        let writer: Option<Box<dyn AsyncWrite + Send + Unpin>> = match output {
            None => None,
            Some("-") => Some(Box::new(tokio::io::stdout())),
            Some(path) => {
                let created = File::create(path).await;
                Some(Box::new(created.map_err(|error| Failure::Output { target: path.to_owned(), error })?))
            }
        };
        let target = if output == Some("-") { "standard output" } else { output.unwrap_or_default() };
        Ok(Self { target: target.to_owned(), writer })
    }

    /// Appends bytes and waits until they are handed on: who watches live must not wait for a full buffer.
    pub(crate) async fn write(&mut self, bytes: &Bytes) -> Result<Written, Failure> {
        let Some(writer) = self.writer.as_mut().filter(|_| !bytes.is_empty()) else { return Ok(Written::More) };
        let written = async {
            writer.write_all(bytes).await?;
            writer.flush().await
        };
        match written.await {
            Ok(()) => Ok(Written::More),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(Written::Enough),
            Err(error) => Err(Failure::Output { target: self.target.clone(), error }),
        }
    }
}

/// What is made of the frames.
#[derive(Debug)]
pub(crate) enum Muxer {
    /// One playable file of all tracks.
    Mp4(Box<Mp4Writer>),
    /// Coded frames, one after the other.
    Bare,
}

impl Muxer {
    /// For these tracks.
    pub(crate) fn new(raw: bool, tracks: &[&Depackager]) -> Result<Self, PackageError> {
        if raw {
            return Ok(Self::Bare);
        }
        let infos: Vec<_> = tracks.iter().map(|depackager| depackager.info().clone()).collect();
        Ok(Self::Mp4(Box::new(Mp4Writer::new(&infos)?)))
    }

    /// The first bytes of the output.
    pub(crate) fn begin(&self) -> Bytes {
        match self {
            Self::Mp4(writer) => writer.init(),
            Self::Bare => Bytes::new(),
        }
    }

    /// One frame; returns what to append, possibly nothing yet.
    pub(crate) fn frame(
        &mut self,
        track: usize,
        sample: Sample,
        depackager: &Depackager,
    ) -> Result<Bytes, PackageError> {
        match self {
            Self::Mp4(writer) => match sample.coded {
                Coded::Frame(frame) => writer.write_frame(track, frame),
                Coded::Raw(raw) => writer.write_raw(track, raw),
            },
            Self::Bare => Ok(sample.bare(depackager)),
        }
    }

    /// The last bytes of the output.
    pub(crate) fn end(&mut self) -> Result<Bytes, PackageError> {
        match self {
            Self::Mp4(writer) => writer.finish(),
            Self::Bare => Ok(Bytes::new()),
        }
    }

    /// Frames that could not be put into the file.
    pub(crate) fn left_out(&self) -> u64 {
        match self {
            Self::Mp4(writer) => writer.left_out(),
            Self::Bare => 0,
        }
    }
}
