// SETUP (10.3); CLIENT_SETUP and SERVER_SETUP in draft-16 (9.3).

import { ByteWriter, ProtocolError, violation } from "../codec.ts";
import type { ByteReader } from "../codec.ts";
import { SessionErrorCode } from "../error_code.ts";
import type { Pair } from "../key_value.ts";
import { decodeBlock, encodeBlock } from "../key_value.ts";
import type { Side } from "../request.ts";
import type { Token } from "../token.ts";
import { decodeToken, encodeToken } from "../token.ts";
import type { Version } from "../version.ts";

/** Draft-18's message, which is also the type of its stream. */
export const SETUP_ID = 0x2f00;

const PATH = 0x01n;
const MAX_REQUEST_ID = 0x02n;
const AUTHORIZATION_TOKEN = 0x03n;
const MAX_AUTH_TOKEN_CACHE_SIZE = 0x04n;
const AUTHORITY = 0x05n;
const MOQT_IMPLEMENTATION = 0x07n;

/** The first message of a session. */
export interface Setup {
  readonly type: "SETUP";
  /** Who sent it. Only draft-16 says so on the wire: elsewhere decoding gives undefined. */
  readonly sender: Side | undefined;
  readonly options: SetupOptions;
}

/** The setup options; a field that is undefined is not on the wire. */
export interface SetupOptions {
  /** Path and query of the URI: client only, raw QUIC only. */
  path?: Uint8Array | undefined;
  /** Authority of the URI: client only, raw QUIC only. */
  authority?: Uint8Array | undefined;
  /** Tokens for the session. */
  tokens?: readonly Token[] | undefined;
  /** Bytes of registered tokens the sender keeps; absent means 0, no aliases. */
  maxAuthTokenCacheSize?: bigint | undefined;
  /** Draft-16: the first Request ID the peer may not use; absent means 0, no requests. */
  maxRequestId?: bigint | undefined;
  /** Name and version of the sender. */
  implementation?: string | undefined;
  /** Options this codec does not know: to be ignored, kept for logs. */
  unknown?: readonly Pair[] | undefined;
}

function once<T>(slot: T | undefined, value: T): T {
  if (slot !== undefined) throw violation("a setup option is repeated");
  return value;
}

/** It only SHOULD be UTF-8; what is not is no use to anybody. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function accept(options: SetupOptions, pair: Pair, version: Version): void {
  const { type, value } = pair;
  const text = type === MOQT_IMPLEMENTATION && typeof value !== "bigint" ? textOf(value) : undefined;
  if (typeof value === "bigint") {
    if (type === MAX_REQUEST_ID && version === 16)
      return void (options.maxRequestId = once(options.maxRequestId, value));
    if (type === MAX_AUTH_TOKEN_CACHE_SIZE) {
      return void (options.maxAuthTokenCacheSize = once(options.maxAuthTokenCacheSize, value));
    }
  } else if (type === AUTHORIZATION_TOKEN) {
    return void (options.tokens = [...(options.tokens ?? []), decodeToken(value, version)]);
  } else if (type === PATH) {
    return void (options.path = once(options.path, value));
  } else if (type === AUTHORITY) {
    return void (options.authority = once(options.authority, value));
  } else if (text !== undefined) {
    return void (options.implementation = once(options.implementation, text));
  }
  options.unknown = [...(options.unknown ?? []), pair];
}

/** Reads the options that fill the reader. */
export function decodeSetupOptions(reader: ByteReader): SetupOptions {
  const { version } = reader;
  const count = version === 16 ? reader.varint() : undefined;
  const pairs = decodeBlock(reader.rest(), version);
  const options: SetupOptions = {};
  for (const pair of pairs) accept(options, pair, version);
  if (count !== undefined && count !== BigInt(pairs.length)) {
    throw violation("the number of setup parameters is wrong");
  }
  return options;
}

export function encodeSetupOptions(options: SetupOptions, out: ByteWriter): void {
  const { version } = out;
  const pairs: Pair[] = [...(options.unknown ?? [])];
  const add = (type: bigint, value: bigint | Uint8Array | undefined): void => {
    if (value !== undefined) pairs.push({ type, value });
  };
  add(PATH, options.path);
  if (version === 16) add(MAX_REQUEST_ID, options.maxRequestId);
  add(MAX_AUTH_TOKEN_CACHE_SIZE, options.maxAuthTokenCacheSize);
  add(AUTHORITY, options.authority);
  if (options.implementation !== undefined) add(MOQT_IMPLEMENTATION, new TextEncoder().encode(options.implementation));
  for (const token of options.tokens ?? []) {
    const content = new ByteWriter(version);
    encodeToken(token, content);
    add(AUTHORIZATION_TOKEN, content.finish());
  }
  if (version === 16) out.varint(pairs.length);
  encodeBlock(pairs, out);
}

/**
 * Checks what only the receiver knows: who sent it, and over which transport. INVALID_PATH or INVALID_AUTHORITY where
 * they may not be, MALFORMED_PATH or MALFORMED_AUTHORITY for bad syntax, PROTOCOL_VIOLATION for the other side's
 * message or a token alias that cannot exist.
 */
export function validateSetup({ sender, options }: Setup, from: Side, webtransport: boolean): void {
  if (sender !== undefined && sender !== from) throw violation("the other side's setup message");
  const misplaced = from === "server" || webtransport;
  const check = (
    part: Uint8Array | undefined,
    isForm: (text: string) => boolean,
    invalid: number,
    malformed: number,
  ): void => {
    if (part && misplaced) throw new ProtocolError(invalid, "only a client on raw QUIC may send this option");
    if (part && !isForm(new TextDecoder("latin1").decode(part)))
      throw new ProtocolError(malformed, "not a part of a URI");
  };
  check(options.path, isPath, SessionErrorCode.INVALID_PATH, SessionErrorCode.MALFORMED_PATH);
  check(options.authority, isAuthority, SessionErrorCode.INVALID_AUTHORITY, SessionErrorCode.MALFORMED_AUTHORITY);
  const isAlias = (token: Token): boolean => token.kind === "delete" || token.kind === "use-alias";
  if (from === "client" && options.tokens?.some(isAlias)) throw violation("a client's SETUP uses a token alias");
}

/** RFC 3986: `path-abempty ["?" query]`. */
const PATH_FORM = /^(\/([\w\-.~!$&'()*+,;=:@/]|%[\da-fA-F]{2})*)?(\?([\w\-.~!$&'()*+,;=:@/?]|%[\da-fA-F]{2})*)?$/;
const isPath = (text: string): boolean => PATH_FORM.test(text);

const USER_FORM = /^(([\w\-.~!$&'()*+,;=:@]|%[\da-fA-F]{2})*@)?$/;
const HOST_FORM = /^(\[([\w\-.~!$&'()*+,;=:]|%[\da-fA-F]{2})+\]|([\w\-.~!$&'()*+,;=]|%[\da-fA-F]{2})+)(:\d*)?$/;
/** `[userinfo "@"] host [":" port]`, with a host that is not empty. */
function isAuthority(text: string): boolean {
  const host = text.lastIndexOf("@") + 1;
  return USER_FORM.test(text.slice(0, host)) && HOST_FORM.test(text.slice(host));
}
