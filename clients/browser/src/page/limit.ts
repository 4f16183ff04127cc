// Bounds of the page. Each says its unit and why the number is what it is.

/** Players side by side: more would not decode on any machine, and a link is somebody else's text. */
export const PLAYERS = 16;

/** Broadcasts that are listed; a page with more needs a search, which this one is not. */
export const LISTED = 500;

/** ms between two looks at the list over HTTP: what a viewer takes for "at once", and little work for the relay. */
export const POLL_MS = 2_000;

/** ms between two looks at whether the relay is still there: a browser notices a dead one only after half a minute. */
export const HEALTH_MS = 5_000;

/** ms a small answer over HTTP may take. */
export const ANSWER_MS = 4_000;

/** ms of polling over HTTP before WebTransport is tried again. */
export const RETRY_WEBTRANSPORT_MS = 30_000;

/** ms before the first and at most before a later attempt to reach a relay that is gone. */
export const BACKOFF_MS = { first: 500, most: 8_000 };

/** ms after the answer in which the first broadcasts arrive: until then an empty list means nothing. */
export const SETTLE_MS = 400;

/** ms that a button says what it has done. */
export const DONE_MS = 1_600;

/** Characters of a latency in a link, ms as digits: a minute is the most that a player keeps. */
export const LATENCY_MS = 60_000;
