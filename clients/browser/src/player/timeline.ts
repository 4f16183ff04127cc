// The clock of playout: which media time is due now, how far behind the newest frame to stay, and at which rate. Pure.

import { SampleWindow } from "./window.ts";

/** A frame that reached the player. */
export interface Arrival {
  /** Media time, µs. */
  timestamp: number;
  /** Local time, ms. */
  at: number;
  /** Came by FETCH: old when it came, so its time says nothing about the network. */
  fetched: boolean;
  /** When it was captured, local clock, ms; undefined when unknown. */
  capturedAt: number | undefined;
}

/** Behind the newest frame by more than the target and this: no catching up, playout leaps to the newest group. */
export const LEAP_MS = 1000;
/** More room to gain than this is gained by holding the picture once instead of playing slowly for long. */
export const HOLD_MS = 400;
/** A frame later than this moves the clock back at once. */
const LATE_MS = 25;
/** Media times that leave the known course by more than this are a new beginning (a loop, a new origin). */
const BREAK_MS = 5000;
/** Off target by less than this the rate stays 1. */
const DEAD_BAND_MS = 12;
/** An error is worked off in about this time. */
const CORRECTION_MS = 2500;
/** Kept for decoding and for the next chance to paint, beyond the measured time of decoding. */
const MARGIN_MS = 10;
/** Share of arrivals that has to be in time when playing as live as possible. */
const IN_TIME = 0.98;
/** The same for sound, where every one that is late is heard as a hole: of ten seconds' sounds, all. */
const SOUND_IN_TIME = 0.998;
/** Sound further from the clock than this is put in place again instead of being followed. */
const APART_MS = 120;
/** Share of the sound's deviation by which one report moves the clock. */
const FOLLOW = 0.1;
const SLOWEST = 0.95;
const FASTEST_WITH_AUDIO = 1.1;
const FASTEST = 1.25;
/** Rates are multiples of this, so that the worklet is not told of every change of nothing. */
const RATE_STEP = 0.01;

/** What {@link Timeline.tick} found. */
export interface Tick {
  rate: number;
  /** So far behind that the player should leave out what is older than the newest group. */
  leap: boolean;
}

export class Timeline {
  /** Grows whenever the clock is set instead of steered: sound has to be put in place again. */
  epoch = 0;
  /** Times frames came so late that the clock had to wait for them. */
  holds = 0;

  #target: number;
  #audible = false;
  #decodeTime = 0;
  #anchorMedia = 0;
  #anchorWall = 0;
  #rate = 1;
  #isSet = false;
  /** Arrivals come faster than they play: the head of a group that was joined, or a backlog. */
  #isFilling = true;
  #steady = 0;
  #newest = -Infinity;
  #lowest = Infinity;
  /** Arrival minus media time, ms. */
  readonly #arrivals = new SampleWindow();
  /** When the other track could be played at the earliest, minus media time, ms. */
  readonly #needs = new SampleWindow();
  /** Capture minus media time, ms. */
  readonly #captures = new SampleWindow();

  /** `target` in ms from capture (or arrival) to paint; 0 = as live as possible. */
  constructor(target: number) {
    this.#target = target;
  }

  get target(): number {
    return this.#target;
  }

  set target(milliseconds: number) {
    this.#target = milliseconds;
  }

  /** Sound plays, which limits the rates to what ears forgive. */
  set audible(audible: boolean) {
    this.#audible = audible;
  }

  /** What decoding takes, ms, a high quantile. */
  set decodeTime(milliseconds: number) {
    this.#decodeTime = milliseconds;
  }

  get rate(): number {
    return this.#rate;
  }

  get isSet(): boolean {
    return this.#isSet;
  }

  /** Forgets everything; the next arrival sets the clock. */
  reset(): void {
    this.#isSet = false;
    this.#refill();
  }

