// Timestamps of a source, whose zero may be anything, as unix time. All in µs.

import { CLOCK_JUMP_MS, CLOCK_WINDOW_MS, SETTLE_MS } from "./limit.ts";

const HALF_WINDOW = CLOCK_WINDOW_MS * 1000;
const SETTLE = SETTLE_MS * 1000;
const JUMP = CLOCK_JUMP_MS * 1000;

/** Learns from arrivals: the frame that came soonest after its timestamp waited nowhere. */
export class CaptureClock {
  #current = Infinity;
  #previous = Infinity;
  #turnedAt: number | undefined;
  #firstAt: number | undefined;
  #seenFor = 0;
  #fixed: number | undefined;
  #last = -Infinity;

  /** A frame with this timestamp was there at this unix time: its capture if that is known, else its arrival. */
  observe(timestamp: number, at: number): void {
    this.#firstAt ??= at;
    this.#turnedAt ??= at;
    if (at - this.#turnedAt >= HALF_WINDOW) {
      this.#previous = this.#current;
      this.#current = Infinity;
      this.#turnedAt = at;
    }
    this.#current = Math.min(this.#current, at - timestamp);
    this.#seenFor = at - this.#firstAt;
  }

  /** Enough was seen to place the source on a timeline beside another. */
  get isSettled(): boolean {
    return this.#seenFor >= SETTLE;
  }

  get #offset(): number {
    return Math.min(this.#current, this.#previous);
  }

  /** When it was captured, by the newest estimate. */
  captured(timestamp: number): number {
    return Math.round(timestamp + this.#offset);
  }

  /**
   * Its place on the media timeline, which is fixed by the first one and never goes back. Only a source whose timestamps have jumped
   * is placed anew: microphones skip samples while they start, and would be heard late for ever.
   */
  media(timestamp: number): number {
    if (this.#fixed === undefined || Math.abs(this.#offset - this.#fixed) > JUMP) this.#fixed = this.#offset;
    this.#last = Math.max(this.#last + 1, Math.round(timestamp + this.#fixed));
    return this.#last;
  }
}

/** Unix time now. */
export function unixMicroseconds(): number {
  return (performance.timeOrigin + performance.now()) * 1000;
}

/**
 * The unix time of a `captureTime`, which counts like `performance.now()` of some global scope; undefined when it is not a moment
 * just past and so cannot be meant in this one.
 */
export function captureTimeOf(captureTime: number | undefined, now: number): number | undefined {
  if (captureTime === undefined) return undefined;
  const at = (performance.timeOrigin + captureTime) * 1000;
  return at <= now && now - at < 1_000_000 ? at : undefined;
}
