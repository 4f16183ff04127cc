// GOAWAY (10.4).

import type { ByteReader, ByteWriter } from "../codec.ts";
import { violation } from "../codec.ts";
import type { Side } from "../request.ts";
import { checkOwner } from "../request.ts";
import { decodeUri, encodeUri } from "./reply.ts";

/** The sender is about to close the session, or to end one request. */
export interface GoAway {
  readonly type: "GOAWAY";
  /** Where to connect instead, at most 8192 bytes; empty for the same place. */
  readonly uri: string;
  /** When the sender will close, in milliseconds; undefined in draft-16, and for "no particular time". */
  readonly timeout: bigint | undefined;
  /** The first request of the receiver that was not processed; only on the control stream of draft-18. */
  readonly requestId: bigint | undefined;
}

/** PROTOCOL_VIOLATION for a Request ID anywhere but on the control stream. */
export function validateGoAwayStream(message: GoAway, isControl: boolean): void {
  if (message.requestId !== undefined && !isControl) throw violation("a request id in GOAWAY on a request stream");
}

/** PROTOCOL_VIOLATION for a URI from a client, INVALID_REQUEST_ID for an id that is not the receiver's. */
export function validateGoAway(message: GoAway, from: Side): void {
  if (from === "client" && message.uri !== "") throw violation("a client sent a URI in GOAWAY");
  if (message.requestId !== undefined) checkOwner(message.requestId, from === "client" ? "server" : "client");
}

export function decodeGoAway(reader: ByteReader): GoAway {
  const uri = decodeUri(reader);
  // Some draft-18 peers write draft-16's body, which ends here.
  const isLong = reader.version === 18 && reader.remaining > 0;
  const timeout = (isLong && reader.varint()) || undefined;
  const requestId = isLong && reader.remaining > 0 ? reader.varint() : undefined;
  return { type: "GOAWAY", uri, timeout, requestId };
}

export function encodeGoAway(message: GoAway, out: ByteWriter): void {
  encodeUri(message.uri, out);
  if (out.version === 16) return;
  out.varint(message.timeout ?? 0n);
  if (message.requestId !== undefined) out.varint(message.requestId);
}
