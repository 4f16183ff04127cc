// The four tables of codes (14). A code is its draft-18 number; these functions translate what draft-16 numbers
// otherwise.

import type { Version } from "./version.ts";

/** Why a session was closed. TOO_MANY_REQUESTS exists in draft-16 only. */
export const SessionErrorCode = {
  NO_ERROR: 0x0,
  INTERNAL_ERROR: 0x1,
  UNAUTHORIZED: 0x2,
  PROTOCOL_VIOLATION: 0x3,
  INVALID_REQUEST_ID: 0x4,
  DUPLICATE_TRACK_ALIAS: 0x5,
  KEY_VALUE_FORMATTING_ERROR: 0x6,
  TOO_MANY_REQUESTS: 0x7,
  INVALID_PATH: 0x8,
  MALFORMED_PATH: 0x9,
  GOAWAY_TIMEOUT: 0x10,
  CONTROL_MESSAGE_TIMEOUT: 0x11,
  DATA_STREAM_TIMEOUT: 0x12,
  AUTH_TOKEN_CACHE_OVERFLOW: 0x13,
  DUPLICATE_AUTH_TOKEN_ALIAS: 0x14,
  VERSION_NEGOTIATION_FAILED: 0x15,
  MALFORMED_AUTH_TOKEN: 0x16,
  UNKNOWN_AUTH_TOKEN_ALIAS: 0x17,
  EXPIRED_AUTH_TOKEN: 0x18,
  INVALID_AUTHORITY: 0x19,
  MALFORMED_AUTHORITY: 0x1a,
} as const;

/** Why a request was refused. */
export const RequestErrorCode = {
  INTERNAL_ERROR: 0x0,
  UNAUTHORIZED: 0x1,
  TIMEOUT: 0x2,
  NOT_SUPPORTED: 0x3,
  MALFORMED_AUTH_TOKEN: 0x4,
  EXPIRED_AUTH_TOKEN: 0x5,
  GOING_AWAY: 0x6,
  EXCESSIVE_LOAD: 0x9,
  DOES_NOT_EXIST: 0x10,
  INVALID_RANGE: 0x11,
  MALFORMED_TRACK: 0x12,
  DUPLICATE_SUBSCRIPTION: 0x19,
  UNINTERESTED: 0x20,
  PREFIX_OVERLAP: 0x30,
  NAMESPACE_TOO_LARGE: 0x31,
  INVALID_JOINING_REQUEST_ID: 0x32,
  UNSUPPORTED_EXTENSION: 0x33,
  REDIRECT: 0x34,
} as const;

/** Why a subscription ended. */
export const PublishDoneCode = {
  INTERNAL_ERROR: 0x0,
  UNAUTHORIZED: 0x1,
  TRACK_ENDED: 0x2,
  SUBSCRIPTION_ENDED: 0x3,
  GOING_AWAY: 0x4,
  TOO_FAR_BEHIND: 0x5,
  EXPIRED: 0x6,
  UPDATE_FAILED: 0x8,
  EXCESSIVE_LOAD: 0x9,
  MALFORMED_TRACK: 0x12,
} as const;

/** Why a stream was reset or stopped. */
export const StreamErrorCode = {
  INTERNAL_ERROR: 0x0,
  CANCELLED: 0x1,
  DELIVERY_TIMEOUT: 0x2,
  SESSION_CLOSED: 0x3,
  GOING_AWAY: 0x4,
  TOO_FAR_BEHIND: 0x5,
  UNKNOWN_OBJECT_STATUS: 0x6,
  EXPIRED_AUTH_TOKEN: 0x7,
  EXCESSIVE_LOAD: 0x9,
  MALFORMED_TRACK: 0x12,
} as const;

/** What the drafts number differently in one table; a code that a draft lacks is sent as its internal error. */
export interface CodeRules {
  readonly internal: number;
  /** Codes that draft-16 or draft-18 lacks. */
  readonly lacks: { readonly [V in Version]: readonly number[] };
  /** Draft-16's number and the code. */
  readonly moved16: readonly (readonly [number, number])[];
}

export const SESSION_CODES: CodeRules = { internal: 1, lacks: { 16: [], 18: [0x7] }, moved16: [] };
export const REQUEST_CODES: CodeRules = {
  internal: 0,
  lacks: { 16: [0x6, 0x9, 0x31, 0x33, 0x34], 18: [] },
  moved16: [],
};
export const PUBLISH_DONE_CODES: CodeRules = {
  internal: 0,
  lacks: { 16: [0x9], 18: [] },
  moved16: [
    [0x6, 0x5],
    [0x5, 0x6],
  ],
};
export const STREAM_CODES: CodeRules = {
  internal: 0,
  lacks: { 16: [0x4, 0x5, 0x7, 0x9], 18: [] },
  moved16: [[0x4, 0x6]],
};

/** The number on the wire. */
export function codeToWire(rules: CodeRules, code: number, version: Version): bigint {
  if (rules.lacks[version].includes(code)) return BigInt(rules.internal);
  const moved = version === 16 ? rules.moved16.find(([, to]) => to === code) : undefined;
  return BigInt(moved?.[0] ?? code);
}

/**
 * The code of a number from the wire. Never fails: what the draft does not define is kept where it cannot be mistaken.
 */
export function codeFromWire(rules: CodeRules, wire: bigint | number, version: Version): number {
  const number = Number(wire);
  if (!Number.isSafeInteger(number)) return rules.internal;
  const moved = version === 16 ? rules.moved16 : [];
  const found = moved.find(([from]) => from === number);
  if (found) return found[1];
  const mistaken = rules.lacks[version].includes(number) || moved.some(([, to]) => to === number);
  return mistaken ? rules.internal : number;
}

/** The draft's name of a code in one of the four tables, or its number. */
export function codeName(codes: Readonly<Record<string, number>>, code: number): string {
  return Object.keys(codes).find((name) => codes[name] === code) ?? `0x${code.toString(16)}`;
}
