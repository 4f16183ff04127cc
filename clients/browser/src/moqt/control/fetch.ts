// FETCH (10.12).

import type { ByteReader, ByteWriter } from "../codec.ts";
import { violation } from "../codec.ts";
import type { Location } from "../location.ts";
import { decodeLocation, encodeLocation } from "../location.ts";
import type { FullTrackName } from "../name.ts";
import { decodeName, encodeName } from "../name.ts";
import type { Parameters } from "../parameter.ts";
import { FETCH, decodeParameters, encodeParameters } from "../parameter.ts";

/** Asks for objects that exist already. */
export interface Fetch {
  readonly type: "FETCH";
  readonly requestId: bigint;
  /** Which objects. */
  readonly range: FetchRange;
  /** In which order, and how long to wait for them. */
  readonly parameters: Parameters;
}

export type FetchRange =
  /** Of any track: `end` is the last object plus one, its object 0 stands for the whole end group. */
  | { readonly kind: "standalone"; readonly track: FullTrackName; readonly start: Location; readonly end: Location }
  /** What comes just before the subscription `joining`: its current group, and this many groups before. */
  | { readonly kind: "relative"; readonly joining: bigint; readonly groups: bigint }
  /** What comes before the subscription `joining`, from this group on. */
  | { readonly kind: "absolute"; readonly joining: bigint; readonly group: bigint };

function decodeRange(reader: ByteReader): FetchRange {
  const kind = reader.varint();
  switch (kind) {
    case 1n: {
      const track = decodeName(reader);
      const start = decodeLocation(reader);
      return { kind: "standalone", track, start, end: decodeLocation(reader) };
    }
    case 2n:
      return { kind: "relative", joining: reader.varint(), groups: reader.varint() };
    case 3n:
      return { kind: "absolute", joining: reader.varint(), group: reader.varint() };
    default:
      throw violation(`unknown fetch type ${kind}`);
  }
}

function encodeRange(range: FetchRange, out: ByteWriter): void {
  if (range.kind === "standalone") {
    out.varint(1);
    encodeName(range.track, out);
    encodeLocation(range.start, out);
    encodeLocation(range.end, out);
  } else {
    out.varint(range.kind === "relative" ? 2 : 3);
    out.varint(range.joining);
    out.varint(range.kind === "relative" ? range.groups : range.group);
  }
}

export const decodeFetch = (reader: ByteReader): Fetch => ({
  type: "FETCH",
  requestId: reader.varint(),
  range: decodeRange(reader),
  parameters: decodeParameters(reader, FETCH),
});

export function encodeFetch(message: Fetch, out: ByteWriter): void {
  out.varint(message.requestId);
  encodeRange(message.range, out);
  encodeParameters(message.parameters, FETCH, out);
}
