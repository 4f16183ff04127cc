//! Every bound of the origin: its unit and why it has that size.

use std::time::Duration;

use fanout::SlowViewerPolicy;

/// Bytes taken from a pipe in one read: one 1080p frame of ordinary bit rate, so that a read is seldom
/// less than what ffmpeg wrote at once.
pub(crate) const PIPE_READ_BYTES: usize = 64 * 1024;

/// Frames a file reader may be ahead of the pacing: 2 s of 30 fps video with audio, which hides the
/// disk and holds a few hundred kilobytes.
pub(crate) const FILE_READ_AHEAD_FRAMES: usize = 160;

/// Frames kept back while a paced pipe's tracks are put into one order: a 10 s fragment of 60 fps video
/// with its audio. Beyond it the oldest frame goes out even if a track is silent.
pub(crate) const INTERLEAVE_FRAMES: usize = 1024;

/// Coded bytes kept back for the same purpose: more than 10 s of 50 Mbit/s video.
pub(crate) const INTERLEAVE_BYTES: usize = 64 << 20;

/// How far behind its timestamps a paced source may fall before its clock starts anew (after a
/// suspended machine), instead of sending what it missed in one burst.
pub(crate) const PACE_LAG: Duration = Duration::from_secs(2);

/// Media time left free between two runs of a command, picoseconds: covers tracks that start up to a
/// second before the first frame seen.
pub(crate) const RESTART_GAP: u128 = 1_000_000_000_000;

/// First wait before a command that died is started again.
pub(crate) const RESTART_DELAY: Duration = Duration::from_millis(500);

/// Longest wait before a command that keeps dying is started again.
pub(crate) const RESTART_DELAY_MAX: Duration = Duration::from_secs(15);

/// A command or a relay session that lived this long was fine: the next wait is the first one again.
pub(crate) const HEALTHY_AFTER: Duration = Duration::from_secs(30);

/// Time a command has to end after SIGTERM before its process group is killed.
pub(crate) const COMMAND_STOP_GRACE: Duration = Duration::from_secs(2);

/// First wait before a relay is dialled again.
pub(crate) const DIAL_DELAY: Duration = Duration::from_millis(250);

/// Longest wait before a relay is dialled again.
pub(crate) const DIAL_DELAY_MAX: Duration = Duration::from_secs(20);

/// Time a relay has to answer SETUP and PUBLISH_NAMESPACE.
pub(crate) const DIAL_TIMEOUT: Duration = Duration::from_secs(10);

/// Time the old session to a relay is kept after its GOAWAY, so that subscriptions move first.
pub(crate) const MIGRATION_TIME: Duration = Duration::from_secs(10);

/// Redirects (GOAWAY with a URI) followed before the configured URL is dialled again: a ring of relays
/// that point at each other ends.
pub(crate) const MAX_REDIRECTS: u32 = 4;

/// Time a request waits for a source to tell its tracks (an on-demand command that is only starting).
pub(crate) const SOURCE_START_TIMEOUT: Duration = Duration::from_secs(8);

/// Charged for each kept frame beside its payload, bytes: the frame itself and, while it is wanted, the
/// object's boxes, index entry and chunks.
pub(crate) const FRAME_OVERHEAD: usize = 512;

/// Largest initialisation segment told as a track property, bytes: half of what an answer to a request can
/// hold.
pub(crate) const MAX_PROLOGUE: usize = 32 * 1024;

/// Media time between two frames of sound that carry a delay stamp, picoseconds: a stamp is a tenth of such
/// a small frame, and four a second say as much as all.
pub(crate) const SOUND_STAMP_INTERVAL: u128 = 250_000_000_000;

/// Tracks of one broadcast: three renditions in a dozen languages fit.
pub(crate) const MAX_TRACKS: usize = 64;

/// Group starts remembered to cut the other tracks at: those of the slowest track lie within it.
pub(crate) const GROUP_STARTS: usize = 64;

/// Media time of one group where no video sets the pace, picoseconds: a second of sound per group.
pub(crate) const AUDIO_GROUP: u128 = 1_000_000_000_000;

/// Longest group of a track that follows a video track whose keyframes stopped, picoseconds.
pub(crate) const FOLLOWER_GROUP_MAX: u128 = 20_000_000_000_000;

/// Requests of one session answered at the same time, and its request streams; the session machine
/// refuses more with EXCESSIVE_LOAD. 64 tracks, each subscribed and fetched, fit twice.
pub(crate) const SESSION_REQUESTS: usize = 256;

/// Handshakes in progress at the same time; further ones wait in the endpoint.
pub(crate) const MAX_HANDSHAKES: usize = 256;

/// Groups that follow each other within this time count as one in the policies that count groups: after a hiccup they come in a
/// burst.
pub(crate) const SHORT_GROUPS: Duration = Duration::from_millis(500);

/// When a subscriber that reads too slowly loses the rest of an older group. Most are relays, which slow
/// viewers do not slow down, so this is for a path that carries too little.
pub(crate) const SLOW_VIEWER: SlowViewerPolicy = SlowViewerPolicy {
    max_lag_groups: 2,
    min_lag: SHORT_GROUPS,
    max_lag: Duration::from_secs(3),
    max_lag_bytes: 16 << 20,
};

/// Time from the answer to a subscription of a track that is over to its PUBLISH_DONE: a joining FETCH
/// sent along with the SUBSCRIBE arrives in it, even if its packet has to be sent again.
pub(crate) const JOINING_TIME: Duration = Duration::from_secs(1);

/// Subscriber wait named in a refusal that a later attempt may get past.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Old sessions to one relay that are being left at the same time; beyond it the old one is closed at
/// once, so that a relay that keeps asking to move costs little.
pub(crate) const MAX_RETIRING: usize = 8;

/// Tracks that a subscriber of a prefix allowed no stream for, and does not know of yet.
pub(crate) const BLOCKED_TRACKS: usize = 16;
