// Bytes of a data stream as they arrive, cut into headers and payloads. A payload that came in one piece stays a view
// of it.

import { ByteReader, EMPTY_BYTES, Incomplete, violation } from "../codec.ts";
import { CARRY_STEP_BYTES, OBJECT_BYTES, OBJECT_HEADER_BYTES } from "../limit.ts";
import type { Version } from "../version.ts";

export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

export class Input {
  readonly version: Version;
  /** When the first byte of the newest header arrived. */
  firstByteAt = 0;
  /** When the newest chunk arrived. */
  receivedAt = 0;
  private chunk: Uint8Array = EMPTY_BYTES;
  /** The beginning of a header whose end has not arrived; at most `OBJECT_HEADER_BYTES`. */
  carry: Uint8Array = EMPTY_BYTES;
  /** Parts of a payload whose end has not arrived, and their bytes; at most `OBJECT_BYTES`. */
  private parts: Uint8Array[] = [];
  private partBytes = 0;

  constructor(version: Version) {
    this.version = version;
  }

  /** Costs a copy unless the last chunk was used up first. */
  push(chunk: Uint8Array, now: number): void {
    this.chunk = this.chunk.length === 0 ? chunk : joinBytes([this.chunk, chunk]);
    this.receivedAt = now;
  }

  get isEmpty(): boolean {
    return this.carry.length === 0 && this.chunk.length === 0;
  }

  /** Reads a header; undefined when more bytes are needed. */
  header<T>(parse: (reader: ByteReader) => T): T | undefined {
    if (this.carry.length === 0) this.firstByteAt = this.receivedAt;
    let step = this.carry.length === 0 ? this.chunk.length : CARRY_STEP_BYTES;
    while (this.chunk.length > 0) {
      const carried = this.carry.length;
      const added = this.chunk.subarray(0, step);
      const joined = carried === 0 ? added : joinBytes([this.carry, added]);
      const reader = new ByteReader(joined, this.version);
      const header = attempt(reader, parse);
      if (header) {
        this.chunk = this.chunk.subarray(reader.offset - carried);
        this.carry = EMPTY_BYTES;
        return header;
      }
      if (joined.length > OBJECT_HEADER_BYTES) throw violation("an object header above our limit");
      // A copy: the carry must not keep a whole read buffer alive for a few bytes of it.
      this.carry = carried === 0 ? joined.slice() : joined;
      this.chunk = this.chunk.subarray(added.length);
      step *= 2;
    }
    return undefined;
  }

  /** Takes a payload of `length` bytes; undefined until all of it has arrived. */
  payload(length: bigint): Uint8Array | undefined {
    if (length > OBJECT_BYTES) throw violation("an object above our limit of 64 MiB");
    const missing = Number(length) - this.partBytes;
    const part = this.chunk.subarray(0, missing);
    this.chunk = this.chunk.subarray(part.length);
    if (part.length === missing && this.partBytes === 0) return part;
    if (part.length > 0) this.parts.push(part);
    this.partBytes += part.length;
    if (part.length < missing) return undefined;
    const joined = joinBytes(this.parts);
    this.parts = [];
    this.partBytes = 0;
    return joined;
  }
}

function attempt<T>(reader: ByteReader, parse: (reader: ByteReader) => T): T | undefined {
  try {
    return parse(reader);
  } catch (error) {
    if (error instanceof Incomplete) return undefined;
    throw error;
  }
}
