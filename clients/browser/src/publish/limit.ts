// Every bound of the publisher, in one place.

/** Length of a group, ms: what a viewer who joins has to fetch at most, and what a lost group costs. */
export const GROUP_MS = 1000;
/** A group that somebody asks for begins when the one before is at least this long, ms: key frames cost every viewer. */
export const NEW_GROUP_MS = GROUP_MS / 2;
/** Length of a group of sound, ms, when pictures that should begin the next one do not come. */
export const AUDIO_GROUP_MS = 2 * GROUP_MS;

/** An object that waits longer than this to be sent, ms, makes its group worthless for live viewers. */
export const BEHIND_MS = 1000;
/** Groups of a track that are kept for joining FETCHes: the current one, and the one before for requests under way. */
export const KEPT_GROUPS = 2;
/** Bytes of one group; at 20 Mb/s a group of 1 s has 2.5 MB. */
export const GROUP_BYTES = 8 * 1024 * 1024;
/** Objects of one group; at 60 a second far more than a group has. */
export const GROUP_OBJECTS = 1024;

/** Frames inside an encoder at once; more are dropped before encoding, because they would only be late. */
export const ENCODE_QUEUE = 2;
/** Frames whose capture time is remembered until the encoder gives them back. */
export const CAPTURE_TIMES = 64;
/** A source that gives no picture for this long, ms, gets its last one encoded again: screens that stand still give none. */
export const REPEAT_MS = 500;
/** Frames posted to the worker and not yet taken, where tracks cannot be read as streams. */
export const FRAMES_ON_THE_WAY = 2;

/** Sound is stamped this often, ms: its frames are small, and stamps must not show in the bandwidth. */
export const AUDIO_STAMP_MS = 250;
/** Half the window in which the earliest arrival tells how source clock and wall clock are apart, ms. */
export const CLOCK_WINDOW_MS = 1000;
/** A source whose arrivals stay off its place on the media timeline by more than this, ms, gets a new place: its timestamps jumped. */
export const CLOCK_JUMP_MS = 120;
/** Arrivals are watched for this long, ms, before a source has its place on the timeline: the first ones are often late. */
export const SETTLE_MS = 500;

/** Bits per second below which no picture is worth sending. */
export const MIN_VIDEO_BITRATE = 100_000;
/** Bits per second of stereo sound. */
export const AUDIO_BITRATE = 96_000;

/** First and longest wait between attempts to connect, ms. */
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_LAST_MS = 10_000;
/** The encoders must have given their configuration in this time, ms. */
export const ENCODER_START_MS = 10_000;
/** A track that is slower than the others to begin is waited for this long, ms. */
export const COMPLETE_MS = 1500;
/** Another publisher of the same name has this long to be listed, ms. */
export const LISTING_MS = 300;
/** ms that the fingerprint of the server's certificate is waited for. */
export const HASH_TIMEOUT_MS = 3000;
/** What was said last has this long to leave before a session is closed, ms. */
export const CLOSING_MS = 300;
/** Streams of a session that was replaced go on for this long, ms. */
export const HANDOVER_MS = 2000;
