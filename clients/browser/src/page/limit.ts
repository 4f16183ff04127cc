// Every bound of the page, in one place.

/** Players side by side; each decodes on its own. */
export const MAX_PLAYERS = 16;
/** Broadcasts listed; more are counted, not shown. */
export const MAX_LISTED = 200;
/** Between two looks at the list over HTTP, ms. */
export const POLL_MS = 3000;
/** First and longest wait before WebTransport is tried again for the list, ms. */
export const RETRY_FIRST_MS = 1000;
export const RETRY_LAST_MS = 30_000;
/** The list over WebTransport is whole this long after it began, ms. */
export const SETTLE_MS = 400;
/** An answer of the server over HTTP, ms. */
export const ANSWER_MS = 3000;
