// PUBLISH_NAMESPACE_DONE (9.22), draft-16 only.

import type { ByteReader, ByteWriter } from "../codec.ts";

/** Withdraws a PUBLISH_NAMESPACE. */
export interface PublishNamespaceDone {
  readonly type: "PUBLISH_NAMESPACE_DONE";
  /** The PUBLISH_NAMESPACE. */
  readonly requestId: bigint;
}

export const decodePublishNamespaceDone = (reader: ByteReader): PublishNamespaceDone => ({
  type: "PUBLISH_NAMESPACE_DONE",
  requestId: reader.varint(),
});

export const encodePublishNamespaceDone = (message: PublishNamespaceDone, out: ByteWriter): void =>
  out.varint(message.requestId);
