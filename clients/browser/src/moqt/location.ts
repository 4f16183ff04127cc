// Where an object is in a track, and which part of a track a subscription wants.

import type { ByteReader, ByteWriter } from "./codec.ts";
import { EncodeError, violation } from "./codec.ts";
import { MAX_U64 } from "./varint.ts";

/** A group and an object in it; ordered by group, then object (1.4.2). */
export interface Location {
  readonly group: bigint;
  readonly object: bigint;
}

/** Below 0 when `a` comes before `b`, 0 when they are the same. */
export function compareLocations(a: Location, b: Location): number {
  const order = a.group - b.group || a.object - b.object;
  return order < 0n ? -1 : order > 0n ? 1 : 0;
}

export function decodeLocation(reader: ByteReader): Location {
  const group = reader.varint();
  return { group, object: reader.varint() };
}

export function encodeLocation(location: Location, out: ByteWriter): void {
  out.varint(location.group);
  out.varint(location.object);
}

/** The order in which groups are sent; oldest first is "ascending". */
export type GroupOrder = "ascending" | "descending";

/** The order that the number of GROUP_ORDER or DEFAULT_PUBLISHER_GROUP_ORDER stands for, if any. */
export const groupOrderFromWire = (number: bigint): GroupOrder | undefined =>
  number === 1n ? "ascending" : number === 2n ? "descending" : undefined;

export const groupOrderToWire = (order: GroupOrder): number => (order === "ascending" ? 1 : 2);

/** Which objects of a track pass (5.1.2). */
export type Filter =
  /** From the first object of the group after the largest. */
  | { readonly kind: "next-group" }
  /** From the object after the largest. */
  | { readonly kind: "largest-object" }
  | { readonly kind: "absolute-start"; readonly start: Location }
  /** To the end of `endGroup`, which is at least `start.group`. */
  | { readonly kind: "absolute-range"; readonly start: Location; readonly endGroup: bigint };

export function decodeFilter(reader: ByteReader): Filter {
  switch (reader.varint()) {
    case 1n:
      return { kind: "next-group" };
    case 2n:
      return { kind: "largest-object" };
    case 3n:
      return { kind: "absolute-start", start: decodeLocation(reader) };
    case 4n: {
      const start = decodeLocation(reader);
      // Draft-18 writes the end as a delta.
      const endGroup = reader.varint() + (reader.version === 18 ? start.group : 0n);
      if (endGroup < start.group || endGroup > MAX_U64) throw violation("the filter's end group is impossible");
      return { kind: "absolute-range", start, endGroup };
    }
    default:
      throw violation("unknown filter type");
  }
}

export function encodeFilter(filter: Filter, out: ByteWriter): void {
  switch (filter.kind) {
    case "next-group":
      return out.varint(1);
    case "largest-object":
      return out.varint(2);
    case "absolute-start":
      out.varint(3);
      return encodeLocation(filter.start, out);
    case "absolute-range":
      if (filter.endGroup < filter.start.group) throw new EncodeError("a filter that ends before it starts");
      out.varint(4);
      encodeLocation(filter.start, out);
      return out.varint(filter.endGroup - (out.version === 18 ? filter.start.group : 0n));
  }
}
