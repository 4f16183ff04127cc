// SUBSCRIBE (10.7).

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { FullTrackName } from "../name.ts";
import { decodeName, encodeName } from "../name.ts";
import type { Parameters } from "../parameter.ts";
import { SUBSCRIBE, decodeParameters, encodeParameters } from "../parameter.ts";

/** Asks for the objects of a track from now on. */
export interface Subscribe {
  readonly type: "SUBSCRIBE";
  readonly requestId: bigint;
  readonly track: FullTrackName;
  /** What to send of it, and how. */
  readonly parameters: Parameters;
}

export const decodeSubscribe = (reader: ByteReader): Subscribe => ({
  type: "SUBSCRIBE",
  requestId: reader.varint(),
  track: decodeName(reader),
  parameters: decodeParameters(reader, SUBSCRIBE),
});

export function encodeSubscribe(message: Subscribe, out: ByteWriter): void {
  out.varint(message.requestId);
  encodeName(message.track, out);
  encodeParameters(message.parameters, SUBSCRIBE, out);
}
