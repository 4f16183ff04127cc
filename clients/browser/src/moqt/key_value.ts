// Key-Value-Pairs (1.4.3): types as deltas, even types integers, odd types byte strings.

import type { ByteWriter } from "./codec.ts";
import { ByteReader, EncodeError, violation, within } from "./codec.ts";
import { KEY_VALUE_BYTES } from "./limit.ts";
import { MAX_U64 } from "./varint.ts";
import type { Version } from "./version.ts";

export interface Pair {
  readonly type: bigint;
  /** An integer for an even type, at most `KEY_VALUE_BYTES` bytes for an odd one. */
  readonly value: bigint | Uint8Array;
}

/** Reads a type written as a delta from `previous` (0 at the start of a block). */
export function decodeId(previous: bigint, reader: ByteReader): bigint {
  const id = previous + reader.varint();
  if (id > MAX_U64) throw violation("a type above 2^64 - 1");
  return id;
}

export function encodeId(id: bigint, previous: bigint, out: ByteWriter): void {
  if (id < previous) throw new EncodeError("types that do not ascend");
  out.varint(id - previous);
}

/** Reads a value whose form is that of type `id`. */
export function decodeValue(id: bigint, reader: ByteReader): bigint | Uint8Array {
  return id % 2n === 0n ? reader.varint() : reader.prefixed(KEY_VALUE_BYTES, "a pair's value above 65535 bytes");
}

/** Appends a value; its form must be that of type `id`. */
export function encodeValue(id: bigint, value: bigint | Uint8Array, out: ByteWriter): void {
  if (typeof value === "bigint" && id % 2n === 0n) {
    out.varint(value);
  } else if (typeof value !== "bigint" && id % 2n === 1n && value.length <= KEY_VALUE_BYTES) {
    out.prefixed(value);
  } else {
    throw new EncodeError("a pair whose value is not of its type's form");
  }
}

/** All pairs of a block; the values are views of it. */
export function decodeBlock(block: Uint8Array, version: Version): Pair[] {
  const reader = new ByteReader(block, version);
  const pairs: Pair[] = [];
  let previous = 0n;
  return within(() => {
    while (reader.remaining > 0) {
      previous = decodeId(previous, reader);
      pairs.push({ type: previous, value: decodeValue(previous, reader) });
    }
    return pairs;
  }, violation("a pair runs past its block"));
}

/** Appends pairs in ascending order of type; equal types keep their order. */
export function encodeBlock(pairs: Iterable<Pair>, out: ByteWriter): void {
  let previous = 0n;
  for (const { type, value } of [...pairs].sort((a, b) => (a.type < b.type ? -1 : a.type > b.type ? 1 : 0))) {
    encodeId(type, previous, out);
    encodeValue(type, value, out);
    previous = type;
  }
}
