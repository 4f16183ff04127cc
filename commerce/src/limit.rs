//! Every bound of the crate that is not a setting, with its unit and why it is what it is.

use std::time::Duration;

/// Writes that wait for one database's writer. More than a burst of full connections brings; beyond it callers hear 503 at
/// once instead of waiting for longer than they would.
pub(crate) const WRITES_WAITING: usize = 4096;

/// Writes in one commit. Above some hundreds a commit costs no less per write, and the first of them waits for the last.
pub(crate) const WRITES_PER_COMMIT: usize = 512;

/// Connections that read one database at the same time. SQLite reads on the cores of this machine; more only wait.
pub(crate) const READERS: u32 = 4;

/// Rows that a connection reads ahead of who takes them: most answers, so that they cross from SQLite's thread in one go.
pub(crate) const ROWS_AHEAD: usize = 512;

/// Memory for pages of a database that is written to, as the pragma `cache_size` counts: 32 MiB. What an order touches stays there.
pub(crate) const WRITER_CACHE: &str = "-32768";

/// Prepared statements that a connection keeps: more than all texts of one actor.
pub(crate) const STATEMENTS: usize = 256;

/// How long a statement waits for another process to let go of the file: a backup, or a shell.
pub(crate) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long opening a connection may take before the caller hears that the database is gone.
pub(crate) const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Events that one request for a feed returns.
pub(crate) const EVENTS_PER_PAGE: i64 = 500;

/// Longest that a request for a feed waits for news. Below every timeout on the way, ours included.
pub(crate) const EVENTS_WAIT: Duration = Duration::from_secs(4);

/// How long a duty or a claim holds without news from its process: no later another one goes on with what a dead one left.
pub(crate) const DUTY: Duration = Duration::from_secs(10);

/// From the begin of one round of a follower to the next: under load a round then takes the events of many commits, and makes one
/// commit of its own. The first event after a quiet time does not wait.
pub(crate) const EVENTS_ROUND: Duration = Duration::from_millis(20);

/// Between two looks at a feed that other processes may have written to.
pub(crate) const EVENTS_POLL: Duration = Duration::from_millis(500);

/// How long the answer to a request is kept for repeats with the same `Idempotency-Key`.
pub(crate) const KEEP_ANSWERS: Duration = Duration::from_secs(24 * 3600);

/// How long events are kept for consumers that are away.
pub(crate) const KEEP_EVENTS: Duration = Duration::from_secs(30 * 24 * 3600);

/// How long it is known which events were taken in: longer than any of them can come again.
pub(crate) const KEEP_INBOX: Duration = Duration::from_secs(60 * 24 * 3600);

/// Between two looks for rows whose time is over.
pub(crate) const PURGE_EVERY: Duration = Duration::from_secs(3600);

/// Rows forgotten in one piece of work: some milliseconds of the writer.
pub(crate) const PURGE_STEP: i64 = 2000;
