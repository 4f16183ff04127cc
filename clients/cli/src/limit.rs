//! Every bound of this crate: unit and reason.

use std::time::Duration;

/// Largest object taken, in payload bytes: one 8K keyframe with its fragment headers, the most `media` packages.
pub(crate) const MAX_OBJECT_BYTES: u64 = (media::limit::MAX_SAMPLE_BYTES as u64) + 4096;
/// Payload bytes of one track that wait for their turn, beyond which streams of later groups are left unread: eight
/// seconds at 64 Mbit/s.
pub(crate) const MERGE_BYTES: usize = 64 << 20;
/// Groups of one track known at a time; above it further streams stay in the transport.
pub(crate) const MERGE_GROUPS: usize = 256;
/// Streams of one track read at a time; further ones stay in the transport and hold the publisher back.
pub(crate) const TRACK_STREAMS: usize = 256;
/// A group that brings nothing for this long is given up when a newer one can be started: below the lag after which
/// viewers notice, above one retransmission on a bad path.
pub(crate) const STALL: Duration = Duration::from_secs(2);
/// How long a group with several subgroups, or one whose head alone was seen, waits for a stream that newer data overtook.
pub(crate) const STRAGGLER_WAIT: Duration = Duration::from_millis(250);
/// Frames of all tracks between reading and writing: reading follows writing this closely.
pub(crate) const FRAME_QUEUE: usize = 16;
/// A step over more groups than this is a publisher that restarted and numbers anew, as ours does by the clock: that many
/// groups of half a second are longer than a pull waits for a broadcast to come back.
pub(crate) const MAX_GROUP_STEP: u64 = 100;
/// After a break, at most this many missed groups are asked for; further back the pull goes on at the live edge.
pub(crate) const RESUME_GROUPS: u64 = 8;
/// A start this many groups behind the live edge or nearer is joined; from further back it is fetched first.
pub(crate) const JOIN_GROUPS: u64 = 2;
/// Pause before a subscription that ended early is asked for again, and before the first new dial.
pub(crate) const RETRY_FIRST: Duration = Duration::from_millis(250);
/// Longest such pause.
pub(crate) const RETRY_MOST: Duration = Duration::from_secs(5);
/// One attempt at dialing again: QUIC repeats an unanswered first packet ever more rarely, so a fresh attempt finds a server
/// that is back sooner than patience does.
pub(crate) const REDIAL: Duration = Duration::from_secs(2);
/// How long a session that is left has for its last words.
pub(crate) const CLOSE_WAIT: Duration = Duration::from_millis(500);
/// Sessions an old one is kept beside while it moves elsewhere; then it is dropped whatever it still sends.
pub(crate) const MOVE_WAIT: Duration = Duration::from_secs(5);
/// Longest wait for a broadcast's catalog.
pub(crate) const CATALOG_WAIT: Duration = Duration::from_secs(6);
/// Once one catalog dialect is here, the other gets this much more time where both are wanted.
pub(crate) const CATALOG_GRACE: Duration = Duration::from_millis(700);
/// `ls` takes the list for complete when nothing came for this long.
pub(crate) const LIST_SETTLE: Duration = Duration::from_millis(300);
/// `ls` stops collecting after this long even if namespaces keep coming.
pub(crate) const LIST_MOST: Duration = Duration::from_secs(3);
/// Broadcasts `ls` remembers; a relay with more needs a prefix.
pub(crate) const LIST_BROADCASTS: usize = 4096;
/// Catalogs `ls` asks for at a time.
pub(crate) const LIST_CATALOGS: usize = 8;
/// When the frames asked for are written, the other tracks get this long to reach the same time.
pub(crate) const ALIGN_WAIT: Duration = Duration::from_secs(1);
/// A step of a track's time further ahead than this is a new timeline, not a gap: nobody watches a minute of freeze.
pub(crate) const TIMELINE_JUMP: Duration = Duration::from_secs(60);
/// A step back further than this is a new timeline, not reordering: more than any reordering of pictures.
pub(crate) const TIMELINE_BACK: Duration = Duration::from_secs(1);
/// Two tracks whose times are this near belong to one timeline: more than one group.
pub(crate) const TIMELINE_NEAR: Duration = Duration::from_secs(15);
/// How often the round-trip time is looked at for delays: it is a smoothed value.
pub(crate) const ROUND_TRIP_INTERVAL: Duration = Duration::from_secs(1);
/// Delays of a progress line are of the objects of this long: enough of them for a 99th percentile.
pub(crate) const DELAY_WINDOW: Duration = Duration::from_secs(10);
/// Objects whose delays are kept, the newest: nine minutes of 30 frames a second, 300 bytes each.
pub(crate) const DELAY_SAMPLES: usize = 16_384;
/// Live line on a terminal.
pub(crate) const LIVE_LINE: Duration = Duration::from_millis(500);
/// Progress lines elsewhere.
pub(crate) const PLAIN_LINE: Duration = Duration::from_secs(5);
/// JSON lines.
pub(crate) const JSON_LINE: Duration = Duration::from_secs(1);
/// Messages of each session that a failed conformance case shows: more than any case needs.
pub(crate) const RECORDED_MESSAGES: usize = 24;
/// Bytes of each of them that are shown: what distinguishes messages is at their beginning.
pub(crate) const RECORDED_BYTES: usize = 64;
/// Objects of a conformance case that wait to be checked.
pub(crate) const SEEN_OBJECTS: usize = 64;
/// Largest object taken in a conformance case; those published there have 200 bytes.
pub(crate) const TEST_OBJECT_BYTES: u64 = 64 << 10;
/// Largest record of a trace that is read, in bytes.
pub(crate) const TRACE_RECORD_BYTES: u64 = 16 << 20;
/// Largest trace that is one JSON document, in bytes: it is read whole.
pub(crate) const TRACE_DOCUMENT_BYTES: u64 = 512 << 20;
/// Names of connections and of messages that a trace's summary tells apart.
pub(crate) const TRACE_NAMES: usize = 1000;
