// Objects in datagrams (11.3.1).

import { ByteReader, ByteWriter, EncodeError, hex, violation, within } from "../codec.ts";
import { Properties } from "../property.ts";
import type { Version } from "../version.ts";
import {
  type ObjectStatus,
  decodeObjectStatus,
  decodeProperties,
  encodeProperties,
  objectStatusToWire,
} from "./object.ts";

const PROPERTIES = 0x01;
const END_OF_GROUP = 0x02;
const ZERO_OBJECT_ID = 0x04;
const DEFAULT_PRIORITY = 0x08;
const STATUS = 0x20;
const PADDING = 0x132b3e29;

/** An object that travels in one datagram. */
export interface Datagram {
  readonly trackAlias: bigint;
  readonly group: bigint;
  readonly objectId: bigint;
  /** The publisher's priority; undefined for the track's default. */
  readonly priority: number | undefined;
  /** None unless the status is "normal". */
  readonly properties: Properties;
  /** The group has no object after this one; not together with a status. */
  readonly endOfGroup: boolean;
  /** Possibly empty; undefined when the datagram tells the object's status instead. */
  readonly payload: Uint8Array | undefined;
  readonly status: ObjectStatus;
}

/** Reads a whole datagram; undefined for padding, to be dropped. */
export function decodeDatagram(bytes: Uint8Array, version: Version): Datagram | undefined {
  const reader = new ByteReader(bytes, version);
  return within(() => {
    const type = reader.varint();
    const kind = Number(type);
    if (version === 18 && kind === PADDING) return undefined;
    // Only the form 0b00X0XXXX is an object, and a status cannot also end its group.
    const isObject = kind <= 0x2f && (kind & 0x10) === 0;
    if (!isObject || (kind & (STATUS | END_OF_GROUP)) === (STATUS | END_OF_GROUP)) {
      throw violation(`unknown datagram type ${hex(type)}`);
    }
    return decodeAfterType(kind, reader);
  }, violation("the datagram ends inside a field"));
}

function decodeAfterType(kind: number, reader: ByteReader): Datagram {
  const trackAlias = reader.varint();
  const group = reader.varint();
  const objectId = (kind & ZERO_OBJECT_ID) === 0 ? reader.varint() : 0n;
  const priority = (kind & DEFAULT_PRIORITY) === 0 ? reader.u8() : undefined;
  const hasProperties = (kind & PROPERTIES) !== 0;
  const properties = hasProperties ? decodeProperties(reader) : Properties.EMPTY;
  if (hasProperties && properties.isEmpty) throw violation("a datagram with an empty properties block");
  const isStatus = (kind & STATUS) !== 0;
  const status = isStatus ? decodeObjectStatus(reader) : "normal";
  if (status !== "normal" && hasProperties) throw violation("properties on an object that is not Normal");
  if (isStatus && reader.remaining > 0) throw violation("a payload after an object status");
  const payload = isStatus ? undefined : reader.rest();
  return {
    trackAlias,
    group,
    objectId,
    priority,
    properties,
    endOfGroup: (kind & END_OF_GROUP) !== 0,
    payload,
    status,
  };
}

/** The shortest type this datagram can have. */
export const datagramType = (datagram: Datagram): number =>
  (datagram.properties.isEmpty ? 0 : PROPERTIES) |
  (datagram.endOfGroup ? END_OF_GROUP : 0) |
  (datagram.objectId === 0n ? ZERO_OBJECT_ID : 0) |
  (datagram.priority === undefined ? DEFAULT_PRIORITY : 0) |
  (datagram.payload === undefined ? STATUS : 0);

/** The datagram; `kind` may spell out object id 0. */
export function encodeDatagram(
  datagram: Datagram,
  version: Version,
  kind: number = datagramType(datagram),
): Uint8Array<ArrayBuffer> {
  const { objectId, priority, properties, payload, status } = datagram;
  if (
    (kind | ZERO_OBJECT_ID) !== (datagramType(datagram) | ZERO_OBJECT_ID) ||
    ((kind & ZERO_OBJECT_ID) !== 0 && objectId !== 0n) ||
    (payload === undefined && datagram.endOfGroup) ||
    (status !== "normal" && (payload !== undefined || !properties.isEmpty))
  ) {
    throw new EncodeError("a datagram of this type with these fields");
  }
  const out = new ByteWriter(version);
  out.varint(kind);
  out.varint(datagram.trackAlias);
  out.varint(datagram.group);
  if ((kind & ZERO_OBJECT_ID) === 0) out.varint(objectId);
  if (priority !== undefined) out.u8(priority);
  if (!properties.isEmpty) encodeProperties(properties, out);
  if (payload === undefined) out.varint(objectStatusToWire(status));
  else out.bytes(payload);
  return out.finish();
}
