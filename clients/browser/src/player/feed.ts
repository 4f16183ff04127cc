// One track as it comes: read, put in order, taken out of its container.

import type { DecoderConfig, Unpackager } from "../media/unpack.ts";
import type { CatalogTrack, Frame } from "../media/types.ts";
import type { MediaObject, TrackReader } from "../source/source.ts";
import { GroupOrder } from "./groups.ts";
import { MAX_HELD_BYTES, MAX_HELD_OBJECTS } from "./limit.ts";

/** One encoded frame, ready for the decoder. */
export interface Unit {
  frame: Frame;
  config: DecoderConfig;
  object: MediaObject;
  /** Something before it is missing. */
  fresh: boolean;
}

export interface FeedEvents {
  unit(unit: Unit): void;
  /** The track is over, or was never what the catalog says. */
  end(code: number | undefined, reason: string): void;
}

export class TrackFeed {
  readonly track: CatalogTrack;
  readonly reader: TrackReader;
  readonly order: GroupOrder;
  /** In decode order; the consumer shifts. */
  readonly units: Unit[] = [];
  /** Payload bytes so far. */
  bytes = 0;
  /** Objects that their container's rules forbid. */
  errors = 0;
  /** `performance.now()` of the last object. */
  lastAt: number;

  readonly #unpackager: Unpackager;
  readonly #events: FeedEvents;
  #isClosed = false;
  #isFresh = true;
  #lastGroup: bigint | undefined;
  #heldBytes = 0;

  constructor(track: CatalogTrack, reader: TrackReader, unpackager: Unpackager, events: FeedEvents) {
    this.track = track;
    this.reader = reader;
    this.order = new GroupOrder(track.kind === "audio");
    this.lastAt = reader.answeredAt;
    this.#unpackager = unpackager;
    this.#events = events;
    void this.#run();
  }

  /** Stops reading and unsubscribes. */
  close(): void {
    this.#isClosed = true;
    this.units.length = 0;
    this.reader.close();
  }

  take(): Unit | undefined {
    const unit = this.units.shift();
    if (unit !== undefined) this.#heldBytes -= unit.frame.data.length;
    return unit;
  }

  /** Gives up what is missing of the current group, when a newer one is in hand. */
  moveOn(): void {
    if (this.order.waiting() === undefined) return;
    this.order.skip();
    this.#drain();
  }

  /** Leaves out everything before the newest key frame in hand. */
  leap(): void {
    if (this.order.jump()) this.#drain();
    const key = this.units.findLastIndex(({ frame }) => frame.key);
    for (let i = 0; i < key; i += 1) this.take();
  }

  async #run(): Promise<void> {
    while (!this.#isClosed) {
      const event = await this.reader.next();
      if (this.#isClosed) return;
      if (event.kind === "end") {
        this.#events.end(event.code, event.reason);
        return;
      }
      if (event.kind === "object") {
        this.bytes += event.object.payload.length;
        this.lastAt = event.object.receivedAt;
      }
      this.order.push(event);
      this.#drain();
    }
  }

  #drain(): void {
    for (let ordered = this.order.next(); ordered !== undefined; ordered = this.order.next()) {
      const { object, fresh } = ordered;
      const first = object.group !== this.#lastGroup;
      this.#lastGroup = object.group;
      this.#isFresh ||= fresh;
      let frames: Frame[];
      try {
        frames = this.#unpackager.unpack(object.payload, object.properties, first);
      } catch {
        this.errors += 1;
        this.#isFresh = true;
        this.order.abandon();
        continue;
      }
      for (const frame of frames) this.#add({ frame, config: this.#unpackager.config, object, fresh: this.#isFresh });
    }
  }

  #add(unit: Unit): void {
    this.#isFresh = false;
    this.units.push(unit);
    this.#heldBytes += unit.frame.data.length;
    if (this.units.length > MAX_HELD_OBJECTS || this.#heldBytes > MAX_HELD_BYTES) this.#shed();
    this.#events.unit(unit);
  }

  #shed(): void {
    const key = this.units.findLastIndex(({ frame }) => frame.key);
    for (let i = 0; i < Math.max(key, 1); i += 1) this.take();
  }
}
