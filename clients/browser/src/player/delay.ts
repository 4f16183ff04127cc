// Where the time of a picture went, hop by hop, from stamps and from what is measured here. Pure.

import { CLOCK_SLOTS, CLOCK_WINDOW_MS, WINDOW_MS } from "./limit.ts";
import type { DelayStage } from "./protocol.ts";
import { SampleWindow } from "./window.ts";

/** One relay of a stamp, µs. */
export interface StampRelay {
  /** Arrival by its clock minus departure by the clock of the hop before. */
  difference: number;
  /** What it believes its clock to be ahead of the one before, give or take `uncertainty`. */
  offset: number;
  uncertainty: number;
  dwell: number;
}

/** HOP_DELAY of an object, µs. */
export interface Stamp {
  /** Unix time by the origin's clock. */
  captured: number;
  origin: number;
  relays: readonly StampRelay[];
}

/** Minimum over a sliding window, in slots. */
class WindowMinimum {
  readonly #slots = new Map<number, number>();

  push(now: number, value: number): void {
    const slot = Math.floor(now / (CLOCK_WINDOW_MS / CLOCK_SLOTS));
    this.#slots.set(slot, Math.min(value, this.#slots.get(slot) ?? Infinity));
    for (const old of this.#slots.keys()) {
      if (old <= slot - CLOCK_SLOTS) this.#slots.delete(old);
    }
  }

  get(): number | undefined {
    return this.#slots.size === 0 ? undefined : Math.min(...this.#slots.values());
  }
}

/**
 * How far this clock is ahead of the last hop's: the smallest difference of the last minute waited nowhere, so it is half a round
 * trip and the rest is the clocks'. Half a round trip is also what stays unknown.
 */
export class ClockOffset {
  readonly #differences = new WindowMinimum();
  readonly #roundTrips = new WindowMinimum();

  roundTrip(now: number, milliseconds: number): void {
    this.#roundTrips.push(now, milliseconds);
  }

  get shortestRoundTrip(): number | undefined {
    return this.#roundTrips.get();
  }

  /** Takes arrival here minus departure there, ms; the estimate with it. Without a round trip nothing is claimed. */
  difference(now: number, milliseconds: number): { offset: number; uncertainty: number } {
    this.#differences.push(now, milliseconds);
    const least = this.#differences.get() ?? milliseconds;
    const half = this.#roundTrips.get();
    return half === undefined ? { offset: 0, uncertainty: Math.abs(least) } : { offset: least - half / 2, uncertainty: half / 2 };
  }
}

/** Times of one painted picture, `performance.now()` ms. */
export interface PaintTimes {
  firstByteAt: number;
  receivedAt: number;
  submittedAt: number;
  decodedAt: number;
  /** When the clock wanted it. */
  dueAt: number;
  paintedAt: number;
}

/** What the stamp of one object says, put into local time. */
export interface Journey {
  /** Names and ms of the stages up to this browser. */
  stages: readonly { stage: string; value: number; uncertainty: number }[];
  /** Capture (or ingest), local `performance.now()` clock, ms. */
  capturedAt: number;
  uncertainty: number;
}

interface Stage {
  window: SampleWindow;
  uncertainty: number;
}

/** Collects the delays of one player. */
export class DelayMeter {
  readonly clock = new ClockOffset();

  readonly #timeOrigin: number;
  readonly #stages = new Map<string, Stage>();
  readonly #total = new SampleWindow();
  #totalUncertainty = 0;
  #hops = 0;
  readonly #decode = new SampleWindow();

  /** `timeOrigin`: unix ms of the local clock's zero. */
  constructor(timeOrigin: number) {
    this.#timeOrigin = timeOrigin;
  }

  /** Another way: what was measured before is of other hops. */
  reset(): void {
    this.#stages.clear();
    this.#total.clear();
    this.#hops = 0;
  }

