// Where a live <video> should be, and how fast it should go. Pure.

import { BAND_S, EDGE_S, FAST, JUMP_S, SLOW } from "./limit.ts";

/** Of what is buffered, s; in order, apart from each other. */
export interface Stretch {
  start: number;
  end: number;
}

export interface Steering {
  /** Go there; undefined = stay. */
  seek: number | undefined;
  rate: number;
  /** Something between was not shown. */
  skipped: boolean;
  /** s */
  ahead: number;
}

/** `rate` is the one now, `target` the media that should be in hand, s. */
export function steer(stretches: readonly Stretch[], at: number, rate: number, target: number): Steering {
  const newest = stretches.at(-1);
  if (newest === undefined) return { seek: undefined, rate: 1, skipped: false, ahead: 0 };
  const ahead = newest.end - at;
  const live = Math.max(newest.start, newest.end - target);
  const current = stretches.find(({ start, end }) => at >= start - EDGE_S && at <= end);
  if (current === undefined || ahead > target + JUMP_S) {
    // Behind everything: it has only just begun, or numbers began anew.
    if (Math.abs(live - at) > EDGE_S) return { seek: live, rate: 1, skipped: current !== undefined, ahead };
  } else if (current !== newest && current.end - at < EDGE_S) {
    return { seek: stretches[stretches.indexOf(current) + 1]?.start, rate: 1, skipped: true, ahead };
  }
  if (ahead > target + BAND_S) return { seek: undefined, rate: FAST, skipped: false, ahead };
  if (ahead < target - BAND_S) return { seek: undefined, rate: SLOW, skipped: false, ahead };
  // Back to normal in the middle of the band, so that it does not flap at its edge.
  const isThere = rate > 1 ? ahead <= target : ahead >= target;
  return { seek: undefined, rate: isThere ? 1 : rate, skipped: false, ahead };
}
