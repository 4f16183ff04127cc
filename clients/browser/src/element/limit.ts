// Every bound of the element, in one place.

/** Seconds that the delay chart looks back on; one column each. */
export const CHART_SECONDS = 60;
/** Answer of a server's HTTP edge about its certificate, ms. */
export const ANSWER_TIMEOUT_MS = 3000;
/** A player whose server does not answer asks for new hashes this often at most, ms. */
export const HASHES_EVERY_MS = 3000;
/** Hashes taken from one answer: the old certificate, the new one, and some to spare. */
export const MAX_HASHES = 8;
/** The controls go this long after the last movement, ms. */
export const CONTROLS_LINGER_MS = 2600;
/** A note at the picture's edge stays this long, ms. */
export const NOTE_MS = 12_000;
/** Pictures that wait for the picture-in-picture window; more are dropped. */
export const MAX_MIRRORED_FRAMES = 2;
/** Longest target latency, ms. */
export const MAX_LATENCY_MS = 30_000;
