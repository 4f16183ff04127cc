// REQUESTS_BLOCKED (9.6), draft-16 only.

import type { ByteReader, ByteWriter } from "../codec.ts";

/** The sender would make a request but may not. */
export interface RequestsBlocked {
  readonly type: "REQUESTS_BLOCKED";
  /** The maximum it was given. */
  readonly maxRequestId: bigint;
}

export const decodeRequestsBlocked = (reader: ByteReader): RequestsBlocked => ({
  type: "REQUESTS_BLOCKED",
  maxRequestId: reader.varint(),
});

export const encodeRequestsBlocked = (message: RequestsBlocked, out: ByteWriter): void =>
  out.varint(message.maxRequestId);
