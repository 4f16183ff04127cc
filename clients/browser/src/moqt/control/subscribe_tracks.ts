// SUBSCRIBE_TRACKS (10.19), draft-18 only.

import type { ByteReader, ByteWriter } from "../codec.ts";
import type { Namespace } from "../name.ts";
import { decodeNamespacePart, encodeNamespacePart } from "../name.ts";
import type { Parameters } from "../parameter.ts";
import { SUBSCRIBE_TRACKS, decodeParameters, encodeParameters } from "../parameter.ts";

/** Asks for a PUBLISH of every track under a prefix. */
export interface SubscribeTracks {
  readonly type: "SUBSCRIBE_TRACKS";
  readonly requestId: bigint;
  /** Empty for everything. */
  readonly prefix: Namespace;
  /** Tokens, and whether objects are to be sent. */
  readonly parameters: Parameters;
}

export const decodeSubscribeTracks = (reader: ByteReader): SubscribeTracks => ({
  type: "SUBSCRIBE_TRACKS",
  requestId: reader.varint(),
  prefix: decodeNamespacePart(reader),
  parameters: decodeParameters(reader, SUBSCRIBE_TRACKS),
});

export function encodeSubscribeTracks(message: SubscribeTracks, out: ByteWriter): void {
  out.varint(message.requestId);
  encodeNamespacePart(message.prefix, out);
  encodeParameters(message.parameters, SUBSCRIBE_TRACKS, out);
}
