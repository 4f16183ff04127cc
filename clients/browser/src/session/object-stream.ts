// The objects of one data stream, read only as they are asked for.

import {
  type DecodedObject,
  FetchDecoder,
  type FetchItem,
  type ObjectStatus,
  SubgroupDecoder,
  type SubgroupHeader,
} from "../moqt/data/mod.ts";
import { StreamErrorCode } from "../moqt/error_code.ts";
import type { Properties } from "../moqt/property.ts";
import type { Version } from "../moqt/version.ts";
import { type Input, StreamReset } from "./carrier.ts";

/** An object as it came, with the times of its first and last byte in `performance.now()` ms. */
export interface ReceivedObject {
  group: bigint;
  object: bigint;
  /** `undefined` for a datagram. */
  subgroup: bigint | undefined;
  properties: Properties;
  payload: Uint8Array;
  status: ObjectStatus;
  /** It is the last of its group. */
  endOfGroup: boolean;
  firstByteAt: number;
  receivedAt: number;
}

export interface ObjectStream {
  /** The group of all its objects; `undefined` for a FETCH. */
  readonly group: bigint | undefined;
  /** After a clean end nothing of the group is missing behind its last object. */
  readonly endOfGroup: boolean;
  /** The next object, `undefined` after the last. Rejects with StreamReset. */
  next(): Promise<ReceivedObject | undefined>;
  /** Gives up the rest. */
  cancel(code: number): void;
}

/** Bytes and when they were read. */
export interface Chunk {
  bytes: Uint8Array;
  at: number;
}

interface Decoder<T> {
  push(bytes: Uint8Array, now: number): void;
  next(): T | undefined;
  finish(): void;
}

/** Pulls chunks through a decoder. */
class Puller<T> {
  readonly #input: Input;
  readonly #decoder: Decoder<T>;
  readonly #failed: (error: unknown) => void;
  #cancelled = false;

  constructor(input: Input, decoder: Decoder<T>, first: Chunk, failed: (error: unknown) => void) {
    this.#input = input;
    this.#decoder = decoder;
    this.#failed = failed;
    if (first.bytes.length > 0) decoder.push(first.bytes, first.at);
  }

  async next(): Promise<T | undefined> {
    for (;;) {
      const item = this.#guarded(() => this.#decoder.next());
      if (item) return item;
      const bytes = await this.#input.read();
      if (this.#cancelled) throw new StreamReset(StreamErrorCode.CANCELLED);
      if (!bytes) {
        this.#guarded(() => this.#decoder.finish());
        return undefined;
      }
      this.#decoder.push(bytes, performance.now());
    }
  }

  cancel(code: number): void {
    this.#cancelled = true;
    this.#input.cancel(code);
  }

  /** What the peer did wrong on one stream ends the session. */
  #guarded<R>(action: () => R): R {
    try {
      return action();
    } catch (error) {
      this.#failed(error);
      throw error;
    }
  }
}

export class SubgroupStream implements ObjectStream {
  readonly group: bigint;
  readonly endOfGroup: boolean;
  readonly #puller: Puller<DecodedObject>;
  #subgroup: bigint | undefined;

  constructor(input: Input, version: Version, header: SubgroupHeader, first: Chunk, failed: (error: unknown) => void) {
    this.group = header.group;
    this.endOfGroup = header.endOfGroup;
    const { subgroup } = header;
    this.#subgroup = subgroup === "zero" ? 0n : subgroup === "first-object" ? undefined : subgroup;
    this.#puller = new Puller(input, new SubgroupDecoder(version, header.hasProperties), first, failed);
  }

  async next(): Promise<ReceivedObject | undefined> {
    const item = await this.#puller.next();
    if (!item) return undefined;
    const { objectId, ...rest } = item;
    this.#subgroup ??= objectId;
    return { group: this.group, object: objectId, subgroup: this.#subgroup, endOfGroup: rest.status !== "normal", ...rest };
  }

  cancel(code: number): void {
    this.#puller.cancel(code);
  }
}

export class FetchStream implements ObjectStream {
  readonly group = undefined;
  readonly endOfGroup = false;
  readonly #puller: Puller<FetchItem>;

  constructor(input: Input, version: Version, first: Chunk, failed: (error: unknown) => void) {
    this.#puller = new Puller(input, new FetchDecoder(version, "ascending"), first, failed);
  }

  async next(): Promise<ReceivedObject | undefined> {
    for (let item = await this.#puller.next(); item; item = await this.#puller.next()) {
      if (item.kind === "object") {
        const { location, subgroup, properties, payload, firstByteAt, receivedAt } = item;
        const fields = { subgroup, properties, payload, firstByteAt, receivedAt };
        return { ...location, ...fields, status: "normal", endOfGroup: false };
      }
      // Objects that may exist but do not come are as good as a stream that was broken off.
      if (!item.known) throw new StreamReset(StreamErrorCode.UNKNOWN_OBJECT_STATUS);
    }
    return undefined;
  }

  cancel(code: number): void {
    this.#puller.cancel(code);
  }
}
