// MAX_REQUEST_ID (9.5), draft-16 only.

import type { ByteReader, ByteWriter } from "../codec.ts";

/** Lets the peer make more requests. */
export interface MaxRequestId {
  readonly type: "MAX_REQUEST_ID";
  /** The first id the peer may not use. */
  readonly maxRequestId: bigint;
}

export const decodeMaxRequestId = (reader: ByteReader): MaxRequestId => ({
  type: "MAX_REQUEST_ID",
  maxRequestId: reader.varint(),
});

export const encodeMaxRequestId = (message: MaxRequestId, out: ByteWriter): void => out.varint(message.maxRequestId);
