//! What serving reports, for metrics to count. Called on the hot path: implementations add to counters and return.

use std::time::Duration;

use moqt::StreamErrorCode;

/// Hooks of one process's metrics; every method has an empty default.
pub trait ServeObserver: Send + Sync {
    /// Objects begun and wire bytes handed over since the last call.
    fn sent(&self, objects: u64, bytes: u64) {
        let _ = (objects, bytes);
    }

    /// How long the oldest object of the last hand-over was here: from its header in to its first bytes out.
    fn dwell(&self, time: Duration) {
        let _ = time;
    }

    /// A stream was opened for a subgroup.
    fn stream_opened(&self) {}

    /// A stream ended before its subgroup did.
    fn stream_reset(&self, code: StreamErrorCode) {
        let _ = code;
    }

    /// The viewer asks for a group at or above this one to begin soon; 0 = any new one.
    fn new_group_requested(&self, group: u64) {
        let _ = group;
    }

    /// A slow viewer lost the rest of a group: `bytes` of it were here and not sent.
    fn group_skipped(&self, group: u64, bytes: u64) {
        let _ = (group, bytes);
    }
}

/// Counts nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl ServeObserver for NoObserver {}
