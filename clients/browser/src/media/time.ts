// Media time.

import { MediaError } from "./types.ts";

/** Units per second of frames, of hang's timestamps and of LOC without a timescale. */
export const MICROSECONDS = 1_000_000;

/** Ticks of a timescale in µs, rounded down. */
export function microseconds(ticks: bigint, timescale: number): number {
  if (timescale === MICROSECONDS) return safe(ticks);
  const scale = BigInt(timescale);
  const scaled = ticks * 1_000_000n;
  const quotient = scaled / scale;
  return safe(scaled < 0n && quotient * scale !== scaled ? quotient - 1n : quotient);
}

function safe(value: bigint): number {
  const result = Number(value);
  if (!Number.isSafeInteger(result)) throw new MediaError(`timestamp of ${value} µs is beyond any clock`);
  return result;
}
