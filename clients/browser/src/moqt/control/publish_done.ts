// PUBLISH_DONE (10.11).

import type { ByteReader, ByteWriter } from "../codec.ts";
import { PUBLISH_DONE_CODES, codeFromWire, codeToWire } from "../error_code.ts";
import { decodeReason, encodeReason } from "../reason.ts";
import { MAX_U64 } from "../varint.ts";
import { decodeReplyId, encodeReplyId } from "./reply.ts";

/** The publisher does not know how many streams it opened. */
const UNKNOWN_STREAM_COUNT = (1n << 62n) - 1n;

/** A subscription is over. */
export interface PublishDone {
  readonly type: "PUBLISH_DONE";
  /** The subscription; only in draft-16. */
  readonly requestId: bigint | undefined;
  /** One of `PublishDoneCode`. */
  readonly status: number;
  /** Data streams opened for it; undefined when the publisher does not know. */
  readonly streamCount: bigint | undefined;
  readonly reason: string;
}

export function decodePublishDone(reader: ByteReader): PublishDone {
  const requestId = decodeReplyId(reader);
  const status = codeFromWire(PUBLISH_DONE_CODES, reader.varint(), reader.version);
  const count = reader.varint();
  // Later drafts write 2^64 - 1 for "unknown".
  const streamCount = count === UNKNOWN_STREAM_COUNT || count === MAX_U64 ? undefined : count;
  return { type: "PUBLISH_DONE", requestId, status, streamCount, reason: decodeReason(reader) };
}

export function encodePublishDone(message: PublishDone, out: ByteWriter): void {
  encodeReplyId(message.requestId, out);
  out.varint(codeToWire(PUBLISH_DONE_CODES, message.status, out.version));
  out.varint(message.streamCount ?? UNKNOWN_STREAM_COUNT);
  encodeReason(message.reason, out);
}
