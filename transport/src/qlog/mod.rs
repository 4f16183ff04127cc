//! Traces of connections as qlog files: what QUIC does and what MOQT says, in one file per connection.
//!
//! A file is a JSON text sequence (`.sqlog`) named after the connection's Original Destination Connection ID, so that both ends'
//! files have the same name but for the side. QUIC's events are quinn's; MOQT's have the names of
//! draft-pardue-moq-qlog-moq-events. Connections that are not traced are not touched.

mod event;
mod file;
mod message;
mod sample;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::timeout;

use self::file::{Bounds, Queue, RecordWriter, TraceFile};
use crate::connection::Side;
use crate::limit;
use crate::wire::{WireEvent, WireObserver};

pub use self::sample::Share;

/// Which connections are traced, and where to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QlogSettings {
    /// Directory of the files; none, and nothing is traced.
    pub dir: Option<PathBuf>,
    /// Share of connections that are traced, 0 to 1.
    pub sample: Share,
    /// Makes the choice of connections repeatable; otherwise it differs from run to run.
    pub seed: Option<u64>,
    /// Files kept in the directory; the oldest go first.
    pub max_files: usize,
    /// Bytes of one file, after which its connection is traced no further.
    pub max_file_bytes: u64,
}

impl Default for QlogSettings {
    fn default() -> Self {
        Self {
            dir: None,
            sample: Share::ALL,
            seed: None,
            max_files: limit::QLOG_FILES,
            max_file_bytes: limit::QLOG_FILE_BYTES,
        }
    }
}

/// Traces connections of the endpoints that it is given to.
#[derive(Debug)]
pub struct Qlog {
    directory: PathBuf,
    queue: Queue,
    sample: Share,
    seed: u64,
    /// Connections seen so far.
    seen: AtomicU64,
}

impl Qlog {
    /// Opens the directory and starts the writer; `None` without a directory.
    ///
    /// # Errors
    /// The directory cannot be made or read, or the system gives no thread.
    pub fn start(settings: &QlogSettings) -> io::Result<Option<Arc<Self>>> {
        let Some(directory) = &settings.dir else { return Ok(None) };
        let bounds = Bounds { files: settings.max_files.max(1), file_bytes: settings.max_file_bytes };
        let queue = Queue::start(directory, bounds)?;
        let seed = settings.seed.unwrap_or_else(clock_seed);
        let (directory, sample) = (directory.clone(), settings.sample);
        Ok(Some(Arc::new(Self { directory, queue, sample, seed, seen: AtomicU64::new(0) })))
    }

    /// Where the files are.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The trace of a new connection, if it is one of those to trace.
    pub(crate) fn begin(&self, id: &str, side: Side) -> Option<Trace> {
        let number = self.seen.fetch_add(1, Ordering::Relaxed);
        if !self.sample.takes(self.seed, number) {
            return None;
        }
        metrics::counter!("transport_qlog_connections_total").increment(1);
        let side = match side {
            Side::Client => "client",
            Side::Server => "server",
        };
        let file = TraceFile::new(&self.directory, &format!("{id}_{side}"));
        Some(Trace { file, queue: self.queue.clone(), id: id.to_owned(), side, start: Instant::now() })
    }

    /// Waits, not for long, until everything seen so far is in the files.
    pub async fn flush(&self) {
        let _ = timeout(limit::QLOG_FLUSH, self.queue.flush()).await;
    }
}

/// A seed that no other run has.
fn clock_seed() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |now| u64::from(now.subsec_nanos()) ^ now.as_secs())
}

/// One connection that is traced.
#[derive(Debug)]
pub(crate) struct Trace {
    file: Arc<TraceFile>,
    queue: Queue,
    id: String,
    side: &'static str,
    start: Instant,
}

impl Trace {
    /// Where QUIC's events go. Begins the file.
    pub(crate) fn quic(&self) -> Option<quinn::QlogStream> {
        let writer = RecordWriter::new(self.queue.clone(), self.file.clone(), self.id.clone());
        let mut config = quinn::QlogConfig::default();
        config
            .writer(Box::new(writer))
            .title(Some(format!("efir {}", self.side)))
            .description(Some(format!("connection {}", self.id)))
            .start_time(self.start);
        config.into_stream()
    }

    /// Where MOQT's events go.
    pub(crate) fn observer(self) -> Arc<dyn WireObserver> {
        Arc::new(self)
    }
}

impl WireObserver for Trace {
    fn seen(&self, event: &WireEvent<'_>) {
        let (name, data) = event::event(event);
        let time = self.start.elapsed().as_secs_f64() * 1000.0;
        let record = json!({"time": time, "name": name, "data": data, "group_id": self.id});
        let mut bytes = Vec::with_capacity(limit::QLOG_RECORD_BYTES);
        // Writing to memory cannot fail.
        let _ = writeln!(bytes, "\x1e{record}");
        self.queue.record(&self.file, bytes);
    }
}
