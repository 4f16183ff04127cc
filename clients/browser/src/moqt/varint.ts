// Variable-length integers: vi64 of draft-18 (1.4.1) and the RFC 9000 varint of draft-16.

import type { Version } from "./version.ts";

/** The greatest integer of draft-18, and of anything in 64 bits. */
export const MAX_U64 = (1n << 64n) - 1n;

/** The greatest value `version` can put on the wire. */
export const maxVarint = (version: Version): bigint => (version === 18 ? MAX_U64 : MAX_U64 >> 2n);

/** Bytes of the integer that begins with `first`. */
export const varintLength = (first: number, version: Version): number =>
  version === 18 ? Math.clz32(~(first << 24)) + 1 : 1 << (first >> 6);

/** Bytes of the shortest form of `value`, which must fit `version`. */
export function varintSize(value: bigint, version: Version): number {
  if (version === 16) return value < 64n ? 1 : value < 16_384n ? 2 : value < 1n << 30n ? 4 : 8;
  let size = 1;
  while (size < 9 && value >> BigInt(7 * size) > 0n) size++;
  return size;
}

/** The integer of `length` bytes at `offset`; all of them must be there. */
export function getVarint(bytes: Uint8Array, offset: number, length: number, version: Version): bigint {
  const first = bytes[offset] ?? 0;
  const mask = version === 18 ? 0x7f >> (length - 1) : 0x3f;
  let high = 0n;
  let value = first & mask;
  for (let at = 1; at < length; at++) {
    // Seven bytes are the most that stay exact in a number.
    if (at === length - 6 && value > 0) {
      high = BigInt(value) << 48n;
      value = 0;
    }
    value = value * 256 + (bytes[offset + at] ?? 0);
  }
  return high + BigInt(value);
}

/** Writes `value` in `size` bytes at `offset`. */
export function setVarint(bytes: Uint8Array, offset: number, value: bigint, size: number, version: Version): void {
  let rest = value;
  for (let at = size - 1; at >= 0; at--) {
    bytes[offset + at] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  const prefix = version === 18 ? ~(0xff >> (size - 1)) & 0xff : (31 - Math.clz32(size)) << 6;
  bytes[offset] = (bytes[offset] ?? 0) | prefix;
}
