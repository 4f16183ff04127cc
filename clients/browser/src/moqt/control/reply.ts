// What several messages share: the Request ID of replies, and URIs.

import type { ByteReader, ByteWriter } from "../codec.ts";
import { EncodeError, violation } from "../codec.ts";
import { URI_BYTES } from "../limit.ts";

/** The Request ID that replies begin with where one stream carries them all, which is draft-16. */
export const decodeReplyId = (reader: ByteReader): bigint | undefined =>
  reader.version === 18 ? undefined : reader.varint();

export function encodeReplyId(id: bigint | undefined, out: ByteWriter): void {
  if (out.version === 18) return;
  if (id === undefined) throw new EncodeError("a reply to no request");
  out.varint(id);
}

export function decodeUri(reader: ByteReader): string {
  const bytes = reader.prefixed(URI_BYTES, "a URI above 8192 bytes");
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw violation("a URI that is not text");
  }
}

export function encodeUri(uri: string, out: ByteWriter): void {
  const bytes = new TextEncoder().encode(uri);
  if (bytes.length > URI_BYTES) throw new EncodeError("a URI above 8192 bytes");
  out.prefixed(bytes);
}
