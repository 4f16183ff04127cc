// The objects of one data stream, read only as they are asked for.

import { FetchDecoder, type ObjectStatus, SubgroupDecoder, type SubgroupHeader } from "../moqt/data/mod.ts";
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
  push(bytes: Uint8Array): void;
  next(): T | undefined;
  finish(): void;
  /** Bytes pushed and not yet part of a whole object. */
  readonly buffered: number;
}

/** Pulls chunks through a decoder and keeps the times. */
class Puller<T> {
  readonly #input: Input;
  readonly #decoder: Decoder<T>;
  readonly #failed: (error: unknown) => void;
  #firstByteAt: number | undefined;
  #lastByteAt: number;
  #cancelled = false;

  constructor(input: Input, decoder: Decoder<T>, first: Chunk, failed: (error: unknown) => void) {
    this.#input = input;
    this.#decoder = decoder;
    this.#failed = failed;
    this.#lastByteAt = first.at;
    if (first.bytes.length > 0) this.#push(first);
  }

  async next(): Promise<{ item: T; firstByteAt: number; receivedAt: number } | undefined> {
    for (;;) {
      const item = this.#decode();
      if (item) {
        const receivedAt = this.#lastByteAt;
        const firstByteAt = this.#firstByteAt ?? receivedAt;
        // What is left began in the chunk that completed this object.
        this.#firstByteAt = this.#decoder.buffered > 0 ? receivedAt : undefined;
        return { item, firstByteAt, receivedAt };
      }
      const bytes = await this.#input.read();
      if (this.#cancelled) throw new StreamReset(StreamErrorCode.CANCELLED);
      if (!bytes) {
        this.#guarded(() => this.#decoder.finish());
        return undefined;
      }
      this.#push({ bytes, at: performance.now() });
    }
  }

  cancel(code: number): void {
    this.#cancelled = true;
    this.#input.cancel(code);
  }

  #push({ bytes, at }: Chunk): void {
    this.#firstByteAt ??= at;
    this.#lastByteAt = at;
    this.#decoder.push(bytes);
  }

  #decode(): T | undefined {
    return this.#guarded(() => this.#decoder.next());
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
  readonly #puller: Puller<ReturnType<SubgroupDecoder["next"]> & {}>;
  #subgroup: bigint | undefined;

  constructor(input: Input, version: Version, header: SubgroupHeader, first: Chunk, failed: (error: unknown) => void) {
    this.group = header.group;
    this.endOfGroup = header.endOfGroup;
    this.#subgroup = header.subgroup === "first-object" ? undefined : header.subgroup;
    this.#puller = new Puller(input, new SubgroupDecoder(version, header.hasProperties), first, failed);
  }

  async next(): Promise<ReceivedObject | undefined> {
    const pulled = await this.#puller.next();
    if (!pulled) return undefined;
    const { item, ...times } = pulled;
    const { objectId, properties, payload, status } = item;
    this.#subgroup ??= objectId;
    const endOfGroup = status !== "normal";
    return { group: this.group, object: objectId, subgroup: this.#subgroup, properties, payload, status, endOfGroup, ...times };
  }

  cancel(code: number): void {
    this.#puller.cancel(code);
  }
}

export class FetchStream implements ObjectStream {
  readonly group = undefined;
  readonly endOfGroup = false;
  readonly #puller: Puller<ReturnType<FetchDecoder["next"]> & {}>;

  constructor(input: Input, version: Version, first: Chunk, failed: (error: unknown) => void) {
    this.#puller = new Puller(input, new FetchDecoder(version), first, failed);
  }

  async next(): Promise<ReceivedObject | undefined> {
    for (let pulled = await this.#puller.next(); pulled; pulled = await this.#puller.next()) {
      const { item, ...times } = pulled;
      if (item.kind === "object") {
        const { location, subgroup, properties, payload } = item;
        return { ...location, subgroup, properties, payload, status: "normal", endOfGroup: false, ...times };
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
