//! Every bound of this crate, with its unit and its reason.

use std::time::Duration;

/// Time from the first signal to the end unless a setting says otherwise: a third of the 30 s that orchestrators allow.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(10);

/// Extra time after the deadline for closing what the deadline cut off, before the process gives up on its own code.
pub const CLOSE_MARGIN: Duration = Duration::from_secs(1);

/// Time an HTTP client has for its first request, and for the headers of each further one: slow-header attacks hold a slot
/// no longer.
pub const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Time an HTTP client has for its TLS handshake: ten round trips on a bad path.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);

/// Bytes of one request's headers; a token, cookies and a long path fit four times over.
pub const MAX_HEADER_BYTES: u32 = 32 << 10;

/// Header fields of one HTTP/1 request; browsers send about 20.
pub(crate) const MAX_HEADERS: usize = 100;

/// Concurrent requests on one HTTP/2 connection; browsers rarely have 20 under way.
pub(crate) const MAX_STREAMS: u32 = 128;

/// An HTTP/2 peer is asked for a sign of life this often, and dropped after [`HEADER_TIMEOUT`] without one.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(30);

/// HTTP connections served at a time unless a setting says otherwise; each costs a task and up to some 64 KB. More than requests that
/// a server works on at a time, so that callers of a busy one are told so instead of waiting in the system's queue.
pub(crate) const DEFAULT_CONNECTIONS: usize = 8192;

/// Connections that wait to be accepted: the most that Linux allows unless its administrator says otherwise.
pub(crate) const ACCEPT_QUEUE: u32 = 4096;

/// Pause after a failed accept: out of file descriptors is not cured by trying at once.
pub(crate) const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Ports tried when a free one on 127.0.0.1 must be free on ::1 too; each attempt fails only by chance.
pub(crate) const BIND_ATTEMPTS: usize = 16;

/// Repeated log lines with the same key are written at most this often.
pub(crate) const LOG_REPEAT: Duration = Duration::from_secs(10);

/// Keys one [`LogLimit`](crate::LogLimit) remembers (about 100 bytes each); while full, lines with new keys are left out.
pub(crate) const MAX_LOG_KEYS: usize = 1024;

/// How often histograms are drained of their raw samples, which otherwise grow until the next scrape.
pub const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// Upper bounds of the histogram buckets of every metric named `*_seconds`: doubling from half a millisecond (a hop on
/// loopback) over one frame at 60 and 30 per second to 16 s (a dead upstream).
pub const SECONDS_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.002, 0.004, 0.008, 0.0167, 0.0333, 0.0667, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 16.0];
