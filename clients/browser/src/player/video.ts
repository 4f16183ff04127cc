// Decodes one video track, a little before its pictures are due.

import type { TrackFeed, Unit } from "./feed.ts";
import type { DelayMeter, Journey, PaintTimes } from "./delay.ts";
import { DECODE_AHEAD_MS, MAX_DECODE_ERRORS, MAX_DECODE_QUEUE, MAX_DECODED_FRAMES } from "./limit.ts";
import type { Timeline } from "./timeline.ts";

/** A picture that waits for its time. Whoever takes it closes it. */
export interface Picture {
  frame: VideoFrame;
  group: bigint;
  /** Came by FETCH or before the clock was set: being late is no fault. */
  isHead: boolean;
  journey: Journey | undefined;
  times: Omit<PaintTimes, "dueAt" | "paintedAt">;
}

interface Submitted {
  unit: Unit;
  at: number;
}

export interface VideoEvents {
  /** A picture is in hand. */
  decoded(): void;
  /** This track cannot be decoded. */
  failed(reason: string): void;
}

export class VideoTrack {
  /** In the order of decoding's output, oldest first. */
  readonly pictures: Picture[] = [];
  decodeErrors = 0;
  /** Decoded but too late. */
  dropped = 0;

  readonly feed: TrackFeed;
  readonly #timeline: Timeline;
  readonly #meter: DelayMeter;
  readonly #events: VideoEvents;
  readonly #journeys = new WeakMap<Unit, Journey>();
  readonly #submitted = new Map<number, Submitted>();
  #decoder: VideoDecoder | undefined;
  #config: unknown;
  #needsKey = true;
  #errorsInRow = 0;
  #busySince = 0;
  #busy = 0;

  constructor(feed: TrackFeed, timeline: Timeline, meter: DelayMeter, events: VideoEvents) {
    this.feed = feed;
    this.#timeline = timeline;
    this.#meter = meter;
    this.#events = events;
  }

  /** Notes what a unit's stamp says, for when it is painted. */
  stamp(unit: Unit, journey: Journey): void {
    this.#journeys.set(unit, journey);
  }

  /** Feeds the decoder with what is due soon. */
  pump(now: number): void {
    for (;;) {
      const unit = this.feed.units[0];
      if (unit === undefined || this.pictures.length >= MAX_DECODED_FRAMES) return;
      if ((this.#decoder?.decodeQueueSize ?? 0) >= MAX_DECODE_QUEUE) return;
      if (this.#timeline.isOnCourse(unit.frame.timestamp, now) && this.#timeline.dueAt(unit.frame.timestamp) > now + DECODE_AHEAD_MS) return;
      this.feed.take();
      this.#needsKey ||= unit.fresh;
      if (this.#needsKey && !unit.frame.key) continue;
      this.#decode(unit, now);
    }
  }

  /** ms that the decoder was busy since the last call. */
  takeBusy(): number {
    const busy = this.#busy;
    this.#busy = 0;
    return busy;
  }

  /** Leaves out all that is older than the newest key frame in hand. */
  leap(): void {
    this.feed.leap();
  }

  /** The newest picture that is due, closing those before it; with `anyway` the oldest if none is due. */
  due(now: number, anyway: boolean): Picture | undefined {
    const at = (picture: Picture): number => this.#timeline.dueAt(picture.frame.timestamp);
    let index = this.pictures.findLastIndex((picture) => at(picture) <= now);
    if (index < 0 && anyway && this.pictures.length > 0) index = 0;
    // Pictures of a course that is over go when the new one's first is due.
    for (const picture of this.pictures.splice(0, Math.max(0, index))) this.drop(picture);
    return index < 0 ? undefined : this.pictures.shift();
  }

  /** Closes pictures up to a media time, µs. */
  dropUntil(timestamp: number): void {
    while (this.pictures[0] !== undefined && this.pictures[0].frame.timestamp <= timestamp) this.pictures.shift()?.frame.close();
  }

  close(): void {
    this.feed.close();
    for (const { frame } of this.pictures.splice(0)) frame.close();
    this.#closeDecoder();
  }

  /** Closes a picture that came too late. */
  drop(picture: Picture): void {
    if (!picture.isHead) this.dropped += 1;
    picture.frame.close();
  }

  #decode(unit: Unit, now: number): void {
    try {
      if (this.#decoder === undefined || this.#config !== unit.config) this.#configure(unit);
      const { timestamp, duration, key, data } = unit.frame;
      this.#submitted.set(Math.round(timestamp), { unit, at: now });
      if (this.#submitted.size > 4 * MAX_DECODE_QUEUE + 32) this.#submitted.delete(this.#submitted.keys().next().value ?? 0);
      if (this.#busySince === 0) this.#busySince = now;
      this.#decoder?.decode(new EncodedVideoChunk({ type: key ? "key" : "delta", timestamp: Math.round(timestamp), duration, data }));
      this.#needsKey = false;
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  #configure(unit: Unit): void {
    const config = unit.config as VideoDecoderConfig;
    if (this.#decoder === undefined) {
      const decoder: VideoDecoder = new VideoDecoder({
        output: (frame) => (decoder === this.#decoder ? this.#output(frame) : frame.close()),
        error: (error) => decoder === this.#decoder && this.#fail(error.message),
      });
      this.#decoder = decoder;
    }
    this.#decoder.configure({ ...config, optimizeForLatency: true });
    this.#config = unit.config;
  }

  #output(frame: VideoFrame): void {
    const now = performance.now();
    const submitted = this.#submitted.get(frame.timestamp);
    this.#submitted.delete(frame.timestamp);
    this.#errorsInRow = 0;
    this.#busy += now - this.#busySince;
    this.#busySince = this.#decoder?.decodeQueueSize === 0 ? 0 : now;
    if (submitted === undefined) {
      frame.close();
      return;
    }
    const { unit, at } = submitted;
    const { object } = unit;
    if (!object.fetched) this.#meter.decoded(now, now - at);
    this.pictures.push({
      frame,
      group: object.group,
      isHead: object.fetched,
      journey: this.#journeys.get(unit),
      times: { firstByteAt: object.firstByteAt, receivedAt: object.receivedAt, submittedAt: at, decodedAt: now },
    });
    this.#events.decoded();
  }

  #fail(reason: string): void {
    this.decodeErrors += 1;
    this.#errorsInRow += 1;
    this.#needsKey = true;
    this.#closeDecoder();
    if (this.#errorsInRow >= MAX_DECODE_ERRORS) this.#events.failed(reason);
  }

  #closeDecoder(): void {
    if (this.#decoder !== undefined && this.#decoder.state !== "closed") this.#decoder.close();
    this.#decoder = undefined;
    this.#config = undefined;
    this.#submitted.clear();
    this.#busySince = 0;
  }
}
