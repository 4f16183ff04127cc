// How many bits the encoder may make, from how well they leave: down at once and in proportion, up slowly.

/** What happened since the last decision. */
export interface RateReport {
  /** ms, of any clock. */
  now: number;
  /** The longest that an object waited to be sent, ms. */
  waited: number;
  /** Bits per second that left. */
  sent: number;
  /** A group was given up. */
  isLost: boolean;
}

/** A queue below this is the ordinary unevenness of key frames, ms. */
const EASY_MS = 80;
/** A queue above this grows, ms. */
const BUSY_MS = 300;
/** A decision shows in the queue only after a while, ms. */
const SETTLE_MS = 2000;
/** Without any queue for this long, more may fit, ms. */
const PROBE_MS = 5000;
const LOSS_FACTOR = 0.6;
const BUSY_FACTOR = 0.85;
const PROBE_FACTOR = 1.08;

export class RateControl {
  readonly #least: number;
  readonly #most: number;
  #bitrate: number;
  #changedAt = -Infinity;
  #easySince: number | undefined;

  constructor(least: number, most: number) {
    this.#most = most;
    this.#least = Math.min(least, most);
    this.#bitrate = most;
  }

  /** Bits per second. */
  get bitrate(): number {
    return this.#bitrate;
  }

  /** Takes a report, about one a second; the bitrate from now on. */
  update({ now, waited, sent, isLost }: RateReport): number {
    if (waited > EASY_MS || isLost) this.#easySince = undefined;
    else this.#easySince ??= now;
    if (isLost) this.#set(now, this.#down(sent, LOSS_FACTOR));
    else if (waited > BUSY_MS && now - this.#changedAt >= SETTLE_MS) this.#set(now, this.#down(sent, BUSY_FACTOR));
    else if (this.#isEasy(now)) this.#set(now, this.#bitrate * PROBE_FACTOR);
    return this.#bitrate;
  }

  #isEasy(now: number): boolean {
    const since = Math.max(this.#easySince ?? now, this.#changedAt);
    return this.#easySince !== undefined && now - since >= PROBE_MS && this.#bitrate < this.#most;
  }

  /** What left while more waited is what the connection takes, if anything left. */
  #down(sent: number, factor: number): number {
    return (sent > 0 ? Math.min(this.#bitrate, Math.max(sent, this.#bitrate / 4)) : this.#bitrate) * factor;
  }

  #set(now: number, bitrate: number): void {
    this.#bitrate = Math.round(Math.min(this.#most, Math.max(this.#least, bitrate)));
    this.#changedAt = now;
  }
}
