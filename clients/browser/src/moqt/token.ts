// Authorization tokens and their aliases (10.2.2).

import type { ByteReader, ByteWriter } from "./codec.ts";
import { formatting, readWhole } from "./codec.ts";
import { TOKEN_OVERHEAD_BYTES } from "./limit.ts";
import type { Version } from "./version.ts";

/** An AUTHORIZATION_TOKEN, in SETUP or in a request. Token type 0 was agreed out of band, 1 is a CAT. */
export type Token =
  /** Forget a registered token. */
  | { readonly kind: "delete"; readonly alias: bigint }
  /** Use this token, and remember it. */
  | { readonly kind: "register"; readonly alias: bigint; readonly tokenType: bigint; readonly value: Uint8Array }
  /** Use a registered token. */
  | { readonly kind: "use-alias"; readonly alias: bigint }
  /** Use this token once. */
  | { readonly kind: "use-value"; readonly tokenType: bigint; readonly value: Uint8Array };

/** Reads a token that fills `content`; KEY_VALUE_FORMATTING_ERROR when it does not decode. */
export const decodeToken = (content: Uint8Array, version: Version): Token =>
  readWhole(content, version, readToken, formatting("undecodable authorization token"));

function readToken(reader: ByteReader): Token {
  const aliasType = reader.varint();
  switch (aliasType) {
    case 0n:
      return { kind: "delete", alias: reader.varint() };
    case 1n: {
      const alias = reader.varint();
      return { kind: "register", alias, tokenType: reader.varint(), value: reader.rest() };
    }
    case 2n:
      return { kind: "use-alias", alias: reader.varint() };
    case 3n:
      return { kind: "use-value", tokenType: reader.varint(), value: reader.rest() };
    default:
      throw formatting(`unknown alias type ${aliasType}`);
  }
}

export function encodeToken(token: Token, out: ByteWriter): void {
  out.varint(["delete", "register", "use-alias", "use-value"].indexOf(token.kind));
  if ("alias" in token) out.varint(token.alias);
  if ("value" in token) {
    out.varint(token.tokenType);
    out.bytes(token.value);
  }
}

/** Bytes a registered token takes from MAX_AUTH_TOKEN_CACHE_SIZE (10.3.1.3); 0 for the others. */
export const tokenCacheCost = (token: Token): number =>
  token.kind === "register" ? TOKEN_OVERHEAD_BYTES + token.value.length : 0;
