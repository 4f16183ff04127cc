//! What the video load measures.

use crate::measure::Series;

/// Every series of this load, for conditions, reports and the manual.
pub(crate) const ALL: [&Series; 24] = [
    &CONNECT,
    &TUNE_IN,
    &START,
    &LATENCY,
    &JITTER,
    &STALL,
    &FETCH_START,
    &FETCH,
    &PUBLISH_LAG,
    &FRAMES,
    &BYTES,
    &STALLS,
    &GAPS,
    &DUPLICATES,
    &DISORDER,
    &CORRUPT,
    &SKIPPED_GROUPS,
    &CUT_GROUPS,
    &UNDELIVERED,
    &RESETS,
    &NO_HEAD,
    &ERRORS,
    &SESSIONS,
    &VIEWERS,
];

/// What viewers suffer from, in the order in which it is told.
pub(crate) const TROUBLES: [&Series; 9] =
    [&STALLS, &SKIPPED_GROUPS, &CUT_GROUPS, &RESETS, &ERRORS, &GAPS, &CORRUPT, &DUPLICATES, &DISORDER];

pub(crate) static CONNECT: Series =
    Series::times("connect", "from the first packet of a dial to the relay's SETUP, certificate and all");
pub(crate) static TUNE_IN: Series = Series::times(
    "tune_in",
    "from sending SUBSCRIBE to the first whole frame in hand, a group's first where one joins at the head",
);
pub(crate) static START: Series = Series::times(
    "start",
    "from the moment the plan had a viewer come, connection set-up included, to its first frame",
);
pub(crate) static LATENCY: Series = Series::times(
    "latency",
    "from the moment the schedule had a frame published to its last byte at a viewer; live frames published after the SUBSCRIBE",
);
pub(crate) static JITTER: Series =
    Series::times("jitter", "how much the time between two frames at a viewer differs from that at the publisher");
pub(crate) static STALL: Series = Series::times("stall", "how long a pause between two frames was, if it was a stall");
pub(crate) static FETCH_START: Series = Series::times("fetch_start", "from sending FETCH to the first whole frame");
pub(crate) static FETCH: Series = Series::times("fetch", "from sending FETCH to the end of its group");
pub(crate) static PUBLISH_LAG: Series = Series::times(
    "publish_lag",
    "how late the tool itself published a frame; a part of latency that is not the relay's",
);
pub(crate) static FRAMES: Series = Series::count("frames", "whole frames received and found good");
pub(crate) static BYTES: Series = Series::bytes("bytes", "payload bytes of those");
pub(crate) static STALLS: Series = Series::count(
    "stalls",
    "pauses between two frames of a track longer than the plan's `stall`, the last one included",
);
pub(crate) static GAPS: Series =
    Series::count("gaps", "frames missing inside a group whose stream was not reset: nothing may cause them");
pub(crate) static DUPLICATES: Series = Series::count("duplicates", "frames that came again");
pub(crate) static DISORDER: Series =
    Series::count("disorder", "frames behind a later one on one stream, or of a group long past");
pub(crate) static CORRUPT: Series =
    Series::count("corrupt", "frames whose checksum, length, track or place is wrong, by what is wrong");
pub(crate) static SKIPPED_GROUPS: Series =
    Series::count("skipped_groups", "groups of which no frame came, between others that came");
pub(crate) static CUT_GROUPS: Series =
    Series::count("cut_groups", "groups whose end did not come because their stream was reset or fell far behind");
pub(crate) static UNDELIVERED: Series = Series::count(
    "undelivered",
    "frames published last that had not come a second after the last one, for viewers that stay to the end",
);
pub(crate) static RESETS: Series = Series::count("resets", "streams that the relay reset, by code");
pub(crate) static NO_HEAD: Series = Series::count(
    "no_head",
    "viewers to whom the relay did not give their first group's beginning, by why: they begin where the stream does",
);
pub(crate) static ERRORS: Series =
    Series::count("errors", "dials, requests and sessions that failed, of viewers and publishers, by kind");
pub(crate) static SESSIONS: Series = Series::level("sessions", "sessions that are established");
pub(crate) static VIEWERS: Series =
    Series::level("viewers", "viewers that have what they came for: a frame, or a session if idle");
