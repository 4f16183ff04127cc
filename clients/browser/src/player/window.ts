// Values of the last seconds with their quantiles.

import { MAX_WINDOW, WINDOW_MS } from "./limit.ts";

/** Values with their times, of a sliding window; the oldest go first when it is full. */
export class SampleWindow {
  readonly #span: number;
  readonly #times = new Float64Array(MAX_WINDOW);
  readonly #values = new Float64Array(MAX_WINDOW);
  #head = 0;
  #length = 0;

  /** `span` in ms. */
  constructor(span = WINDOW_MS) {
    this.#span = span;
  }

  get size(): number {
    return this.#length;
  }

  push(at: number, value: number): void {
    if (this.#length === MAX_WINDOW) this.#drop();
    const index = (this.#head + this.#length) % MAX_WINDOW;
    this.#times[index] = at;
    this.#values[index] = value;
    this.#length += 1;
    this.expire(at);
  }

  /** Forgets what is older than the window. */
  expire(now: number): void {
    while (this.#length > 0 && (this.#times[this.#head] ?? 0) < now - this.#span) this.#drop();
  }

  clear(): void {
    this.#length = 0;
  }

  /** Values at or after a time, oldest first. */
  since(at: number): number[] {
    const values: number[] = [];
    for (let i = 0; i < this.#length; i += 1) {
      const index = (this.#head + i) % MAX_WINDOW;
      if ((this.#times[index] ?? 0) >= at) values.push(this.#values[index] ?? 0);
    }
    return values;
  }

  /** Quantiles (0…1) of all values; undefined when there are none. */
  quantiles<const Q extends readonly number[]>(...wanted: Q): { [K in keyof Q]: number } | undefined {
    if (this.#length === 0) return undefined;
    const sorted = Float64Array.from(this.since(-Infinity)).sort();
    const at = (q: number): number => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? 0;
    return wanted.map(at) as { [K in keyof Q]: number };
  }

  /** Mean of the values since a time; undefined when there are none. */
  mean(since: number): number | undefined {
    const values = this.since(since);
    return values.length === 0 ? undefined : values.reduce((sum, value) => sum + value, 0) / values.length;
  }

  #drop(): void {
    this.#head = (this.#head + 1) % MAX_WINDOW;
    this.#length -= 1;
  }
}
