// Every bound of the player, in one place.

/** Encoded objects of one track that may wait for their turn; at 60 a second more than a minute. */
export const MAX_HELD_OBJECTS = 4096;
/** Bytes of those objects; a 20 Mb/s track fills it in 13 s. */
export const MAX_HELD_BYTES = 32 * 1024 * 1024;
/** Groups of one track that may be open at once; a publisher that opens more is served from its newest. */
export const MAX_OPEN_GROUPS = 256;
/** A group this far below the current one is not late: the publisher counts anew. */
export const RENUMBER_DISTANCE = 64n;
/** Silence of the current numbers, ms, after which a lower group counts as a new beginning at any distance. */
export const RENUMBER_SILENCE_MS = 2000;

/** Decoded pictures in hand; each 720p picture is about 1.4 MB, and decoders have few to give. */
export const MAX_DECODED_FRAMES = 8;
/** Chunks inside a decoder at once. */
export const MAX_DECODE_QUEUE = 8;
/** Pictures are decoded at most this long before they are due, ms. */
export const DECODE_AHEAD_MS = 400;
/** Sound is decoded at most this long before it is heard, ms; below what the worklet keeps. */
export const AUDIO_AHEAD_MS = 1500;
/** Seconds of sound the worklet keeps. */
export const RING_SECONDS = 4;
/** A track is not read further when it holds more than this beyond the target latency, ms. */
export const READ_AHEAD_MS = 6000;
/** Decode errors in a row, without one picture between, after which the rendition is given up. */
export const MAX_DECODE_ERRORS = 5;

/** Of measured delays and arrivals that the windows look back on, ms. */
export const WINDOW_MS = 10_000;
/** Values per window; 60 pictures and 50 sounds a second for 10 s. */
export const MAX_WINDOW = 1200;
/** Window of the clock estimate, ms. */
export const CLOCK_WINDOW_MS = 60_000;
/** Slots of the clock estimate's window. */
export const CLOCK_SLOTS = 60;

/** WebTransport has this long before HTTP is started beside it, ms. */
export const HTTP_AFTER_MS = 2500;
/** One attempt to connect, ms. */
export const CONNECT_TIMEOUT_MS = 10_000;
/** First and longest wait between attempts, ms. */
export const BACKOFF_FIRST_MS = 500;
export const BACKOFF_LAST_MS = 15_000;
/** Times in a row that servers may send a player on: a load balancer, a region, a server, and some to spare. */
export const MAX_REDIRECTS = 5;
/** Whoever was served for this long, ms, has arrived: the next GOAWAY begins a new row of those. */
export const SETTLED_MS = 10_000;
/** Longest wait between looks for a broadcast that is not there, ms. */
export const OFFLINE_LAST_MS = 4000;
/** A change of rendition or of server that has brought no picture in this time is given up, ms. */
export const CHANGE_TIMEOUT_MS = 8000;
/** Nothing came on a track that should play for this long: it is opened again, ms. */
export const SILENT_TRACK_MS = 12_000;
/** A server that reports on the connection every second and has not for this long is gone, ms: QUIC itself needs 30 s to see it. */
export const SILENT_SERVER_MS = 5000;
