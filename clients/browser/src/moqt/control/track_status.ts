// TRACK_STATUS (10.14).

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { FullTrackName } from "../name.ts";
import { decodeName, encodeName } from "../name.ts";
import type { Parameters } from "../parameter.ts";
import { ONLY_TOKENS, decodeParameters, encodeParameters } from "../parameter.ts";

/** Asks what a SUBSCRIBE would be answered, without subscribing. */
export interface TrackStatus {
  readonly type: "TRACK_STATUS";
  readonly requestId: bigint;
  readonly track: FullTrackName;
  /** Tokens. */
  readonly parameters: Parameters;
}

export const decodeTrackStatus = (reader: ByteReader): TrackStatus => ({
  type: "TRACK_STATUS",
  requestId: reader.varint(),
  track: decodeName(reader),
  parameters: decodeParameters(reader, ONLY_TOKENS),
});

export function encodeTrackStatus(message: TrackStatus, out: ByteWriter): void {
  out.varint(message.requestId);
  encodeName(message.track, out);
  encodeParameters(message.parameters, ONLY_TOKENS, out);
}
