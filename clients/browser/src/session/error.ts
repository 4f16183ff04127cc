// What went wrong, whose fault it was, and where.

import { codeName, RequestErrorCode, SessionErrorCode } from "../moqt/error_code.ts";
import type { FullTrackName } from "../moqt/name.ts";
import { SourceError, type SourceErrorCode } from "../source/source.ts";

function quoted(reason: string): string {
  return reason ? `: ${reason}` : "";
}

/** The server said no to one request. */
export class RequestRefused extends SourceError {
  /** REQUEST_ERROR's. */
  readonly requestCode: number;
  /** ms after which asking again may help. */
  readonly retry: number | undefined;
  /** Where to ask instead; an empty `uri` is this session, an empty name this track. */
  readonly redirect: { uri: string; track: FullTrackName } | undefined;

  constructor(what: string, refusal: { code: number; retry: number | undefined; reason: string; redirect: RequestRefused["redirect"] }) {
    const { code, retry, reason, redirect } = refusal;
    super(kindOfRefusal(code, retry), `the server refused ${what} (${codeName(RequestErrorCode, code)})${quoted(reason)}`);
    this.requestCode = code;
    this.retry = retry;
    this.redirect = redirect;
  }
}

function kindOfRefusal(code: number, retry: number | undefined): SourceErrorCode {
  switch (code) {
    case RequestErrorCode.UNAUTHORIZED:
    case RequestErrorCode.MALFORMED_AUTH_TOKEN:
    case RequestErrorCode.EXPIRED_AUTH_TOKEN:
      return "unauthorized";
    case RequestErrorCode.DOES_NOT_EXIST:
    case RequestErrorCode.INVALID_RANGE:
    case RequestErrorCode.UNINTERESTED:
    // Publishers made before the codes were settled.
    case 404:
      return "not-found";
    case RequestErrorCode.INTERNAL_ERROR:
    case RequestErrorCode.TIMEOUT:
    case RequestErrorCode.GOING_AWAY:
    case RequestErrorCode.EXCESSIVE_LOAD:
      return "busy";
    default:
      return retry === undefined ? "protocol" : "busy";
  }
}

/** Why a session ended, when the server said so. */
export function closedByPeer(code: number, reason: string): SourceError {
  const unauthorized: number[] = [SessionErrorCode.UNAUTHORIZED, SessionErrorCode.MALFORMED_AUTH_TOKEN, SessionErrorCode.EXPIRED_AUTH_TOKEN];
  if (unauthorized.includes(code)) {
    return new SourceError("unauthorized", `the server does not take this token (${codeName(SessionErrorCode, code)})${quoted(reason)}`);
  }
  const kind = code === SessionErrorCode.PROTOCOL_VIOLATION || code === SessionErrorCode.KEY_VALUE_FORMATTING_ERROR ? "protocol" : "closed";
  return new SourceError(kind, `the server closed the session (${codeName(SessionErrorCode, code)})${quoted(reason)}`);
}

/** The peer broke the protocol; `code` closes the session. */
export class Violation extends SourceError {
  readonly sessionCode: number;
  constructor(message: string, sessionCode: number = SessionErrorCode.PROTOCOL_VIOLATION) {
    super("protocol", `the server broke the protocol: ${message}`);
    this.sessionCode = sessionCode;
  }
}
