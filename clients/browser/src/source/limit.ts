// Every bound of reading over HTTP, with its unit and its reason.

/** A live body that brings no byte for this long is dead, ms: TCP alone would take minutes to say so. */
export const STALL_MS = 10_000;
/** A server answers within this, ms: it waits 3 s for its own upstream. Longer means the request has no connection to go out on. */
export const ANSWER_MS = 6_000;
/** The first objects of a group come in a burst; a read that takes longer than this, ms, was waiting for the next live one. */
export const BURST_GAP_MS = 25;
/** Players that may read live tracks from one `http:` server at a time. See `place.ts`. */
export const PLACES = 2;
/** Between looks at the list of broadcasts, ms; doubled while it cannot be had, up to the second. */
export const LIST_MS = 2_000;
export const LIST_LAST_MS = 16_000;
/** Bytes of a list of broadcasts. */
export const LIST_BYTES = 1 << 20;
/** Between looks at a catalog, ms. */
export const CATALOG_MS = 5_000;
/** A catalog's stream is closed when it has been quiet for so long, ms. */
export const CATALOG_QUIET_MS = 300;
/** Looks at a catalog that may fail one after another before the server counts as gone. */
export const CATALOG_FAILURES = 3;
/** Groups between two that came which are told as lost one by one; a longer jump is how the publisher counts. */
export const TOLD_GROUPS = 32n;
