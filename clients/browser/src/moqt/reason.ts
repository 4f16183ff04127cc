// Words for people that travel with an error (1.4.4).

import type { ByteReader, ByteWriter } from "./codec.ts";
import { REASON_BYTES } from "./limit.ts";

/** A peer's phrase may be broken UTF-8: it is only ever shown, so broken parts become replacement characters. */
export function decodeReason(reader: ByteReader): string {
  return new TextDecoder().decode(reader.prefixed(REASON_BYTES, "a reason phrase above 1024 bytes"));
}

/** Cut at the last character that fits. */
export function encodeReason(reason: string, out: ByteWriter): void {
  const bytes = new Uint8Array(REASON_BYTES);
  out.prefixed(bytes.subarray(0, new TextEncoder().encodeInto(reason, bytes).written));
}
