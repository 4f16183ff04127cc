//! Sources: where frames come from. One source per file of this folder; each hands out
//! [`MediaEvent`]s and knows nothing about who watches.

mod command;
mod file;
mod interleave;
mod pace;
mod pipe;
mod timeline;

pub(crate) use timeline::{Timeline, picoseconds};

use std::{future::Future, io, process::ExitStatus, time::SystemTime};

use media::{DemuxError, MediaEvent};

use self::{
    command::on_demand,
    file::{FileInput, FileSource},
    interleave::Interleaver,
    pace::Pacer,
    pipe::PipeSource,
};
use crate::{
    metric,
    publish::{PublishError, Publisher},
    settings::SourceSettings,
};

/// Something that yields a broadcast: its tracks first, then their frames in decode order per track.
pub(crate) trait Source: Send {
    /// The next event; `None` when the source is over. Events before an error stay valid, nothing
    /// comes after it. Cancel safe: a dropped call loses no event.
    fn next(&mut self) -> impl Future<Output = Result<Option<MediaEvent>, IngestError>> + Send;

    /// When the frame that [`Source::next`] gave last was due, if this source paces, or else reached it.
    fn captured(&self) -> SystemTime;
}

/// Why a source stopped before its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IngestError {
    /// The operating system refused to open or start the source.
    #[error("cannot open {name}: {reason}")]
    Open {
        /// The file or command as written in the settings.
        name: String,
        /// What the operating system said.
        reason: io::Error,
    },
    /// Reading failed.
    #[error("cannot read the source: {0}")]
    Read(#[from] io::Error),
    /// The bytes are not what this program reads; names the box and its byte offset.
    #[error("broken input: {0}")]
    Broken(#[from] DemuxError),
    /// The input is readable but cannot be published.
    #[error("unusable input: {0}")]
    Unusable(#[from] PublishError),
    /// The command ended by itself.
    #[error("the command ended: {0}")]
    Exited(ExitStatus),
}

/// Fills a broadcast from its source, to the source's end. A source that fails ends its broadcast too:
/// what came before stays available, and viewers are told that the tracks are over.
pub(crate) async fn run(source: SourceSettings, mut publisher: Publisher) {
    let outcome = match source {
        SourceSettings::Sample { once } => pump(&mut FileSource::new(FileInput::Sample, !once), &mut publisher).await,
        SourceSettings::File { path, once } => {
            pump(&mut FileSource::new(FileInput::Path(path), !once), &mut publisher).await
        }
        SourceSettings::Stdin { paced } => pump(&mut PipeSource::new(tokio::io::stdin(), paced), &mut publisher).await,
        SourceSettings::Command { command, paced, linger } => {
            match on_demand(&command, paced, linger, &mut publisher).await {}
        }
    };
    publisher.finish();
    match outcome {
        Ok(()) => tracing::info!(broadcast = %publisher.namespace(), "the source has ended"),
        Err(error) => {
            metric::source_failed();
            tracing::error!(broadcast = %publisher.namespace(), %error, "the source has failed");
        }
    }
}

/// Publishes everything `source` yields. Ends with the source, or with what is wrong with it.
async fn pump(source: &mut impl Source, publisher: &mut Publisher) -> Result<(), IngestError> {
    while let Some(event) = source.next().await? {
        match event {
            MediaEvent::Tracks(tracks) => publisher.tracks(tracks)?,
            MediaEvent::Frame(frame) => publisher.frame(frame, source.captured())?,
        }
        if let Some(wait) = publisher.ahead_of_clock() {
            tokio::time::sleep(wait).await;
        }
    }
    Ok(())
}
