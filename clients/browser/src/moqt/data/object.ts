// Objects of a subgroup stream (11.4.2): header fields, status.

import type { ByteReader, ByteWriter } from "../codec.ts";
import { EncodeError, violation } from "../codec.ts";
import { PROPERTIES_BYTES } from "../limit.ts";
import { Properties, propertiesTo } from "../property.ts";
import { maxVarint } from "../varint.ts";

/** What an object means (11.2.1.1): "end-of-group" and "end-of-track" say that there is none here or after. */
export type ObjectStatus = "normal" | "end-of-group" | "end-of-track";

const STATUSES: readonly (ObjectStatus | undefined)[] = [
  "normal",
  undefined,
  undefined,
  "end-of-group",
  "end-of-track",
];

export const objectStatusToWire = (status: ObjectStatus): number => STATUSES.indexOf(status);

export function decodeObjectStatus(reader: ByteReader): ObjectStatus {
  const number = reader.varint();
  const status = STATUSES[Number(number)];
  if (!status) throw violation(`unknown object status ${number}`);
  return status;
}

/** What precedes an object's payload on a subgroup stream. */
export interface ObjectHeader {
  readonly objectId: bigint;
  readonly properties: Properties;
  /** Bytes of payload that follow. */
  readonly payloadLen: bigint;
  /** Anything but "normal" only without payload and properties. */
  readonly status: ObjectStatus;
}

/** Reads the header of the object after `previous` (undefined for the first of the stream). */
export function decodeObjectHeader(
  reader: ByteReader,
  previous: bigint | undefined,
  hasProperties: boolean,
): ObjectHeader {
  const delta = reader.varint();
  const objectId = previous === undefined ? delta : previous + 1n + delta;
  if (objectId > maxVarint(reader.version)) throw violation("an object id that does not fit");
  const properties = hasProperties ? decodeProperties(reader) : Properties.EMPTY;
  const payloadLen = reader.varint();
  const status = payloadLen === 0n ? decodeObjectStatus(reader) : "normal";
  if (status !== "normal" && !properties.isEmpty) throw violation("properties on an object that is not Normal");
  return { objectId, properties, payloadLen, status };
}

/** Reads a properties block with its length. */
export const decodeProperties = (reader: ByteReader): Properties =>
  new Properties(reader.prefixed(PROPERTIES_BYTES, "properties above our limit"), reader.version);

/** Appends a properties block with its length. */
export const encodeProperties = (properties: Properties, out: ByteWriter): void =>
  out.prefixed(propertiesTo(properties, out.version));

/**
 * Appends the header of the object after `previous` (undefined for the first of the stream); `hasProperties` is the
 * stream header's. The payload follows as it is.
 */
export function encodeObjectHeader(
  previous: bigint | undefined,
  { objectId, properties, payloadLen, status }: ObjectHeader,
  hasProperties: boolean,
  out: ByteWriter,
): void {
  if (!properties.isEmpty && (!hasProperties || status !== "normal"))
    throw new EncodeError("properties on this object");
  if (payloadLen > 0n && status !== "normal") throw new EncodeError("a payload on an object that is not Normal");
  if (previous !== undefined && objectId <= previous) throw new EncodeError("object ids that do not ascend");
  out.varint(previous === undefined ? objectId : objectId - previous - 1n);
  if (hasProperties) encodeProperties(properties, out);
  out.varint(payloadLen);
  if (payloadLen === 0n) out.varint(objectStatusToWire(status));
}