  /** Reads a stamp of a live object; undefined for one with fewer hops than others had (it came from a cache). */
  journey(stamp: Stamp, firstByteAt: number): Journey | undefined {
    if (stamp.relays.length < this.#hops) return undefined;
    if (stamp.relays.length > this.#hops) {
      this.reset();
      this.#hops = stamp.relays.length;
    }
    const stages: { stage: string; value: number; uncertainty: number }[] = [
      { stage: "origin", value: stamp.origin / 1000, uncertainty: 0 },
    ];
    let departure = stamp.captured + stamp.origin;
    let ahead = 0;
    let unsure = 0;
    for (const [index, { difference, offset, uncertainty, dwell }] of stamp.relays.entries()) {
      stages.push({ stage: `link ${index + 1}`, value: (difference - offset) / 1000, uncertainty: uncertainty / 1000 });
      stages.push({ stage: `relay ${index + 1}`, value: dwell / 1000, uncertainty: 0 });
      departure += difference + dwell;
      ahead += offset;
      unsure += uncertainty;
    }
    const difference = this.#timeOrigin + firstByteAt - departure / 1000;
    const last = this.clock.difference(firstByteAt, difference);
    const link = `link ${stamp.relays.length + 1}`;
    stages.push({ stage: link, value: difference - last.offset, uncertainty: last.uncertainty });
    const capturedAt = (stamp.captured + ahead) / 1000 + last.offset - this.#timeOrigin;
    return { stages, capturedAt, uncertainty: unsure / 1000 + last.uncertainty };
  }

  /** A picture was painted. */
  painted(times: PaintTimes, journey: Journey | undefined): void {
    const at = times.paintedAt;
    for (const { stage, value, uncertainty } of journey?.stages ?? []) this.#push(stage, at, value, uncertainty);
    const decode = Math.max(0, times.decodedAt - times.submittedAt);
    const paint = Math.max(0, at - Math.max(times.dueAt, times.decodedAt));
    this.#push("receive", at, times.receivedAt - times.firstByteAt, 0);
    this.#push("buffer", at, Math.max(0, at - times.receivedAt - decode - paint), 0);
    this.#push("decode", at, decode, 0);
    this.#push("paint", at, paint, 0);
    if (journey === undefined) return;
    this.#total.push(at, at - journey.capturedAt);
    this.#totalUncertainty = journey.uncertainty;
  }

  /** A picture was decoded, painted or not. */
  decoded(at: number, milliseconds: number): void {
    this.#decode.push(at, milliseconds);
  }

  /** 95th percentile of decoding, ms; 0 while unknown. */
  get decodeTime(): number {
    return this.#decode.quantiles(0.95)?.[0] ?? 0;
  }

  /** Stages in the order of the way, over the last 10 s; `now` is their mean over the last second. */
  stages(now: number): DelayStage[] {
    const found: DelayStage[] = [];
    for (const stage of this.#order()) {
      const known = this.#stages.get(stage);
      known?.window.expire(now);
      const quantiles = known?.window.quantiles(0.5, 0.99);
      if (known === undefined || quantiles === undefined) continue;
      const [p50, p99] = quantiles;
      found.push({ stage, p50, p99, now: known.window.mean(now - 1000) ?? p50, uncertainty: known.uncertainty });
    }
    return found;
  }

  /** Capture to paint. */
  total(now: number): { p50: number; p99: number; uncertainty: number } | undefined {
    this.#total.expire(now);
    const quantiles = this.#total.quantiles(0.5, 0.99);
    return quantiles && { p50: quantiles[0], p99: quantiles[1], uncertainty: this.#totalUncertainty };
  }

  #order(): string[] {
    const way = ["origin"];
    for (let hop = 1; hop <= this.#hops; hop += 1) way.push(`link ${hop}`, `relay ${hop}`);
    return [...way, `link ${this.#hops + 1}`, "receive", "buffer", "decode", "paint"];
  }

  #push(stage: string, at: number, value: number, uncertainty: number): void {
    let known = this.#stages.get(stage);
    if (known === undefined) {
      known = { window: new SampleWindow(WINDOW_MS), uncertainty };
      this.#stages.set(stage, known);
    }
    known.uncertainty = uncertainty;
    known.window.push(at, value);
  }
}
