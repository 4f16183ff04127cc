// REQUEST_UPDATE (10.9).

import type { ByteWriter } from "../codec.ts";
import { ByteReader, EncodeError, Incomplete, ProtocolError } from "../codec.ts";
import type { Parameters, Scope } from "../parameter.ts";
import {
  ANY_UPDATE,
  NO_PARAMETERS,
  ONLY_TOKENS,
  UPDATE_FETCH,
  UPDATE_PREFIX,
  UPDATE_SUBSCRIPTION,
  checkParameters,
  decodeParameters,
  encodeParameters,
} from "../parameter.ts";
import type { RequestKind } from "../request.ts";
import type { Version } from "../version.ts";

/** Changes a request that is under way; absent parameters stay as they are. */
export interface RequestUpdate {
  readonly type: "REQUEST_UPDATE";
  /** The update's own id. */
  readonly requestId: bigint;
  /** The request it changes; only in draft-16. */
  readonly existingRequestId: bigint | undefined;
  /** What changes. */
  readonly parameters: Parameters;
}

const SCOPES: Readonly<Record<RequestKind, Scope>> = {
  SUBSCRIBE: UPDATE_SUBSCRIPTION,
  PUBLISH: UPDATE_SUBSCRIPTION,
  FETCH: UPDATE_FETCH,
  TRACK_STATUS: NO_PARAMETERS,
  PUBLISH_NAMESPACE: ONLY_TOKENS,
  SUBSCRIBE_NAMESPACE: UPDATE_PREFIX,
  SUBSCRIBE_TRACKS: UPDATE_PREFIX,
};

/** PROTOCOL_VIOLATION in draft-18 for parameters that the request does not have. */
export const validateRequestUpdate = (message: RequestUpdate, updated: RequestKind, version: Version): void =>
  checkParameters(message.parameters, SCOPES[updated], version);

const read = (reader: ByteReader, prefixed: boolean): RequestUpdate => ({
  type: "REQUEST_UPDATE",
  requestId: reader.varint(),
  existingRequestId: reader.version === 18 ? undefined : reader.varint(),
  parameters: decodeParameters(reader, ANY_UPDATE, prefixed),
});

/** Reads an update that fills the reader: only its end tells the two forms of a namespace prefix apart. */
export function decodeRequestUpdate(reader: ByteReader): RequestUpdate {
  const other = new ByteReader(reader.bytesAll, reader.version);
  other.offset = reader.offset;
  try {
    const update = read(reader, false);
    if (reader.remaining === 0) return update;
    return readPrefixed(reader, other) ?? update;
  } catch (error) {
    const update = readPrefixed(reader, other);
    if (!update) throw error;
    return update;
  }
}

function readPrefixed(reader: ByteReader, other: ByteReader): RequestUpdate | undefined {
  try {
    const update = read(other, true);
    if (other.remaining > 0) return undefined;
    reader.offset = other.offset;
    return update;
  } catch (error) {
    if (error instanceof Incomplete || error instanceof ProtocolError) return undefined;
    throw error;
  }
}

export function encodeRequestUpdate(message: RequestUpdate, out: ByteWriter): void {
  out.varint(message.requestId);
  if (out.version === 16) {
    if (message.existingRequestId === undefined) throw new EncodeError("an update of no request");
    out.varint(message.existingRequestId);
  }
  encodeParameters(message.parameters, ANY_UPDATE, out);
}
