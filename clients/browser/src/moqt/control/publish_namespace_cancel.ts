// PUBLISH_NAMESPACE_CANCEL (9.23), draft-16 only.

import type { ByteReader, ByteWriter } from "../codec.ts";
import { REQUEST_CODES, codeFromWire, codeToWire } from "../error_code.ts";
import { decodeReason, encodeReason } from "../reason.ts";

/** The subscriber no longer accepts a PUBLISH_NAMESPACE. */
export interface PublishNamespaceCancel {
  readonly type: "PUBLISH_NAMESPACE_CANCEL";
  /** The PUBLISH_NAMESPACE. */
  readonly requestId: bigint;
  /** One of `RequestErrorCode`. */
  readonly code: number;
  readonly reason: string;
}

export const decodePublishNamespaceCancel = (reader: ByteReader): PublishNamespaceCancel => ({
  type: "PUBLISH_NAMESPACE_CANCEL",
  requestId: reader.varint(),
  code: codeFromWire(REQUEST_CODES, reader.varint(), reader.version),
  reason: decodeReason(reader),
});

export function encodePublishNamespaceCancel(message: PublishNamespaceCancel, out: ByteWriter): void {
  out.varint(message.requestId);
  out.varint(codeToWire(REQUEST_CODES, message.code, out.version));
  encodeReason(message.reason, out);
}
