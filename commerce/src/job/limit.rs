//! Every bound of the job queue that is not a job kind's own, with its unit and its reason.

use std::time::Duration;

/// Jobs of one kind that may wait; more are refused. Counted every [`COUNT_EVERY`], so the file never grows without end.
pub(crate) const QUEUED: i64 = 1_000_000;
/// Kinds of jobs: one queue with its own worker each.
pub(crate) const KINDS: usize = 64;
/// How often an idle worker looks for jobs that other processes pushed or whose time has come; pushes here wake it at once.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often waiting jobs are counted for the metrics and for [`QUEUED`].
pub(crate) const COUNT_EVERY: Duration = Duration::from_secs(15);
/// A worker's sign of life. With [`MISSED`] it tells when another process may take over a dead one's jobs.
pub(crate) const HEARTBEAT: Duration = Duration::from_secs(5);
/// Signs of life that may be missing before a worker counts as dead.
pub(crate) const MISSED: usize = 3;
/// Connections to the queue's database: workers, pushes and counting do not wait for each other.
pub(crate) const CONNECTIONS: u32 = 4;
/// How long a statement waits for another connection's write to end.
pub(crate) const BUSY: Duration = Duration::from_secs(10);
/// First and longest pause before a worker whose database failed starts again.
pub(crate) const RESTART: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(30));
/// How long finished jobs are kept: as long as the same key means the same job.
pub(crate) const KEEP_DONE: Duration = Duration::from_secs(7 * 24 * 3600);
/// How long jobs that were given up are kept, for people to look at.
pub(crate) const KEEP_FAILED: Duration = Duration::from_secs(30 * 24 * 3600);
/// Longest text of an error kept with a job, in bytes.
pub(crate) const ERROR_TEXT: usize = 500;
