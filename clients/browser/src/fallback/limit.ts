// Every bound of the player over Media Source Extensions.

/** Least media in hand, s: this player waits for whole appends, and the browser decodes when it likes. */
export const LEAST_BUFFER_S = 0.3;
/** Media in hand may differ from what is wanted by this before the rate changes, s. */
export const BAND_S = 0.12;
/** Playback rates that catch up and that wait; pitch is kept, and few hear it. */
export const FAST = 1.06;
export const SLOW = 0.96;
/** Beyond this above what is wanted no rate catches up soon: it jumps, s. */
export const JUMP_S = 2;
/** How near to the end of a stretch counts as its end, s. */
export const EDGE_S = 0.1;
/** What was played is kept so long, s, and removed in pieces of so much: browsers keep about 12 MB of sound and 150 MB of picture. */
export const KEEP_S = 6;
export const TRIM_S = 6;
/** Between looks at the buffer, ms. */
export const STEER_MS = 200;
/** The picture has stood still for so long while it should play: everything is opened anew, ms. */
export const STILL_MS = 8000;
/** Appends of one piece that may fail for want of room before the track is given up. */
export const APPENDS = 3;
