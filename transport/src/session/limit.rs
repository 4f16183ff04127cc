//! Bounds of one session's queues, tasks and waits.

use std::time::Duration;

/// Requests of the peer that wait for the application; more are refused with EXCESSIVE_LOAD. A page full of tracks fits.
pub(crate) const INCOMING_REQUEST_QUEUE: usize = 256;
/// Retry interval sent with that refusal: about how long an overloaded application needs to catch up.
pub(crate) const OVERLOAD_RETRY: Duration = Duration::from_secs(1);
/// Events of one request (updates, namespaces, its end) that wait for the application: room for three reads.
pub(crate) const REQUEST_EVENT_QUEUE: usize = 4 * EVENTS_PER_READ;
/// Most events that one read of a request stream makes: [`REQUEST_READ_BYTES`] of the shortest message (4 bytes), and the one
/// that was incomplete. A request stream is only read while its application has room for these.
pub(crate) const EVENTS_PER_READ: usize = REQUEST_READ_BYTES / 4 + 1;
/// Bytes taken from a request stream in one read: a few usual messages.
pub(crate) const REQUEST_READ_BYTES: usize = 4 * 1024;
/// Bytes that wait to be written on one request stream; a peer that leaves more unread loses the request. The answer to a
/// prefix with forty thousand namespaces of usual length fits.
pub(crate) const REQUEST_WRITE_BYTES: usize = 1024 * 1024;
/// Data streams of one subscription that wait for the application: as many as a publisher may hold open. Further ones are
/// stopped, so that a subscription nobody reads cannot hold up the session's others.
pub(crate) const DATA_STREAM_QUEUE: usize = 1024;
/// Room in that queue that datagrams leave for streams.
pub(crate) const DATAGRAM_HEADROOM: usize = DATA_STREAM_QUEUE / 2;
/// Request streams served at once, both directions; the peer's further streams wait in the transport.
pub(crate) const REQUEST_STREAMS: usize = 4096;
/// Data streams whose header or subscription is awaited at once; further streams wait in the transport.
pub(crate) const ARRIVING_STREAMS: usize = 256;
/// Bytes taken from a data or control stream in one read: large enough to batch packets, small enough not to hoard.
pub(crate) const READ_BYTES: usize = 64 * 1024;
/// A stream whose header has not arrived in this time is stopped.
pub(crate) const STREAM_HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a data stream waits for the SUBSCRIBE_OK or PUBLISH that explains its alias (draft-18 section 11.1).
pub(crate) const UNKNOWN_ALIAS_WAIT: Duration = Duration::from_secs(3);
/// How long a finished request's other half may stay open, and its last bytes unread.
pub(crate) const REQUEST_LINGER: Duration = Duration::from_secs(15);
/// How long streams announced by PUBLISH_DONE are waited for (draft-18 section 10.11).
pub(crate) const DONE_GRACE: Duration = Duration::from_secs(2);
/// How long the end of a control stream waits for the close that may have caused it.
pub(crate) const CLOSE_GRACE: Duration = Duration::from_millis(100);
/// How long PUBLISH waits for the peer to allow a stream before its track counts as blocked (draft-18 section 6.1): a few round
/// trips around the world.
pub(crate) const PUBLISH_STREAM_WAIT: Duration = Duration::from_secs(1);
/// Waits for the answer to a request unless the settings say otherwise.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Waits for the peer's SETUP unless the settings say otherwise (CONTROL_MESSAGE_TIMEOUT).
pub(crate) const SETUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Live requests of the peer at once unless the settings say otherwise.
pub(crate) const REQUEST_LIMIT: usize = 2048;
/// Bytes of registered authorization tokens kept for the peer.
pub(crate) const TOKEN_CACHE_BYTES: u64 = 8 * 1024;
