//! Every bound of the relay that is not a setting, with its unit and its reason.

use std::time::Duration;

/// Announced namespaces and offered tracks kept, each; further announcements are refused with EXCESSIVE_LOAD.
pub(crate) const ANNOUNCEMENTS: usize = 65_536;
/// Namespace or track changes that wait for one watcher; one that falls further behind is ended and may ask again.
pub(crate) const WATCHER_QUEUE: usize = 1024;
/// Requests of one session served at once; the session's further requests wait.
pub(crate) const SESSION_TASKS: usize = 2048;
/// Subgroup streams of one track read at once; the publisher's further streams wait in the transport.
pub(crate) const INGEST_STREAMS: usize = 64;
/// Sending streams an upstream or a publisher may hold open: several tracks, a few groups each, several subgroups.
pub(crate) const PUBLISHER_STREAMS: u32 = 1024;
/// Groups that follow each other within this time, as publishers make of sound, count as one in the policies that count groups: a
/// process may not get its turn for a part of it. Video groups are longer.
pub(crate) const SHORT_GROUPS: Duration = Duration::from_millis(500);
/// How long the live stream of the joining group waits for the group's beginning from the joining FETCH.
pub(crate) const HEAD_WAIT: Duration = Duration::from_secs(3);
/// First pause after a failed attempt to reach an upstream.
pub(crate) const BACKOFF_FIRST: Duration = Duration::from_millis(50);
/// Longest pause between attempts to reach an upstream.
pub(crate) const BACKOFF_MOST: Duration = Duration::from_secs(5);
/// How long an upstream that said GOAWAY may go on sending before the relay leaves it by itself.
pub(crate) const LEAVING_UPSTREAM: Duration = Duration::from_secs(30);
/// Pause before the upstream's namespaces are asked for again.
pub(crate) const MIRROR_RETRY: Duration = Duration::from_secs(2);
/// Most relays a request may pass (each adds its id): deeper trees serve a million viewers with far fewer.
pub(crate) const HOPS: usize = 16;
/// How long a viewer's first request for a track waits for a source before it is refused.
pub(crate) const SOURCE_WAIT: Duration = Duration::from_secs(2);
/// An upstream that lasted this long was well: the next failure is the first of a new series.
pub(crate) const STEADY: Duration = Duration::from_secs(5);
/// Publishers of one track subscribed to at once; further ones wait until one of them is gone.
pub(crate) const PUBLISHERS_PER_TRACK: usize = 8;
/// Reports of a track's publishers that wait for its task.
pub(crate) const PUBLISHER_NEWS: usize = 16;
/// How long the publisher that is to send may take to answer while another one is ready: a few round trips around the world.
pub(crate) const PUBLISHER_ANSWER: Duration = Duration::from_secs(1);
/// How often a track with several publishers is looked at.
pub(crate) const PUBLISHER_LOOK: Duration = Duration::from_millis(250);
/// How long nothing may come before the publishers that stand by are asked how far they are: longer than frames are apart.
pub(crate) const PUBLISHER_SILENCE: Duration = Duration::from_millis(500);
/// Longest pause between these questions on a track that is silent everywhere.
pub(crate) const PUBLISHER_SILENCE_MOST: Duration = Duration::from_secs(16);
/// When a publisher that refused a track, or ended its subscription, is asked again while another one serves it.
pub(crate) const PUBLISHER_RETRY: Duration = Duration::from_secs(30);
/// How long an upstream that was moved away from goes on beside its successor if no group begins.
pub(crate) const UPSTREAM_OVERLAP: Duration = Duration::from_secs(5);
/// How long publishers may take to take their offers back when nobody watches any more.
pub(crate) const PUBLISHER_LEAVE: Duration = Duration::from_secs(5);
/// How long the last streams of a track may take to end after PUBLISH_DONE.
pub(crate) const LAST_STREAMS: Duration = Duration::from_secs(5);
/// Groups that a publisher may be behind those already seen: further back it has begun anew, not fallen behind.
pub(crate) const GROUPS_BEHIND: u64 = 16;
/// How long another relay's request waits for this one's upstream to answer: longer than [`SOURCE_WAIT`], so that an honest
/// wait is not cut short.
pub(crate) const RELAY_WAIT: Duration = Duration::from_secs(3);
/// Pause between attempts to find a publisher for a request that waits for one (RENDEZVOUS_TIMEOUT).
pub(crate) const RENDEZVOUS_RETRY: Duration = Duration::from_secs(1);
/// How long HTTP requests under way may take to end once sessions are closed.
pub(crate) const HTTP_GRACE: Duration = Duration::from_millis(500);
/// Bytes of one group taken by an upstream FETCH into the cache.
pub(crate) const FETCHED_GROUP_BYTES: u64 = 64 * 1024 * 1024;
/// Upstream FETCHes that one request may cause; the rest of a longer range is reported as unknown unless it is cached.
pub(crate) const UPSTREAM_FETCHES: usize = 256;
/// How often the round-trip time to an upstream is looked at for delay stamps: it is a smoothed value.
pub(crate) const ROUND_TRIP_INTERVAL: Duration = Duration::from_secs(1);
/// Microseconds within which two looks at one object's arrival are the same: more than the clock reads differ, less than
/// frames are apart.
pub(crate) const SAME_ARRIVAL_MICROS: u64 = 100;
/// Bytes of the URI that a drain may name: what GOAWAY holds.
pub(crate) const FAREWELL_URI_BYTES: usize = 8192;
/// How often a draining relay looks whether everybody has left.
pub(crate) const DRAIN_POLL: Duration = Duration::from_millis(20);
/// Payload chunks of an HTTP response that wait for the client to read.
pub(crate) const HTTP_CHUNKS: usize = 16;
/// How long an HTTP client may take nothing of a body before it is cut off: what it reads stays in memory for as long.
pub(crate) const HTTP_STALL: Duration = Duration::from_secs(30);
/// How long a group that may grow is followed over HTTP while nothing comes of it: longer than frames of one group are apart,
/// and short for a client that waits for the end of its body.
pub(crate) const HTTP_GROUP_QUIET: Duration = Duration::from_secs(2);
/// Payload bytes of a newest group that are looked through for its ETag: catalogs are smaller, groups of video larger.
pub(crate) const HTTP_TAG_BYTES: u64 = 64 * 1024;
/// Silence after which an upstream is given up and dialed again: viewers wait for it. Pings go out three times as often.
pub(crate) const UPSTREAM_IDLE: Duration = Duration::from_secs(3);
/// How often a session's path is looked at for metrics: rare enough to cost nothing with thousands of sessions.
pub(crate) const PATH_LOOK_INTERVAL: Duration = Duration::from_secs(5);
