// Subgroup streams (11.4.2).

import type { ByteReader, ByteWriter } from "../codec.ts";
import { violation } from "../codec.ts";
import type { Properties } from "../property.ts";
import type { Version } from "../version.ts";
import { Input } from "./input.ts";
import { type ObjectHeader, type ObjectStatus, decodeObjectHeader } from "./object.ts";

const PROPERTIES = 0x01;
const SUBGROUP_ID_MODE = 0x06;
const MODE_FIRST_OBJECT = 0x02;
const MODE_EXPLICIT = 0x04;
const END_OF_GROUP = 0x08;
const SUBGROUP = 0x10;
const DEFAULT_PRIORITY = 0x20;
const FIRST_OBJECT = 0x40;

/** How a subgroup stream names its subgroup: 0, the id of the stream's first object, or this one. */
export type SubgroupId = "zero" | "first-object" | bigint;

/** The start of a subgroup stream. */
export interface SubgroupHeader {
  readonly kind: "subgroup";
  readonly trackAlias: bigint;
  readonly group: bigint;
  readonly subgroup: SubgroupId;
  /** The publisher's priority; undefined for the track's default. */
  readonly priority: number | undefined;
  /** Every object has a properties block. */
  readonly hasProperties: boolean;
  /** The subgroup holds the group's last object, if the stream ends with FIN. */
  readonly endOfGroup: boolean;
  /** The stream's first object is the subgroup's first; draft-16 cannot say so. */
  readonly firstObject: boolean;
}

/** Whether a stream type is one of a subgroup's. */
export const isSubgroupType = (kind: number, version: Version): boolean =>
  kind <= (version === 18 ? 0x7f : 0x3f) && (kind & SUBGROUP) !== 0 && (kind & SUBGROUP_ID_MODE) !== SUBGROUP_ID_MODE;

/** Reads what follows the stream type, which {@link isSubgroupType} holds for. */
export function decodeSubgroupAfterType(kind: number, reader: ByteReader): SubgroupHeader {
  const trackAlias = reader.varint();
  const group = reader.varint();
  const mode = kind & SUBGROUP_ID_MODE;
  const subgroup = mode === 0 ? "zero" : mode === MODE_FIRST_OBJECT ? "first-object" : reader.varint();
  return {
    kind: "subgroup",
    trackAlias,
    group,
    subgroup,
    priority: (kind & DEFAULT_PRIORITY) === 0 ? reader.u8() : undefined,
    hasProperties: (kind & PROPERTIES) !== 0,
    endOfGroup: (kind & END_OF_GROUP) !== 0,
    firstObject: (kind & FIRST_OBJECT) !== 0,
  };
}

/** The stream type. */
export function subgroupType(header: SubgroupHeader, version: Version): number {
  const mode = header.subgroup === "zero" ? 0 : header.subgroup === "first-object" ? MODE_FIRST_OBJECT : MODE_EXPLICIT;
  return (
    SUBGROUP |
    mode |
    (header.hasProperties ? PROPERTIES : 0) |
    (header.endOfGroup ? END_OF_GROUP : 0) |
    (header.priority === undefined ? DEFAULT_PRIORITY : 0) |
    (header.firstObject && version === 18 ? FIRST_OBJECT : 0)
  );
}

export function encodeSubgroupHeader(header: SubgroupHeader, out: ByteWriter): void {
  out.varint(subgroupType(header, out.version));
  out.varint(header.trackAlias);
  out.varint(header.group);
  if (typeof header.subgroup === "bigint") out.varint(header.subgroup);
  if (header.priority !== undefined) out.u8(header.priority);
}

/** An object of a subgroup stream, whole. */
export interface DecodedObject {
  readonly objectId: bigint;
  readonly properties: Properties;
  readonly status: ObjectStatus;
  /** A view of what was pushed, or a joined copy when it came in parts. */
  readonly payload: Uint8Array;
  /** The `now` of the push with the first byte of the object's header. */
  readonly firstByteAt: number;
  /** The `now` of the push that completed it. */
  readonly receivedAt: number;
}

/**
 * Reads the objects of a subgroup stream from the bytes after its header.
 *
 * `push` what was read, then call `next` until it returns undefined, and `finish` at FIN. What is pushed belongs to the
 * decoder and its objects. After a {@link ProtocolError} the session must be closed and the decoder is of no more use.
 */
export class SubgroupDecoder {
  private readonly input: Input;
  private readonly hasProperties: boolean;
  private previous: bigint | undefined;
  private header: ObjectHeader | undefined;

  /** `hasProperties` is the stream header's. */
  constructor(version: Version, hasProperties: boolean) {
    this.input = new Input(version);
    this.hasProperties = hasProperties;
  }

  /** Adds what was read at `now`, in whatever clock the caller has. */
  push(chunk: Uint8Array, now: number): void {
    this.input.push(chunk, now);
  }

  /** The next object, or undefined when more bytes are needed. */
  next(): DecodedObject | undefined {
    this.header ??= this.input.header((reader) => decodeObjectHeader(reader, this.previous, this.hasProperties));
    if (!this.header) return undefined;
    const { objectId, properties, payloadLen, status } = this.header;
    const payload = this.input.payload(payloadLen);
    if (!payload) return undefined;
    this.previous = objectId;
    this.header = undefined;
    const { firstByteAt, receivedAt } = this.input;
    return { objectId, properties, status, payload, firstByteAt, receivedAt };
  }

  /** PROTOCOL_VIOLATION when the stream ends inside an object (11.4), also in one that was not taken. */
  finish(): void {
    if (this.header || !this.input.isEmpty) throw violation("the stream ends inside an object");
  }
}
