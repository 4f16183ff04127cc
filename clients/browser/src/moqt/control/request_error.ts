// REQUEST_ERROR (10.6).

import type { ByteReader, ByteWriter } from "../codec.ts";
import { EncodeError, violation } from "../codec.ts";
import { REQUEST_CODES, RequestErrorCode, codeFromWire, codeToWire } from "../error_code.ts";
import type { FullTrackName } from "../name.ts";
import { decodeNamePart, encodeName } from "../name.ts";
import { decodeReason, encodeReason } from "../reason.ts";
import type { RequestKind, Side } from "../request.ts";
import { decodeReplyId, decodeUri, encodeReplyId, encodeUri } from "./reply.ts";

/** A request is refused. */
export interface RequestError {
  readonly type: "REQUEST_ERROR";
  /** The request it answers; only in draft-16. */
  readonly requestId: bigint | undefined;
  /** One of `RequestErrorCode`. */
  readonly code: number;
  /** When to try again, in milliseconds; undefined for never. */
  readonly retry: bigint | undefined;
  readonly reason: string;
  /** Where to ask instead: there exactly when the code is REDIRECT. */
  readonly redirect: Redirect | undefined;
}

export interface Redirect {
  /** The session to ask on, at most 8192 bytes; empty for this one. */
  readonly uri: string;
  /** The track to ask for; all empty for the same one. */
  readonly track: FullTrackName;
}

/** PROTOCOL_VIOLATION for a URI sent to a server, or a track name for a namespace request. */
export function validateRequestError({ redirect }: RequestError, from: Side, request: RequestKind): void {
  if (!redirect) return;
  if (from === "client" && redirect.uri !== "") throw violation("a client redirected to a URI");
  const isAboutNamespace = request === "SUBSCRIBE_TRACKS" || request.endsWith("NAMESPACE");
  if (isAboutNamespace && redirect.track.name.length > 0) {
    throw violation("a namespace request redirected to a track");
  }
}

export function decodeRequestError(reader: ByteReader): RequestError {
  const requestId = decodeReplyId(reader);
  const code = codeFromWire(REQUEST_CODES, reader.varint(), reader.version);
  const retry = reader.varint();
  const reason = decodeReason(reader);
  const redirect =
    code === RequestErrorCode.REDIRECT ? { uri: decodeUri(reader), track: decodeNamePart(reader) } : undefined;
  return { type: "REQUEST_ERROR", requestId, code, retry: retry > 0n ? retry - 1n : undefined, reason, redirect };
}

export function encodeRequestError(message: RequestError, out: ByteWriter): void {
  const { code, retry, redirect } = message;
  encodeReplyId(message.requestId, out);
  out.varint(codeToWire(REQUEST_CODES, code, out.version));
  out.varint(retry === undefined ? 0n : retry + 1n);
  encodeReason(message.reason, out);
  if (out.version === 16) return;
  if ((code === RequestErrorCode.REDIRECT) !== (redirect !== undefined)) {
    throw new EncodeError("a redirect without its code or place");
  }
  if (redirect) {
    encodeUri(redirect.uri, out);
    encodeName(redirect.track, out);
  }
}
