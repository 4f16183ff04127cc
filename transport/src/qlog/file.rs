//! Records to files: one thread writes for all connections, what it cannot keep up with is dropped and counted.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use tokio::sync::oneshot;

use crate::limit;

/// The files' extension: qlog as JSON text sequences.
const EXTENSION: &str = "sqlog";

/// Hands records to the writer thread.
#[derive(Debug, Clone)]
pub(super) struct Queue(SyncSender<Job>);

#[derive(Debug)]
enum Job {
    Record {
        file: Arc<TraceFile>,
        bytes: Vec<u8>,
    },
    /// Everything before was written.
    Flush(oneshot::Sender<()>),
}

/// One connection's file; closed with its last record.
#[derive(Debug)]
pub(super) struct TraceFile {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    /// Nothing was written.
    New,
    Open {
        file: File,
        left: u64,
    },
    /// Full, or the system refused it.
    Closed,
}

/// Bounds of what is kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Bounds {
    pub(super) files: usize,
    pub(super) file_bytes: u64,
}

impl TraceFile {
    pub(super) fn new(directory: &Path, name: &str) -> Arc<Self> {
        let path = directory.join(name).with_extension(EXTENSION);
        Arc::new(Self { path, state: Mutex::new(State::New) })
    }
}

impl Queue {
    /// Starts the writer, which ends with its last queue.
    ///
    /// # Errors
    /// The directory cannot be made or read, or the system gives no thread.
    pub(super) fn start(directory: &Path, bounds: Bounds) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let kept = existing(directory)?;
        let (sender, jobs) = sync_channel(limit::QLOG_QUEUE);
        let writer = Writer { bounds, kept };
        thread::Builder::new().name("qlog".to_owned()).spawn(move || writer.run(&jobs))?;
        Ok(Self(sender))
    }

    pub(super) fn record(&self, file: &Arc<TraceFile>, bytes: Vec<u8>) {
        if self.0.try_send(Job::Record { file: file.clone(), bytes }).is_err() {
            dropped("queue");
        }
    }

    /// Resolves when what was queued before is written; never when nobody writes any more.
    pub(super) async fn flush(&self) {
        let (sender, flushed) = oneshot::channel();
        if self.0.try_send(Job::Flush(sender)).is_ok() {
            let _ = flushed.await;
        }
    }
}

/// Files of earlier runs, oldest first.
fn existing(directory: &Path) -> io::Result<VecDeque<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            let modified = fs::metadata(&path).and_then(|metadata| metadata.modified());
            found.extend(modified.ok().map(|modified| (modified, path)));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

struct Writer {
    bounds: Bounds,
    kept: VecDeque<PathBuf>,
}

impl Writer {
    fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            match job {
                Job::Record { file, bytes } => self.write(&file, &bytes),
                // Nobody waits any more: fine.
                Job::Flush(sender) => drop(sender.send(())),
            }
        }
    }

    fn write(&mut self, file: &TraceFile, bytes: &[u8]) {
        let mut state = file.state.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::New = *state {
            *state = match self.open(&file.path) {
                Ok(opened) => State::Open { file: opened, left: self.bounds.file_bytes },
                Err(error) => {
                    tracing::warn!(path = %file.path.display(), %error, "a connection is not traced");
                    State::Closed
                }
            };
        }
        let State::Open { file: open, left } = &mut *state else { return dropped("size") };
        let length = bytes.len() as u64;
        if length > *left {
            *state = State::Closed;
            return dropped("size");
        }
        *left -= length;
        if let Err(error) = open.write_all(bytes) {
            tracing::warn!(path = %file.path.display(), %error, "a connection is traced no further");
            *state = State::Closed;
            dropped("error");
        }
    }

    /// A new file, in place of the oldest where there are enough.
    fn open(&mut self, path: &Path) -> io::Result<File> {
        while self.kept.len() >= self.bounds.files {
            let Some(oldest) = self.kept.pop_front() else { break };
            // Somebody else may have tidied up.
            let _ = fs::remove_file(oldest);
        }
        let file = File::create(path)?;
        self.kept.push_back(path.to_owned());
        Ok(file)
    }
}

fn dropped(reason: &'static str) {
    metrics::counter!("transport_qlog_dropped_total", "reason" => reason).increment(1);
}

/// Collects what a library writes piece by piece, and queues it record by record.
#[derive(Debug)]
pub(super) struct RecordWriter {
    queue: Queue,
    file: Arc<TraceFile>,
    /// The connection's name, for records that have another.
    id: String,
    pending: Vec<u8>,
}

/// What the last field of a record begins with that says whose it is.
const GROUP: &str = ",\"group_id\":\"";

impl RecordWriter {
    pub(super) fn new(queue: Queue, file: Arc<TraceFile>, id: String) -> Self {
        Self { queue, file, id, pending: Vec::new() }
    }

    /// A record of the connection's own name: the QUIC library of a server calls it by an id of the client's.
    fn renamed(&self, mut record: Vec<u8>) -> Vec<u8> {
        let last = record.windows(GROUP.len()).rposition(|window| window == GROUP.as_bytes());
        if let Some(at) = last {
            record.truncate(at + GROUP.len());
            record.extend_from_slice(self.id.as_bytes());
            record.extend_from_slice(b"\"}\n");
        }
        record
    }
}

impl Write for RecordWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pending.extend_from_slice(bytes);
        // Records are one line each: JSON has no line breaks inside of strings.
        if self.pending.ends_with(b"\n") {
            let record = std::mem::take(&mut self.pending);
            self.queue.record(&self.file, self.renamed(record));
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(directory: &Path) -> Vec<(String, String)> {
        let read = |path: PathBuf| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        };
        let mut all: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| read(entry.unwrap().path())).collect();
        all.sort();
        all
    }

    #[tokio::test]
    async fn records_have_the_connections_name() {
        let directory = tempfile::tempdir().unwrap();
        let queue = Queue::start(directory.path(), Bounds { files: 1, file_bytes: 1000 }).unwrap();
        let mut writer = RecordWriter::new(queue.clone(), TraceFile::new(directory.path(), "a"), "mine".to_owned());
        writer.write_all(b"{\"title\":\"x\"}\n").unwrap();
        writer.write_all(b"{\"time\":1,\"group_id\":\"theirs\"}\n").unwrap();
        queue.flush().await;
        let expected = "{\"title\":\"x\"}\n{\"time\":1,\"group_id\":\"mine\"}\n";
        assert_eq!(contents(directory.path()), [("a.sqlog".to_owned(), expected.to_owned())]);
    }

    #[tokio::test]
    async fn files_are_bounded_in_size_and_number_and_the_oldest_go() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("old.sqlog"), "x").unwrap();
        fs::write(directory.path().join("notes.txt"), "kept").unwrap();
        let queue = Queue::start(directory.path(), Bounds { files: 2, file_bytes: 10 }).unwrap();
        for name in ["a", "b"] {
            let file = TraceFile::new(directory.path(), name);
            let mut writer = RecordWriter::new(queue.clone(), file, "id".to_owned());
            writer.write_all(b"12").unwrap();
            writer.write_all(b"34\n").unwrap();
            writer.write_all(b"5678\n").unwrap();
            writer.write_all(b"more\n").unwrap();
            writer.write_all(b"1\n").unwrap();
        }
        queue.flush().await;
        let expected = [("a.sqlog", "1234\n5678\n"), ("b.sqlog", "1234\n5678\n"), ("notes.txt", "kept")];
        assert_eq!(contents(directory.path()), expected.map(|(name, text)| (name.to_owned(), text.to_owned())));
    }
}
