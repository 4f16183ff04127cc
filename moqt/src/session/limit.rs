//! Bounds on what one session remembers. Each says its unit and why the number is what it is.

use std::time::Duration;

/// Requests of this side alive at once. A relay's upstream session holds one per track; a quarter
/// of that would already be a large node, and a runaway caller stops here instead of eating memory.
pub(super) const MAX_LOCAL_REQUESTS: usize = 16_384;

/// Request streams of the peer beyond the request limit that may exist while they have not been
/// refused yet. Above it a stream is reset unread.
pub(super) const MAX_UNREAD_STREAMS: usize = 64;

/// Bytes of incomplete or early messages held over all request streams. One message is at most 65
/// 546 bytes, so sixteen of the largest can be in flight; real ones are under a kilobyte.
pub(super) const MAX_HELD_BYTES: usize = 1 << 20;

/// REQUEST_UPDATEs without an answer per request and direction. Players send one at a time.
pub(super) const MAX_PENDING_UPDATES: usize = 16;

/// Separate ranges of request ids the peer has used. Streams race, so ids arrive out of order, and
/// a stream reset before it was read leaves a hole for good: holes cost one range each, and past
/// this many the oldest hole counts as used.
pub(super) const MAX_REQUEST_ID_RANGES: usize = 1_024;

/// Finished subscriptions whose alias still finds their key, so that late streams reach the right
/// reader.
pub(super) const MAX_FINISHED_SUBSCRIPTIONS: usize = 256;

/// Aliases of cancelled subscriptions remembered, so that objects already under way are dropped
/// instead of buffered.
pub(super) const MAX_RETIRED_ALIASES: usize = 256;

/// Bytes of namespaces active on one SUBSCRIBE_NAMESPACE, overhead included: about 40 000 names of
/// usual length.
pub(super) const MAX_ACTIVE_NAMESPACE_BYTES: usize = 4 << 20;

/// Bytes charged for one remembered namespace besides its fields.
pub(super) const NAMESPACE_OVERHEAD: usize = 64;

/// Tracks one SUBSCRIBE_TRACKS may have had PUBLISH_BLOCKED for; each must be remembered to never
/// be published there.
pub(super) const MAX_BLOCKED_TRACKS: usize = 4_096;

/// Joining FETCHes held back for their subscription. Each may carry up to 64 KiB of tokens.
pub(super) const MAX_HELD_FETCHES: usize = 64;

/// How long a joining FETCH waits for a SUBSCRIBE sent before it on another stream: a few
/// retransmissions on a slow path.
pub(super) const JOINING_WAIT: Duration = Duration::from_secs(1);

/// Retry Interval in a REQUEST_ERROR EXCESSIVE_LOAD: long enough for a burst to drain, short for a
/// person.
pub(super) const OVERLOAD_RETRY: Duration = Duration::from_secs(1);

/// Bytes of tokens this side registers with the peer, whatever the peer would allow.
pub(super) const MAX_REGISTERED_TOKEN_BYTES: u64 = 1 << 20;

/// Draft-16: Request IDs the peer may use beyond its newest one before it waits for MAX_REQUEST_ID. Half of them are the requests of one
/// side; how many may live at once is for the request limit to say.
pub(super) const REQUEST_ID_WINDOW: u64 = 8_192;

/// Draft-16: bytes of messages kept while the peer's Request ID limit does not let them out.
pub(super) const MAX_HELD_CONTROL_BYTES: usize = 1 << 20;
