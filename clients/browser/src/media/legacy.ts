// hang's `legacy` container: a QUIC varint with the timestamp in µs, then the bitstream.

import { microseconds, MICROSECONDS } from "./time.ts";
import { PrefixReader } from "./varint.ts";

/** One frame of a container without boxes. */
export interface RawFrame {
  /** µs */
  timestamp: number;
  data: Uint8Array;
}

export function readLegacy(object: Uint8Array): RawFrame {
  const reader = new PrefixReader(object);
  const timestamp = microseconds(reader.varint(), MICROSECONDS);
  return { timestamp, data: reader.rest() };
}
