// What the player's worker and the AudioWorklet say to each other, over a MessagePort of their own.

/** Worker to worklet. Times are media times in µs. */
export type ToWorklet =
  /** Planar samples at the context's rate, one array per channel. */
  | { type: "samples"; timestamp: number; channels: Float32Array[] }
  /** Begin to play so that `timestamp` is heard at once; until then silence. Drops what is before it. */
  | { type: "play"; timestamp: number }
  /** 1 = as recorded. Between 0.9 and 1.25. */
  | { type: "rate"; rate: number }
  /** Silence, and everything in hand is dropped. */
  | { type: "flush" };

/** Worklet to worker, about 20 times a second. */
export type FromWorklet = {
  type: "position";
  /** Media time in µs of the sample that goes out now; undefined while silent. */
  timestamp: number | undefined;
  /** AudioContext time in s that belongs to it. */
  contextTime: number;
  /** ms of samples in hand. */
  buffered: number;
  /** Since the beginning: times samples were missing. */
  underruns: number;
};
