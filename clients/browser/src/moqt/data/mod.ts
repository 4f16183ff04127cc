// Data streams (11): how a unidirectional stream begins.

import type { ByteReader, ByteWriter } from "../codec.ts";
import { Incomplete, hex, violation } from "../codec.ts";
import { SETUP_ID } from "../control/setup.ts";
import { type SubgroupHeader, decodeSubgroupAfterType, isSubgroupType } from "./subgroup.ts";

export { type Datagram, decodeDatagram, encodeDatagram } from "./datagram.ts";
export { type EndOfRange, FetchDecoder, FetchEncoder, type FetchItem, type FetchObjectHeader } from "./fetch.ts";
export { type ObjectHeader, type ObjectStatus, encodeObjectHeader } from "./object.ts";
export {
  type DecodedObject,
  SubgroupDecoder,
  type SubgroupHeader,
  type SubgroupId,
  encodeSubgroupHeader,
} from "./subgroup.ts";

const FETCH = 0x05;
const PADDING = 0x132b3e28;

/** The start of a unidirectional stream (3.4). */
export type StreamHeader =
  /** The peer's control stream, whose type is that of the SETUP message it begins with: nothing has been read. */
  | { readonly kind: "control" }
  /** Objects that a FETCH asked for. */
  | { readonly kind: "fetch"; readonly requestId: bigint }
  /** Objects of a subgroup. */
  | SubgroupHeader
  /** Bytes without meaning, to be read and dropped. */
  | { readonly kind: "padding" };

/** Takes the header off the reader, whose offset stays where it was on {@link Incomplete}. */
export function decodeStreamHeader(reader: ByteReader): StreamHeader {
  const start = reader.offset;
  try {
    const type = reader.varint();
    const kind = Number(type);
    if (reader.version === 18 && kind === SETUP_ID) {
      reader.offset = start;
      return { kind: "control" };
    }
    if (kind === FETCH) return { kind: "fetch", requestId: reader.varint() };
    if (reader.version === 18 && kind === PADDING) return { kind: "padding" };
    if (isSubgroupType(kind, reader.version)) return decodeSubgroupAfterType(kind, reader);
    throw violation(`unknown stream type ${hex(type)}`);
  } catch (error) {
    if (error instanceof Incomplete) reader.offset = start;
    throw error;
  }
}

export function encodeFetchHeader(requestId: bigint, out: ByteWriter): void {
  out.varint(FETCH);
  out.varint(requestId);
}