  /** Media time that is due now, µs. */
  mediaAt(now: number): number {
    return (this.#anchorMedia + (now - this.#anchorWall) * this.#rate) * 1000;
  }

  /** When a media time (µs) is due, ms. */
  dueAt(timestamp: number): number {
    return this.#anchorWall + (timestamp / 1000 - this.#anchorMedia) / this.#rate;
  }

  /** False for frames of another course than the clock's, e.g. the other track's last ones before a loop. */
  isOnCourse(timestamp: number, now: number): boolean {
    return this.#isSet && Math.abs(this.dueAt(timestamp) - now) < BREAK_MS + this.#target;
  }

  /** Media in hand beyond what is due, ms. */
  bufferAt(now: number): number {
    return this.#isSet ? Math.max(0, this.#newest - this.mediaAt(now) / 1000) : 0;
  }

  /** Tells of an arrival of the leading track. */
  observe(arrival: Arrival): void {
    const media = arrival.timestamp / 1000;
    const offset = arrival.at - media;
    if (this.#isSet && this.#isBreak(media, offset)) this.reset();
    if (arrival.capturedAt !== undefined) this.#captures.push(arrival.at, arrival.capturedAt - media);
    if (this.#isFilling) this.#fill(offset, media, arrival);
    else this.#steer(offset, media, arrival);
    this.#newest = Math.max(this.#newest, media);
  }

  /** Tells when media of the other track (sound) could be played at the earliest, ms: the clock waits for both. */
  need(timestamp: number, playableAt: number): void {
    const late = playableAt - this.dueAt(timestamp);
    if (!this.#isSet || late > LEAP_MS) return;
    this.#needs.push(playableAt, playableAt - timestamp / 1000);
    if (late <= LATE_MS || this.#isFilling) return;
    this.holds += 1;
    this.#set(playableAt, timestamp / 1000);
  }

  /** Steers; about ten times a second. */
  tick(now: number): Tick {
    if (!this.#isSet) return { rate: 1, leap: false };
    this.#arrivals.expire(now);
    this.#captures.expire(now);
    this.#needs.expire(now);
    this.#lowest = this.#arrivals.quantiles(0)?.[0] ?? this.#lowest;
    if (!this.#isFilling && this.bufferAt(now) > Math.max(this.#target, this.#needed() - this.#lowest) + LEAP_MS) {
      const edge = now - this.#newest;
      this.#refill();
      this.#lowest = edge;
      this.#set(now, now - this.#offsetToPlayAt());
      return { rate: this.#rate, leap: true };
    }
    const error = now - this.mediaAt(now) / 1000 - this.#offsetToPlayAt();
    if (error < -HOLD_MS) {
      this.#set(now, this.mediaAt(now) / 1000 + error);
      return { rate: this.#rate, leap: false };
    }
    const fastest = this.#audible ? FASTEST_WITH_AUDIO : FASTEST;
    const wanted = Math.abs(error) < DEAD_BAND_MS ? 1 : Math.min(fastest, Math.max(SLOWEST, 1 + error / CORRECTION_MS));
    this.#setRate(now, Math.round(wanted / RATE_STEP) * RATE_STEP);
    return { rate: this.#rate, leap: false };
  }

  /**
   * Follows the sound: `timestamp` (µs) is heard at `heardAt` (ms). False when the two are so far apart that the sound has to be
   * put in place.
   */
  follow(timestamp: number, heardAt: number): boolean {
    if (!this.#isSet) return true;
    const error = heardAt - this.dueAt(timestamp);
    if (Math.abs(error) > APART_MS) return false;
    this.#anchorWall += error * FOLLOW;
    return true;
  }

  #isBreak(media: number, offset: number): boolean {
    const known = this.#lowest;
    return Number.isFinite(known) && Math.abs(offset - known) > BREAK_MS && Math.abs(media - this.#newest) > BREAK_MS;
  }

  #fill(offset: number, media: number, arrival: Arrival): void {
    const isNewest = media > this.#newest;
    if (isNewest && !arrival.fetched) {
      this.#steady = offset >= this.#lowest - 3 ? this.#steady + 1 : 0;
      this.#isFilling = this.#steady < 2;
    }
    const lowered = offset < this.#lowest;
    this.#lowest = Math.min(this.#lowest, offset);
    if (!this.#isFilling) this.#arrivals.push(arrival.at, offset);
    if (lowered || !this.#isSet) this.#set(arrival.at, arrival.at - this.#offsetToPlayAt());
  }

  #steer(offset: number, media: number, arrival: Arrival): void {
    if (arrival.fetched) return;
    this.#arrivals.push(arrival.at, offset);
    this.#lowest = Math.min(this.#lowest, offset);
    const late = arrival.at + this.#margin() - this.dueAt(arrival.timestamp);
    if (late <= LATE_MS) return;
    this.holds += 1;
    // A leap back in media time by little looks like this too: what was newest before says nothing now.
    this.#newest = media;
    this.#set(arrival.at, media - this.#margin());
  }

  /** The offset (wall minus media, ms) to play at. */
  #offsetToPlayAt(): number {
    const lowest = this.#lowest;
    const live = Math.max((this.#arrivals.quantiles(IN_TIME)?.[0] ?? lowest) + this.#margin(), this.#needed());
    if (this.#target === 0) return live;
    const captured = this.#captures.quantiles(0.5)?.[0] ?? lowest;
    // A capture clock that is off by minutes must not freeze the picture for minutes.
    const base = Math.abs(captured - lowest) > BREAK_MS ? lowest : captured;
    return Math.max(live, base + this.#target);
  }

  /** What the other track needs, ms. */
  #needed(): number {
    return this.#needs.quantiles(SOUND_IN_TIME)?.[0] ?? -Infinity;
  }

  #margin(): number {
    return MARGIN_MS + this.#decodeTime;
  }

  #refill(): void {
    this.#isFilling = true;
    this.#steady = 0;
    this.#arrivals.clear();
    this.#captures.clear();
    this.#needs.clear();
    this.#newest = -Infinity;
    this.#lowest = Infinity;
  }

  /** Media time `media` (ms) is due now. */
  #set(now: number, media: number): void {
    this.#anchorMedia = media;
    this.#anchorWall = now;
    this.#rate = 1;
    this.#isSet = true;
    this.epoch += 1;
  }

  #setRate(now: number, rate: number): void {
    if (rate === this.#rate) return;
    this.#anchorMedia = this.mediaAt(now) / 1000;
    this.#anchorWall = now;
    this.#rate = rate;
  }
}
