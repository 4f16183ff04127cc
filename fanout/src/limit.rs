//! Every bound of the data plane, with its unit and reason.

use std::mem::size_of;
use std::time::Duration;

use bytes::Bytes;

use crate::log::ObjectEntry;

/// Streams open at once for one subscription. Two groups overlap while one hands over to the next; the rest is room for
/// several subgroups. At the bound the oldest group gives way.
pub const MAX_STREAMS_PER_VIEWER: usize = 8;

/// Finished streams of one subscription whose acknowledgement is watched because it has a deadline; the oldest is let go beyond
/// it.
pub(crate) const MAX_UNCONFIRMED_STREAMS: usize = 64;

/// Groups given up one after the other while the viewer's transport takes nothing at all: then the subscription ends with
/// TOO_FAR_BEHIND instead of beginning group after group for nobody.
pub(crate) const STARVED_GROUPS: usize = 16;

/// Chunks handed to the transport in one write: one lock and one wake of the connection for all of them.
pub const GATHER_CHUNKS: usize = 16;

/// Writes of one viewer before it lets other tasks run: a long backlog must not delay its neighbours.
pub(crate) const WRITES_PER_POLL: usize = 64;

/// Payload pieces below this many bytes are copied behind their header once on the way in, so that they leave as one chunk and
/// do not pin a larger receive buffer.
pub(crate) const COPY_BELOW_BYTES: usize = 4096;

/// Copied bytes of an unfinished object become visible in steps of at least this many: about one packet.
pub(crate) const VISIBLE_STEP_BYTES: usize = 1200;

/// First buffer that a subgroup copies small pieces into, in bytes; doubled up to [`MAX_SEGMENT_BYTES`].
pub(crate) const FIRST_SEGMENT_BYTES: usize = 1024;

/// Largest buffer for copied pieces, in bytes: amortizes allocation, and wastes at most this much per subgroup.
pub(crate) const MAX_SEGMENT_BYTES: usize = 16 * 1024;

/// Subgroup logs, and datagrams, in one group. A publisher may use one subgroup per object; beyond this the group is refused.
pub(crate) const MAX_SUBGROUPS_PER_GROUP: usize = 4096;

/// Ranges of ids that do not exist which are remembered in a group, and in a track.
pub(crate) const MAX_GAPS: usize = 64;

/// Groups that one log keeps because they are young; at 50 a second those of more than a second.
pub(crate) const MAX_YOUNG_GROUPS: usize = 64;

/// Complete groups waiting for their owner to take them over; the oldest is dropped beyond it.
pub(crate) const MAX_COMPLETED_GROUPS: usize = 8;

/// Questions to the source of one FETCH, groups or stretches without any; a range in more pieces is given up.
pub(crate) const MAX_FETCH_STEPS: usize = 100_000;

/// How long a viewer's stream may wait to be opened before its subscription's events are looked at again.
pub(crate) const OPEN_SLICE: Duration = Duration::from_millis(250);

/// Time between two looks at a session's path: often enough to follow congestion, rare enough to cost nothing.
pub(crate) const PATH_INTERVAL: Duration = Duration::from_secs(1);

/// Groups of path statistics kept for one subscription: who is further behind wants the newest only.
pub(crate) const PATH_LOG_GROUPS: usize = 2;

/// Bytes of path statistics kept for one subscription: a few small documents with their true cost.
pub(crate) const PATH_LOG_BYTES: u64 = 32 * 1024;

/// Charged for each chunk beside its bytes: two vector slots (growth doubles) and the header of its shared allocation.
pub(crate) const CHUNK_OVERHEAD_BYTES: u64 = (2 * size_of::<Bytes>() + 48) as u64;

/// Charged for each object beside its bytes: two slots of the index (growth doubles), and the header in the
/// other draft's coding, should a viewer need it.
pub(crate) const OBJECT_OVERHEAD_BYTES: u64 = (2 * size_of::<ObjectEntry>() + 64) as u64;

/// Charged for each subgroup log: the structure, its lock and its place in the group.
pub(crate) const SUBGROUP_OVERHEAD_BYTES: u64 = 512;

/// Charged for each group: the structure, its lock and its place in the log or cache.
pub(crate) const GROUP_OVERHEAD_BYTES: u64 = 512;
