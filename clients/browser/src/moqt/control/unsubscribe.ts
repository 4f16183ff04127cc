// UNSUBSCRIBE (9.12), draft-16 only.

import type { ByteReader, ByteWriter } from "../codec.ts";

/** Ends a subscription. */
export interface Unsubscribe {
  readonly type: "UNSUBSCRIBE";
  /** The subscription. */
  readonly requestId: bigint;
}

export const decodeUnsubscribe = (reader: ByteReader): Unsubscribe => ({
  type: "UNSUBSCRIBE",
  requestId: reader.varint(),
});

export const encodeUnsubscribe = (message: Unsubscribe, out: ByteWriter): void => out.varint(message.requestId);
